"""Faults that users of other tools have reported, tried on Slipcast: one file for each kind.

A file names its threads as comments, ``# owner/repository#number: what happened there``; docs/reliability.md lists them
(``python tests/faults/table.py --reported``). A new thread of a known kind is a line and an input in its file.
"""

from integration.conftest import control_table, empty_store, mocked_aws, permissions, s3, trigger  # noqa: F401
from support.monitoring_site import live, monitor, profiled  # noqa: F401
