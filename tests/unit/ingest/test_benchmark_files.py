"""The benchmark of the formats reads what it has written; else its table cannot be made."""

import pytest

from benchmarks import intake_formats
from slipcast.datasets.network_columns import TABLES


@pytest.mark.parametrize("name", intake_formats.FORMATS)
def test_a_project_is_read_whole_in_each_format(tmp_path, name):
    file, write = intake_formats.FORMATS[name]
    write(intake_formats.activities(40), 1, tmp_path / file)

    found = intake_formats.read(tmp_path / file)

    assert (found["accepted"], found["network"]) == (40, len(TABLES))
