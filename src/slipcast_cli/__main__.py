"""``python -m slipcast_cli``, the same as ``slipcast``."""

from slipcast_cli.main import cli

cli(prog_name="slipcast")
