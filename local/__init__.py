"""The local cloud: runs template.yaml on one machine, with an AWS emulator and a real MLflow server."""
