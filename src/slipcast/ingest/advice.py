"""Sentence on what to change in the next export to get more out of it."""

from collections.abc import Sequence

from slipcast.ingest.understanding import Column, Problem, Understood

# Columns that a prediction gains from, in that order, and what they are to a planner.
WORTH = {
    "phase": "the phase",
    "work_type": "the kind of work",
    "location": "the place",
    "activity_name": "the name of each activity",
    "total_float_days": "total float",
    "budget": "the budget",
    "predecessor_count": "the predecessors",
}
# Below this share of rows with a value a column says little.
FILLED = 0.5
# Share of bad cells to rows from which on they come before what is missing.
MANY = 0.01
# Share of activities without a baseline up to which it comes last.
FEW = 0.05
NOTHING = "Nothing: everything that a prediction uses was found."


def advice(understood: Understood, counts: dict[str, int], problems: Sequence[Problem]) -> str:
    """Return what helps most, in one sentence: what is wrong first, then what is missing."""
    origin, rows = understood["baseline"], counts["accepted"]
    if origin["unassigned"]:
        return (
            "Assign a baseline in the scheduling tool before the export: here it is the current plan in every row, so "
            "nothing can be late against it."
        )
    if sum(problem["cells"] for problem in problems) > MANY * counts["read"]:
        return _correction(problems)
    if origin["none"] > FEW * rows:
        return _baseline(origin["none"], rows)
    if understood["hints"]:
        return f"{understood['hints'][0][0].upper()}{understood['hints'][0][1:]}."
    absent = {item["column"] for item in understood["columns"] if _empty(item, counts)}
    if missing := [words for name, words in WORTH.items() if name in absent]:
        codes = ", as activity codes or columns" if missing[0] in (WORTH["phase"], WORTH["work_type"]) else ""
        return f"Export {_joined(missing[:3])} as well{codes}: predictions and their reasons get more precise."
    if problems:
        return _correction(problems)
    if understood["network"] is None and understood["gantt"] is not None:
        return (
            "Export the schedule as XER or XML, or its columns of predecessors as well: a forecast from a data date "
            "needs the relations."
        )
    if origin["none"]:
        return _baseline(origin["none"], rows)
    return NOTHING


def _baseline(without: int, rows: int) -> str:
    return (
        f"Drop an update from before {without:,} of the {rows:,} activities started, or the baseline under "
        "incoming/baseline/: nothing says yet what was planned for them."
    )


def _correction(problems: Sequence[Problem]) -> str:
    worst = max(problems, key=lambda problem: problem["cells"])
    cells = f"{worst['cells']:,} cell{'s' if worst['cells'] > 1 else ''}"
    column = f" of {worst['column'].replace('_', ' ')}" if worst["column"] else ""
    return f"Correct {cells}{column} that {_plural(worst)}: {_lower(worst['remedy'])}."


def _empty(column: Column, counts: dict[str, int]) -> bool:
    """Return whether a column says little; some cells are rightly empty."""
    # An activity may have no predecessor, and its float counts only before it starts.
    if column["column"] == "predecessor_count":
        return column["how"] == "absent"
    if column["column"] == "total_float_days" and counts["not_started"] < FILLED * counts["accepted"]:
        return column["how"] == "absent"
    return column["filled"] < FILLED


def _plural(problem: Problem) -> str:
    reason = problem["reason"]
    if problem["cells"] == 1:
        return reason
    for one, many in (("is ", "are "), ("has ", "have "), ("stands ", "stand ")):
        if reason.startswith(one):
            return many + reason.removeprefix(one)
    return reason


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _joined(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
