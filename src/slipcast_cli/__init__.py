"""Commands for whoever operates Slipcast. None of this code is in a Lambda function or a layer."""
