"""docs/reliability.md lists what the tests are marked with: the same rows, in the same words."""

from faults.table import PAGE, PARTS, cells, listed, marked


def test_every_marked_test_is_on_the_page_and_nothing_else_is():
    expected = {part: [] for part in PARTS}
    for row in marked():
        harmed, how, _, holds, test = cells(row, "")
        expected[row.part].append((harmed, how, holds, test))

    found = listed(PAGE.read_text(encoding="utf-8"))

    # make faults writes it anew.
    assert {part: sorted(rows) for part, rows in found.items()} == {
        part: sorted(rows) for part, rows in expected.items()
    }
