"""Text that people open in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutral(cell: object) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe goes before what begins like one.

    Source: OWASP, CSV injection.
    """
    text = "" if cell is None else str(cell)
    # Excel skips blanks before a formula.
    return "'" + text if text.lstrip(" ").startswith(FORMULA) else text
