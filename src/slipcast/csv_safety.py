"""Safe text for cells that people open in a spreadsheet."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def neutral(cell: object) -> str:
    """Return a cell that no spreadsheet reads as a formula: text that begins like a formula gets an apostrophe.

    Source: OWASP, CSV injection.

    Examples
    --------
    >>> neutral("=1+1")
    "'=1+1"
    >>> neutral("Design")
    'Design'
    """
    text = "" if cell is None else str(cell)
    # Excel skips blanks before a formula.
    return "'" + text if text.lstrip(" ").startswith(FORMULA) else text
