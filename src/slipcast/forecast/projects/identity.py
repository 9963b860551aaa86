"""Id of a project in addresses: source and name in characters that no address escapes. Standard library only."""

import re
from urllib.parse import quote, unquote

# A tilde that two hexadecimal digits follow stands for a byte, as the per cent sign does in an address. Two tildes do
# not occur in what is escaped so, so they part the source from the project.
_MARK = "~"
_BETWEEN = "~~"
_VALID = re.compile(r"(?:[A-Za-z0-9_.-]|~[0-9A-F]{2})+(?:~~(?:[A-Za-z0-9_.-]|~[0-9A-F]{2})+)?")
# Bytes of an id that is taken: those of the longest key of S3 in escaped form, and one project more.
LONGEST = 4096


def project_id(source: str, project: str) -> str:
    """Return the id of a project; that of a source with one project of the same name is the source's.

    Examples
    --------
    >>> project_id("annex", "annex"), project_id("nyc_sca", "PS 118/2")
    ('annex', 'nyc_sca~~PS~20118~2F2')
    """
    if source == project:
        return _escaped(source)
    return f"{_escaped(source)}{_BETWEEN}{_escaped(project)}"


def parts(identifier: str) -> tuple[str, str] | None:
    """Return source and project of an id; None if it is none.

    Examples
    --------
    >>> parts("nyc_sca~~PS~20118~2F2"), parts("annex"), parts("a/b")
    (('nyc_sca', 'PS 118/2'), ('annex', 'annex'), None)
    """
    if len(identifier) > LONGEST or not _VALID.fullmatch(identifier):
        return None
    source, found, project = identifier.partition(_BETWEEN)
    try:
        names = [unquote(text.replace(_MARK, "%"), errors="strict") for text in (source, project if found else source)]
    except UnicodeDecodeError:
        return None
    return names[0], names[1]


def _escaped(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E").replace("%", _MARK)
