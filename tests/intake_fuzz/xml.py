"""Damage to XML: elements that are gone, doubled, nested, renamed or filled; declarations, entities, namespaces."""

import random
import re
from collections.abc import Callable

from intake_fuzz.words import DATES, FORMULAS, MARKUP, NUMBERS, SQL, WHITE

VALUE = re.compile(r">([^<>]*)</")
ELEMENT = re.compile(r"<(\w+)>[^<>]*</\1>")
TAG = re.compile(r"</?(\w+)")
LONG = 10**6


def _one(pattern: re.Pattern[str], text: str, rng: random.Random) -> re.Match[str] | None:
    """Return a match somewhere, without looking for all of them."""
    return pattern.search(text, rng.randrange(len(text) + 1)) or pattern.search(text)


def _fill(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 3, 20))):
        if found := _one(VALUE, text, rng):
            word = rng.choice(rng.choice((NUMBERS, DATES, WHITE, FORMULAS, SQL, MARKUP, ("-1", "TRUE", "x" * LONG))))
            if rng.random() < 0.7:
                word = word.replace("&", "&amp;").replace("<", "&lt;")
            text = text[: found.start(1)] + word + text[found.end(1) :]
    return text


def _fill_all(text: str, rng: random.Random) -> str:
    if found := _one(ELEMENT, text, rng):
        word = rng.choice((*NUMBERS, *DATES, "")).replace("&", "&amp;").replace("<", "&lt;")
        name = re.escape(found[1])
        return re.sub(rf"<{name}>[^<>]*</{name}>", lambda _: f"<{found[1]}>{word}</{found[1]}>", text)
    return text


def _drop(text: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 1, 5))):
        if found := _one(ELEMENT, text, rng):
            text = text[: found.start()] + text[found.end() :]
    return text


def _drop_all(text: str, rng: random.Random) -> str:
    if found := _one(ELEMENT, text, rng):
        return re.sub(rf"<{found[1]}>[^<>]*</{found[1]}>", "", text)
    return text


def _double(text: str, rng: random.Random) -> str:
    if found := _one(ELEMENT, text, rng):
        return text[: found.end()] + found[0] * rng.choice((1, 3, 500)) + text[found.end() :]
    return text


def _record(text: str, rng: random.Random) -> str:
    """Double or move a whole line, which is a record."""
    lines = text.split("\n")
    line = lines[rng.randrange(len(lines))]
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _nest(text: str, rng: random.Random) -> str:
    if found := _one(ELEMENT, text, rng):
        depth = rng.choice((1, 5, 99, 5000))
        return text[: found.start()] + "<a>" * depth + found[0] + "</a>" * depth + text[found.end() :]
    return text


def _rename(text: str, rng: random.Random) -> str:
    if found := _one(TAG, text, rng):
        new = rng.choice(
            ("Task", "Activity", "Project", "Calendar", "x", found[1].lower(), "BaselineProject", "Baseline")
        )
        if rng.random() < 0.5:
            return re.sub(rf"(</?){found[1]}\b", rf"\1{new}", text)
        return text[: found.start(1)] + new + text[found.end(1) :]
    return text


def _declare(text: str, rng: random.Random) -> str:
    declarations = (
        '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">',
        "<!DOCTYPE x>",
        "<!-- - -->",
        "<?xml-stylesheet href='x'?>",
        "<!DOCTYPE",
        "<![CDATA[",
    )
    place = text.find("?>") + 2
    return text[:place] + rng.choice(declarations) + text[place:]


def _entity(text: str, rng: random.Random) -> str:
    if found := _one(VALUE, text, rng):
        word = rng.choice(
            ("&e;", "&b;", "&#0;", "&#x1;", "&#xD800;", "&#x10FFFF;", "&#60;b&#62;", "&amp;#61;1", "<![CDATA[<b>]]>")
        )
        return text[: found.start(1)] + word + text[found.end(1) :]
    return text


def _encoding(text: str, rng: random.Random) -> str:
    word = rng.choice(("utf-16", "cp1252", "iso-8859-1", "windows-1251", "x-unknown", "gb2312", "", "ascii", "utf-7"))
    return re.sub(r'encoding="[^"]*"', f'encoding="{word}"', text, count=1)


def _namespace(text: str, rng: random.Random) -> str:
    word = rng.choice(("", "urn:x", "http://schemas.microsoft.com/project/2007", " ", "http://www.w3.org/1999/xhtml"))
    return re.sub(r'xmlns="[^"]*"', f'xmlns="{word}"', text, count=1)


XMLS: dict[str, Callable[[str, random.Random], str]] = {
    "xml_fill": _fill,
    "xml_fill_all": _fill_all,
    "xml_drop": _drop,
    "xml_drop_all": _drop_all,
    "xml_double": _double,
    "xml_record": _record,
    "xml_nest": _nest,
    "xml_rename": _rename,
    "xml_declare": _declare,
    "xml_entity": _entity,
    "xml_encoding": _encoding,
    "xml_namespace": _namespace,
}
