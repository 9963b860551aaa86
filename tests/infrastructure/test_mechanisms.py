"""Each fault that trying public reports found has tests that notice when its mechanism is taken out."""

from pathlib import Path

import pytest

from reported import mechanisms

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def test_each_fault_has_a_mechanism_and_tests_that_exist():
    assert [fault.number for fault in mechanisms.FAULTS] == [*range(1, 26)]
    for fault in mechanisms.FAULTS:
        assert (mechanisms.ROOT / fault.file).read_text(encoding="utf-8").count(fault.now) == 1, fault
        assert [test for test in fault.tests if not mechanisms.existing(test)] == []
    assert mechanisms.table() in DOCS.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("fault", mechanisms.FAULTS, ids=lambda fault: str(fault.number))
def test_a_fault_that_is_brought_back_is_noticed(fault):
    assert mechanisms.noticed(fault)
