"""Damage to the cells of a table."""

import random
from collections.abc import Callable

from intake_fuzz.words import BREAKS, DATES, FORMULAS, MARKUP, NUMBERS, QUOTES, SQL, WHITE

Rows = list[list[str]]
LONG = 10**6


def _somewhere(rows: Rows, rng: random.Random) -> tuple[int, int] | None:
    row = rng.randrange(len(rows)) if rows else 0
    return (row, rng.randrange(len(rows[row]))) if rows and rows[row] else None


def _put(words: tuple[str, ...]) -> Callable[[Rows, random.Random], None]:
    def change(rows: Rows, rng: random.Random) -> None:
        for _ in range(rng.choice((1, 1, 2, 5, 40))):
            if place := _somewhere(rows, rng):
                row, column = place
                word = rng.choice(words)
                old = rows[row][column]
                rows[row][column] = rng.choice((word, word, word, word + old, old + word))

    return change


def _fill_column(rows: Rows, rng: random.Random) -> None:
    if place := _somewhere(rows, rng):
        word = rng.choice((*NUMBERS, *DATES, *FORMULAS, ""))
        for row in rows[1:]:
            if place[1] < len(row):
                row[place[1]] = word


def _long_cell(rows: Rows, rng: random.Random) -> None:
    if place := _somewhere(rows, rng):
        character = rng.choice(('"', "x", "1", ",", " ", "é", "=", "\n", "- "))
        rows[place[0]][place[1]] = (character * LONG)[: rng.choice((LONG, 9_999, 10_000, 10_001, 200, 201, 140_000))]


def _by_column(change: Callable[[list[int], random.Random], list[int]]) -> Callable[[Rows, random.Random], None]:
    def apply(rows: Rows, rng: random.Random) -> None:
        width = max(map(len, rows), default=0)
        order = change(list(range(width)), rng)
        rows[:] = [[row[column] for column in order if column < len(row)] for row in rows]

    return apply


def _shuffled(columns: list[int], rng: random.Random) -> list[int]:
    return rng.sample(columns, len(columns))


def _doubled(columns: list[int], rng: random.Random) -> list[int]:
    return [*columns, rng.choice(columns)] if columns else []


def _dropped(columns: list[int], rng: random.Random) -> list[int]:
    return rng.sample(columns, len(columns) - 1) if columns else []


def _rename(rows: Rows, rng: random.Random) -> None:
    if not rows or not rows[0]:
        return
    for _ in range(rng.choice((1, 2, len(rows[0])))):
        column = rng.randrange(len(rows[0]))
        name = rows[0][column]
        changed = (
            *(name.upper(), name.replace("_", " "), name.replace(" ", "\n"), f" {name}\t", f"{name}*", f"\u00a0{name}"),
            *("", "x", rng.choice(rows[0]), rng.choice(FORMULAS), rng.choice(MARKUP), rng.choice(SQL), name + "\u200b"),
            *("İstart", "ﬁnish", name.title()),
        )
        rows[0][column] = rng.choice(changed)


def _swap_columns(rows: Rows, rng: random.Random) -> None:
    if rows and len(rows[0]) > 1:
        one, other = rng.sample(range(len(rows[0])), 2)
        for row in rows[1:]:
            if max(one, other) < len(row):
                row[one], row[other] = row[other], row[one]


def _repeat_rows(rows: Rows, rng: random.Random) -> None:
    if len(rows) > 1:
        rows += [list(row) for row in rng.choices(rows[1:], k=rng.choice((1, 3, 30)))]


def _ragged(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        if rows:
            row = rng.choice(rows)
            if rng.random() < 0.5:
                row += [rng.choice(("", "", " ", "x"))] * rng.choice((1, 2, 30))
            else:
                del row[rng.randrange(len(row) + 1) :]


def _blank_rows(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 3, 20))):
        width = len(rows[0]) if rows else 1
        blank = rng.choice(([], [""] * width, [" "] * width, ["\u00a0"] * width, [rng.choice(WHITE)] * width, [""]))
        rows.insert(rng.randrange(len(rows) + 1), list(blank))


def _fewer_rows(rows: Rows, rng: random.Random) -> None:
    del rows[rng.choice((0, 1, 1, 2, 3)) :]


def _title_above(rows: Rows, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 16))):
        rows.insert(0, rng.choice((["Report"], ["Report", "", "2024"], [""], ["x"] * 12, ["activity_id", "start"])))


def _header_again(rows: Rows, rng: random.Random) -> None:
    if rows:
        rows.insert(rng.randrange(1, len(rows) + 1), list(rows[0]))


CELLS: dict[str, Callable[[Rows, random.Random], None]] = {
    "formulas": _put(FORMULAS),
    "markup": _put(MARKUP),
    "sql": _put(SQL),
    "numbers": _put(NUMBERS),
    "dates": _put(DATES),
    "white": _put(WHITE),
    "quotes": _put(QUOTES),
    "breaks": _put(BREAKS),
    "fill_column": _fill_column,
    "long_cell": _long_cell,
    "shuffle_columns": _by_column(_shuffled),
    "double_column": _by_column(_doubled),
    "drop_column": _by_column(_dropped),
    "rename": _rename,
    "swap_columns": _swap_columns,
    "repeat_rows": _repeat_rows,
    "ragged": _ragged,
    "blank_rows": _blank_rows,
    "fewer_rows": _fewer_rows,
    "title_above": _title_above,
    "header_again": _header_again,
    "shuffle_rows": lambda rows, rng: rng.shuffle(rows),
}
