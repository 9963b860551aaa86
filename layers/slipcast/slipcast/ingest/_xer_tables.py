"""What an XER file tells beside its activities, by P6's identifiers."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from slipcast.ingest._xer_reader import XerReader

BESIDE_TASK = (
    *("PROJECT", "CALENDAR", "PROJWBS", "TASKPRED", "TASKRSRC", "ACTVTYPE", "ACTVCODE", "TASKACTV"),
    "TASK",
)


@dataclass
class Tables:
    """What is known beside the activities, by P6's identifiers.

    Attributes
    ----------
    projects, wbs : rows by identifier
    calendars : hours per day
    predecessors, costs, assigned : number of predecessors, target cost, and pairs of code type and code, by task_id
    code_types, codes : name of a type; type and text of a code
    baselines : the baseline project of a project
    behind : projects that are baselines
    tasks : number of activities by project
    ragged : table and line of rows with more or fewer values than fields
    bad_costs : costs that are no numbers
    """

    projects: dict[str, dict[str, str]] = field(default_factory=dict)
    calendars: dict[str, str] = field(default_factory=dict)
    wbs: dict[str, dict[str, str]] = field(default_factory=dict)
    predecessors: Counter[str] = field(default_factory=Counter)
    costs: dict[str, float] = field(default_factory=dict)
    code_types: dict[str, str] = field(default_factory=dict)
    codes: dict[str, tuple[str, str]] = field(default_factory=dict)
    assigned: defaultdict[str, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    baselines: dict[str, str] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)
    tasks: Counter[str] = field(default_factory=Counter)
    ragged: list[tuple[str, int]] = field(default_factory=list)
    bad_costs: int = 0

    def short_name(self, project: str) -> str:
        """Return the short name of a project; empty for one that is not in the file."""
        return self.projects.get(project, {}).get("proj_short_name", "")


def read_tables(reader: XerReader) -> Tables:
    """Return what the tables hold; raise ScheduleRefused as the reader does."""
    tables = Tables()
    for record in reader.records(BESIDE_TASK):
        if record.ragged:
            tables.ragged.append((record.table, record.line))
        _collect(tables, record.table, record.values)
    return tables


def _collect(tables: Tables, table: str, values: dict[str, str]) -> None:
    value = defaultdict(str, values)
    match table:
        case "TASK":
            tables.tasks[value["proj_id"]] += 1
        case "PROJECT":
            tables.projects[value["proj_id"]] = values
        case "CALENDAR":
            tables.calendars[value["clndr_id"]] = value["day_hr_cnt"]
        case "PROJWBS":
            tables.wbs[value["wbs_id"]] = values
        case "TASKPRED":
            tables.predecessors[value["task_id"]] += 1
        case "TASKRSRC":
            if value["target_cost"].strip():
                _add_cost(tables, value["task_id"], value["target_cost"])
        case "ACTVTYPE":
            tables.code_types[value["actv_code_type_id"]] = clean(value["actv_code_type"])
        case "ACTVCODE":
            text = value["actv_code_name"] or value["short_name"]
            tables.codes[value["actv_code_id"]] = (value["actv_code_type_id"], text)
        case "TASKACTV":
            tables.assigned[value["task_id"]].append((value["actv_code_type_id"], value["actv_code_id"]))


def _add_cost(tables: Tables, task: str, text: str) -> None:
    try:
        # Some locales export a decimal comma.
        cost = float(text.replace(",", "" if "." in text else "."))
    except ValueError:
        cost = math.nan
    if math.isfinite(cost):
        tables.costs[task] = tables.costs.get(task, 0) + cost
    else:
        tables.bad_costs += 1


def choose_baselines(tables: Tables) -> Iterator[str]:
    """Set the baseline project of every project that has one in the file; yield notes."""
    projects, copies = tables.projects, defaultdict(list)
    for identifier, project in projects.items():
        original = project.get("orig_proj_id", "")
        if original in projects and original != identifier:
            copies[original].append(identifier)
    assigned = {
        identifier: base
        for identifier, project in projects.items()
        if (base := project.get("sum_base_proj_id", "")) in projects and base != identifier
    }
    behind = {copy for group in copies.values() for copy in group} | set(assigned.values())
    if behind and not any(tables.tasks[identifier] for identifier in projects if identifier not in behind):
        yield "all activities belong to baseline projects, which are read as current"
    else:
        tables.behind = behind
    for identifier in [identifier for identifier in projects if tables.behind and identifier not in behind]:
        if identifier in assigned:
            tables.baselines[identifier] = assigned[identifier]
        elif identifier in copies:
            # The earliest data date is the original plan.
            chosen = min(copies[identifier], key=lambda copy: (projects[copy].get("last_recalc_date", ""), copy))
            tables.baselines[identifier] = chosen
            if len(copies[identifier]) > 1:
                yield f"{len(copies[identifier])} baselines, none assigned: {tables.short_name(chosen)!r} is used"
    if not tables.baselines:
        yield "the XER file holds no baseline project; target dates are no baseline"


def clean(text: str) -> str:
    """Return text on one line, without white space around it."""
    return text.strip() if text.isprintable() else " ".join(text.split())
