"""The part of the OpenAPI document that describes the project API. Standard library only.

The document is answered by the predict function, whose routes and types describe the rest of it.
"""

import re
from typing import Any

from slipcast.forecast.projects.columns import COLUMNS

TAG = {"name": "Projects", "description": "Projects, their activities and forecasts, uploads"}
STAGES = ("complete", "already_late", "overdue", "in_progress", "not_started")
RELATION_TYPES = ("FS", "SS", "FF", "SF")
# Largest numbers that a request may send.
MOST_PROJECTS, MOST_ROWS, MOST_COLUMNS, MOST_CHANGES, LONGEST_DAYS = 1_000, 1_000, 10_000, 200, 36_500
FORMATS = ("xer", "pmxml", "mspdi", "csv", "xlsx", "html")

type Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(item: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": item, **more}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, **more}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "number"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_DAY: Schema = {"type": "string", "format": "date"}
_PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
_FLAG: Schema = {"type": "boolean"}
_DAY_OR_NULL, _TEXT_OR_NULL, _NUMBER_OR_NULL = _or_null(_DAY), _or_null(_TEXT), _or_null(_NUMBER)
_LEVELS = dict.fromkeys(("p10", "p50", "p80", "p90"), _DAY_OR_NULL)
_TOKEN = _or_null(_TEXT)

_COLUMN_TYPES: dict[str, Schema] = {
    **dict.fromkeys(COLUMNS, _TEXT_OR_NULL),
    "activity_id": _TEXT,
    "stage": {"enum": list(STAGES)},
    **dict.fromkeys(("baseline_start", "baseline_finish", "start", "finish"), _DAY_OR_NULL),
    "total_float_days": _NUMBER_OR_NULL,
    **dict.fromkeys(("late_probability", "criticality"), _or_null(_PROBABILITY)),
    **dict.fromkeys(("at_risk", "is_milestone"), _FLAG),
    "days_late": _COUNT,
    **_LEVELS,
}
_COMPLETION = _object(
    {"baseline": _DAY_OR_NULL, "planned": _DAY_OR_NULL, "p50": _DAY_OR_NULL, "p80": _DAY_OR_NULL, "p90": _DAY_OR_NULL}
)
_FULL_COMPLETION = _object({"baseline": _DAY_OR_NULL, "planned": _DAY_OR_NULL, "cpm": _DAY_OR_NULL, **_LEVELS})
_HEAD: dict[str, Schema] = {
    **dict.fromkeys(("project_id", "name", "source"), _TEXT),
    "data_date": _DAY,
    **dict.fromkeys(("activities", "open", "at_risk", "already_late"), _COUNT),
    "completion": _COMPLETION,
    "trend": _list(_object({"data_date": _DAY, "p50": _DAY_OR_NULL, "p80": _DAY_OR_NULL})),
    "quality": _or_null(_object({"passed": _COUNT, "checks": _COUNT})),
    "model_version": _TEXT,
}
_UPDATE = _object(
    {"data_date": _DAY, **dict.fromkeys(("dataset_version", "model_version", "execution"), _TEXT_OR_NULL)}
)
_MILESTONE = _object(
    {
        "activity_id": _TEXT,
        "name": _TEXT_OR_NULL,
        "baseline_finish": _DAY_OR_NULL,
        "planned_finish": _DAY_OR_NULL,
        **_LEVELS,
    }
)
_NEIGHBOR = _object({"activity_id": _TEXT, "type": _TEXT, "lag_days": _NUMBER, "name": _TEXT_OR_NULL})
_FIGURE = _object({"value": _NUMBER, **dict.fromkeys(("low", "high"), _NUMBER_OR_NULL)})
_BEFORE_AFTER = _object({"before": _DAY_OR_NULL, "after": _DAY_OR_NULL})
_PROBABILITIES = _object({"before": _or_null(_PROBABILITY), "after": _or_null(_PROBABILITY)})
_ANY_ROW: Schema = {"type": "object"}
_LINK = _object(
    {
        "predecessor_id": {**_TEXT, "minLength": 1},
        "successor_id": {**_TEXT, "minLength": 1},
        "type": {"enum": list(RELATION_TYPES), "default": "FS"},
        "lag_days": {"type": "number", "minimum": -LONGEST_DAYS, "maximum": LONGEST_DAYS, "default": 0},
    },
    optional=("type", "lag_days"),
    additionalProperties=False,
)
_PROFILE_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,59}$"}
_SCENARIO: dict[str, Schema] = {
    **dict.fromkeys(("id", "name", "by", "saved_at"), _TEXT),
    "data_date": _DAY,
    "question": {"$ref": "#/components/schemas/WhatIfQuestion"},
}
SCHEMAS: dict[str, Schema] = {
    "ProjectHead": _object(_HEAD),
    "ProjectList": _object({"projects": _list(_ref("ProjectHead")), "next": _TOKEN}),
    "Project": _object(
        {
            **_HEAD,
            "milestones": _list(_MILESTONE),
            "updates": _list(_UPDATE),
            "phases": _list(_TEXT),
            "locations": _list(_TEXT),
        }
    ),
    "ProjectActivity": _object(_COLUMN_TYPES),
    "ProjectActivities": _object({"activities": _list(_ref("ProjectActivity")), "next": _TOKEN}),
    "ProjectColumns": _object(
        {"columns": _object({name: _list(kind) for name, kind in _COLUMN_TYPES.items()}), "next": _TOKEN}
    ),
    "ProjectActivityDetail": _object(
        {
            **_COLUMN_TYPES,
            "distribution": _list(_object({"date": _DAY, "probability": _PROBABILITY})),
            "reasons": _list(_object({"feature": _TEXT, "name": _TEXT, "value": _TEXT, "effect": _NUMBER})),
            "history": _list(
                _object({"data_date": _DAY, "p50": _DAY_OR_NULL, "p80": _DAY_OR_NULL, "model_version": _TEXT})
            ),
            "predecessors": _list(_NEIGHBOR),
            "successors": _list(_NEIGHBOR),
        }
    ),
    "ProjectLineage": _object(
        {
            **dict.fromkeys(("project_id", "activity_id", "prediction_id"), _TEXT),
            "update": _object(
                {
                    "data_date": _DAY,
                    **dict.fromkeys(
                        ("dataset_version", "execution", "file", "file_version", "intake_url"), _TEXT_OR_NULL
                    ),
                }
            ),
            "model": _or_null(
                _object(
                    {
                        **dict.fromkeys(("version", "model_id", "sha256"), _TEXT),
                        **dict.fromkeys(
                            (
                                *("trained_at", "execution", "family", "reason", "approved_by"),
                                *("dataset_version", "dataset_data_date", "report_url"),
                            ),
                            _TEXT_OR_NULL,
                        ),
                        "dataset_rows": _or_null(_COUNT),
                    }
                )
            ),
        }
    ),
    "ProjectForecast": _object(
        {
            "project_id": _TEXT,
            "data_date": _DAY,
            "model_version": _TEXT,
            "completion": _FULL_COMPLETION,
            "tolerance_days": _COUNT,
            "basis": {"enum": ["finished", "network", "independent activities"]},
            "note": _TEXT,
            "milestones": _list(_MILESTONE),
            "drivers": _list(
                _object({"activity_id": _TEXT, "name": _TEXT_OR_NULL, "criticality": _PROBABILITY, "days": _NUMBER})
            ),
            "groups": _list(_object({"column": _TEXT, "value": _TEXT, "days": _NUMBER})),
            "driving_path": _list(_TEXT),
            # What was stored before has the text alone.
            "reference_class": _object(
                {"n": _COUNT, "projects": _COUNT, "model": _TEXT, "text": _TEXT}, optional=("projects", "model")
            ),
        }
    ),
    "ProjectExport": _object({"url": _TEXT, "name": _TEXT, "bytes": _COUNT, "expires_at": _TEXT}),
    "Monitoring": _object(
        {
            "live": _or_null(_object({"version": _TEXT, "model_id": _TEXT, "trained_at": _TEXT, "execution": _TEXT})),
            "evaluation": _or_null(_ANY_ROW),
            "monitor": _or_null(_ANY_ROW),
            "scoreboard": _list(
                _object(
                    {
                        "level": _PROBABILITY,
                        "held": _PROBABILITY,
                        "judged": _or_null(_COUNT),
                        **dict.fromkeys(("low", "high"), _or_null(_PROBABILITY)),
                    }
                )
            ),
            "trainings": _list(
                _object(
                    {
                        "at": _TEXT,
                        **dict.fromkeys(
                            ("execution", "reason", "outcome", "version", "detail", "report_url"), _TEXT_OR_NULL
                        ),
                    }
                )
            ),
            "pages": _object(dict.fromkeys(("training", "monitoring", "scoreboard"), _TEXT_OR_NULL)),
        }
    ),
    "Releases": _object(
        {
            "may_decide": _FLAG,
            "waiting": _list(
                _object(
                    {
                        **dict.fromkeys(("execution", "asked_at", "expires_at", "model_id", "model_sha256"), _TEXT),
                        "family": _TEXT,
                        "replaces": _or_null(_object({"version": _TEXT, "model_id": _TEXT})),
                        "gate": _list(_TEXT),
                        "dataset_id": _TEXT,
                        "data_date": _TEXT_OR_NULL,
                        "reason": _TEXT,
                        "figures": _list(
                            _object({"measure": _TEXT, "challenger": _or_null(_FIGURE), "champion": _or_null(_FIGURE)})
                        ),
                        "report_url": _TEXT_OR_NULL,
                    }
                )
            ),
            "decided": _list(
                _object(
                    {
                        "execution": _TEXT,
                        "status": {"enum": ["approved", "rejected", "expired"]},
                        **dict.fromkeys(("decided_at", "by", "comment", "outcome", "model_id"), _TEXT_OR_NULL),
                    }
                )
            ),
        }
    ),
    "Decision": _object(
        {"decision": {"enum": ["approve", "reject"]}, "comment": {"type": "string", "maxLength": 1000}},
        optional=("comment",),
        additionalProperties=False,
    ),
    "Decided": _object({"execution": _TEXT, "status": _TEXT, "delivery": _TEXT, "decided_at": _TEXT}),
    "ProjectUpdates": _object({"updates": _list(_UPDATE)}),
    "ProjectComparison": _object(
        {
            "from": _DAY,
            "to": _DAY,
            "why": _TEXT,
            "finish_days": {"type": "object", "additionalProperties": _NUMBER},
            **dict.fromkeys(
                (
                    *("slips", "consumed", "added", "removed", "added_relations", "removed_relations"),
                    *("changes", "planned_changes", "baseline_changes"),
                ),
                _list(_ANY_ROW),
            ),
            "counts": {"type": "object", "additionalProperties": _COUNT},
            "learned": _object(
                {
                    "finished": _COUNT,
                    "late": _COUNT,
                    "expected_late": _NUMBER,
                    "held": _object(dict.fromkeys(("p50", "p80", "p90"), _COUNT)),
                    "days": _or_null(_NUMBER),
                    "models": _list(_TEXT_OR_NULL),
                }
            ),
        }
    ),
    "WhatIfQuestion": _object(
        {
            "changes": _list(
                _object(
                    {
                        "activity_id": {**_TEXT, "minLength": 1},
                        "start": _DAY_OR_NULL,
                        "remaining_duration_days": _or_null({"type": "number", "minimum": 0, "maximum": LONGEST_DAYS}),
                    },
                    optional=("start", "remaining_duration_days"),
                    additionalProperties=False,
                ),
                maxItems=MOST_CHANGES,
            ),
            "relations": _object(
                {"add": _list(_LINK, maxItems=MOST_CHANGES), "remove": _list(_LINK, maxItems=MOST_CHANGES)},
                optional=("add", "remove"),
                additionalProperties=False,
            ),
        },
        optional=("changes", "relations"),
        additionalProperties=False,
    ),
    "WhatIfAnswer": _object(
        {
            "before": _FULL_COMPLETION,
            "after": _FULL_COMPLETION,
            "activities": _list(
                _object(
                    {
                        "activity_id": _TEXT,
                        "late_probability": _PROBABILITIES,
                        "p50": _BEFORE_AFTER,
                        "p80": _BEFORE_AFTER,
                    }
                )
            ),
        }
    ),
    "ProfileQuestion": _object(
        {"key": {"type": "string", "pattern": "^incoming/", "maxLength": 1024}, "profile": _PROFILE_NAME},
        additionalProperties=False,
    ),
    "ProfileDraft": _object(
        {
            "text": _TEXT,
            "guesses": _list(
                _object(
                    {
                        "column": _TEXT,
                        "headers": _list(_TEXT),
                        "confidence": _PROBABILITY,
                        "why": _TEXT,
                        "examples": _list(_TEXT),
                    }
                )
            ),
            **dict.fromkeys(("not_used", "notes"), _list(_TEXT)),
            "preview": _list({"type": "object", "additionalProperties": _TEXT}),
            "counts": {"type": "object", "additionalProperties": _COUNT},
        }
    ),
    "Profile": _object({"profile": _PROFILE_NAME, "text": {**_TEXT, "minLength": 1}}, additionalProperties=False),
    "ProfileSaved": _object({"profile": _TEXT}),
    "Scenario": _object(_SCENARIO),
    "ScenarioRequest": _object(
        {"name": {"type": "string", "minLength": 1, "maxLength": 100}, "question": _ref("WhatIfQuestion")},
        additionalProperties=False,
    ),
    "Scenarios": _object({"scenarios": _list(_ref("Scenario"))}),
    "UploadRequest": _object(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "size": {"type": "integer", "minimum": 1},
            "source": _or_null({"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,80}$"}),
        },
        optional=("source",),
        additionalProperties=False,
    ),
    "UploadForm": _object({"url": _TEXT, "fields": {"type": "object", "additionalProperties": _TEXT}, "key": _TEXT}),
    "Execution": _object(
        {
            "execution": _TEXT,
            "status": _TEXT,
            "steps": _list(_object({"name": _TEXT, "status": _TEXT, "started": _TEXT, "ended": _TEXT_OR_NULL})),
            "intake_url": _TEXT_OR_NULL,
            "rejected_url": _TEXT_OR_NULL,
            "corrections_url": _TEXT_OR_NULL,
            "outcome": _or_null({"type": "object"}),
        }
    ),
}
_EXAMPLE_CHANGE = {"changes": [{"activity_id": "A1430", "remaining_duration_days": 60}]}
_NOT_FOUND = {404: "There is no such project, or the caller may not see it"}
_QUERY = {422: "A parameter is wrong, errors names it"}
_BODY = {
    400: "The body is not JSON",
    413: "The body is too large",
    415: "The body is announced as something else than JSON",
    422: "A field is missing or wrong, errors names it",
}
_ALWAYS = {
    401: "API Gateway: the token is missing or not valid",
    403: "API Gateway: the key or the signature is missing; or the token has no role for this",
    429: "API Gateway: too many requests; try again later",
    500: "Unexpected error",
}
_PATHS: dict[str, Schema] = {
    "id": {
        "description": "Id of the project, as a list of projects gives it",
        "schema": {"type": "string", "minLength": 1},
        "example": "ps118_annex",
    },
    "scenario_id": {
        "description": "Id of the scenario, as the list of scenarios gives it",
        "schema": {"type": "string", "minLength": 1},
        "example": "0123456789abcdef",
    },
    "activity_id": {
        "description": "Id of the activity",
        "schema": {"type": "string", "minLength": 1},
        "example": "A1430",
    },
}


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": schema}


def _limit(most: int) -> Schema:
    return _query("limit", {"type": "integer", "minimum": 1, "maximum": most}, "Items of a page")


_NEXT = _query("next", _TEXT, "Token that the page before ended with")
_TAG_HEADER = {"ETag": {"description": "Changes with the document", "schema": _TEXT}}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETag of an answer that the client has",
    "schema": _TEXT,
}
# Path → summary, answer, parameters of the query, body, problems, description.
_GET: dict[str, tuple[str, Schema, list[Schema], dict[int, str], str]] = {
    "/projects": (
        "Projects that the caller may see",
        _ref("ProjectList"),
        [_limit(MOST_PROJECTS), _NEXT],
        _QUERY,
        "Each with counts, completion and trend. A project is there once an update of it was scored.",
    ),
    "/projects/{id}": (
        "A project",
        _ref("Project"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "With its milestones to come, its updates, phases and locations.",
    ),
    "/projects/{id}/activities": (
        "Activities of a project",
        {"anyOf": [_ref("ProjectActivities"), _ref("ProjectColumns")]},
        [
            _query("at_risk", {"type": "boolean"}, "Those at risk, or those that are not"),
            _query("stage", {"type": "string", "enum": list(STAGES)}, "Those of a stage"),
            _query("q", _TEXT, "Those with a text in id, name, phase or location"),
            _query("layout", {"type": "string", "enum": ["rows", "columns"]}, "One by one, or column by column"),
            _limit(MOST_ROWS),
            _NEXT,
        ],
        {**_NOT_FOUND, **_QUERY},
        f"At risk are those whose probability of delay reaches the threshold and that are not late already. By column "
        f"a page has up to {MOST_COLUMNS:,} activities.",
    ),
    "/projects/{id}/activities/{activity_id}": (
        "An activity",
        _ref("ProjectActivityDetail"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "With the distribution of its finish, the reasons for its probability of delay, what the updates before said "
        "of it, and its neighbors in the network.",
    ),
    "/projects/{id}/activities/{activity_id}/lineage": (
        "Where the forecast of an activity comes from",
        _ref("ProjectLineage"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "The update with its file, dataset version and execution, and the model with its training, dataset and who "
        "approved it. model is null if no release of the version is known. Links hold for 15 minutes and are in the "
        "audit trail; they are null for a caller who may not see what they show.",
    ),
    "/projects/{id}/forecast": (
        "When a project is completed",
        _ref("ProjectForecast"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "And what drives it. basis says whether it comes from the network or from activities that count as "
        "independent; note says why.",
    ),
    "/projects/{id}/updates": (
        "Updates of a project",
        _ref("ProjectUpdates"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "The earliest first.",
    ),
    "/projects/{id}/compare": (
        "What changed between two updates",
        _ref("ProjectComparison"),
        [_query("from", _DAY, "Data date of the earlier update"), _query("to", _DAY, "Data date of the later one")],
        {**_NOT_FOUND, **_QUERY},
        "The latest two unless others are named. counts has the length of each list before it was cut; learned says "
        "how the earlier forecast did on the activities that have finished since, and which models spoke.",
    ),
    "/projects/{id}/scenarios": (
        "Scenarios of a project",
        _ref("Scenarios"),
        [],
        {**_NOT_FOUND, **_QUERY},
        "What-if questions that somebody saved, the latest first.",
    ),
    "/projects/{id}/export": (
        "The forecast of a project as a file",
        _ref("ProjectExport"),
        [_query("format", {"type": "string", "enum": list(FORMATS)}, "Format of the file", required=True)],
        {**_NOT_FOUND, **_QUERY, 413: "The dropped file is too large to be written here"},
        "A link that holds for 15 minutes. xer, pmxml and mspdi are the dropped file with the forecast in user-defined "
        "fields, csv is a table for P6's import of spreadsheets.",
    ),
    "/monitoring": (
        "The live model, and what monitoring says of it",
        _ref("Monitoring"),
        [],
        _QUERY,
        "Probabilities and dates against what happened: on the holdout of its training and since then. The last run of "
        "the monitor, trainings, and links to the pages, which hold for 15 minutes and only callers who may see every "
        "project get.",
    ),
    "/releases": (
        "Releases that wait for approval",
        _ref("Releases"),
        [],
        _QUERY,
        "Those that wait, the earliest to expire first, and the last that were decided. may_decide says whether the "
        "caller may.",
    ),
    "/executions": (
        "The execution of an upload",
        _ref("Execution"),
        [
            _query(
                "key",
                {"type": "string", "pattern": "^incoming/", "maxLength": 1024},
                "Key of the upload",
                required=True,
            )
        ],
        {404: "Nothing was uploaded under this key", **_QUERY},
        "PENDING until the event of the upload has started it.",
    ),
    "/executions/{id}": (
        "An execution of the pipeline",
        _ref("Execution"),
        [],
        {404: "There is no such execution", **_QUERY},
        "Status, the steps that were entered, links to the intake page and the rows that were not taken, the outcome.",
    ),
}
_POST: dict[str, tuple[str, Schema, str, Schema, dict[int, str], str, dict[str, Any]]] = {
    "/projects/{id}/what-if": (
        "A project with other starts, durations or relations",
        _ref("WhatIfQuestion"),
        "200",
        _ref("WhatIfAnswer"),
        {**_NOT_FOUND, **_BODY},
        "Completion and activities before and after, by the same draws. Nothing is stored. Takes the role planner.",
        _EXAMPLE_CHANGE,
    ),
    "/projects/{id}/scenarios": (
        "Save a what-if question",
        _ref("ScenarioRequest"),
        "201",
        _ref("Scenario"),
        {**_NOT_FOUND, **_BODY, 409: "The project has a scenario of this name, or too many"},
        "Under a name that the project does not have yet. The question is stored, not its answer. Takes the role "
        "planner.",
        {"name": "two crews", "question": _EXAMPLE_CHANGE},
    ),
    "/profiles/suggestions": (
        "A draft of a mapping profile",
        _ref("ProfileQuestion"),
        "200",
        _ref("ProfileDraft"),
        {**_BODY, 404: "Nothing was uploaded under this key, or the caller may not see it"},
        "For an uploaded table: where each column may come from and how sure that is, what becomes of the first rows, "
        "and the profile as text. Takes the role planner.",
        {"key": "incoming/tracker_2026-03-31.csv", "profile": "tracker"},
    ),
    "/profiles": (
        "Save a mapping profile",
        _ref("Profile"),
        "201",
        _ref("ProfileSaved"),
        {**_BODY, 409: "There is a profile of this name already"},
        "Files dropped under incoming/<profile>/ are read by it. Takes the role planner.",
        {"profile": "tracker", "text": "name: tracker"},
    ),
    "/releases/{id}/decision": (
        "A decision on a release",
        _ref("Decision"),
        "200",
        _ref("Decided"),
        {
            **_BODY,
            404: "The execution has asked for no approval",
            409: "It is decided already, or has expired",
            503: "The decision is recorded, but the pipeline could not be notified: send it again",
        },
        "In the name of the caller. Takes the role approver, and a token or a signature: an API key does not say which "
        "person decides.",
        {"decision": "approve", "comment": "seen with the team"},
    ),
    "/uploads": (
        "A form for an upload",
        _ref("UploadRequest"),
        "201",
        _ref("UploadForm"),
        _BODY,
        "Post its fields and the file, which comes last and is called file, to its url within 15 minutes. Takes the "
        "role planner.",
        {"name": "tower_2026-03-31.xer", "size": 1200000},
    ),
}


def paths(problem: Schema) -> dict[str, Any]:
    """Return the paths of the project API; `problem` is the schema of a problem document."""
    found: dict[str, Any] = {}
    for path, (summary, answered, query, problems, text) in _GET.items():
        tagged = path.startswith("/projects") and not path.endswith(("/export", "/lineage"))
        success: Schema = {"description": "Success", "content": {"application/json": {"schema": answered}}}
        responses: dict[str, Any] = {"200": success}
        if tagged:
            success["headers"] = _TAG_HEADER
            responses["304"] = {"description": "Still what If-None-Match names", "headers": _TAG_HEADER}
        found.setdefault(path, {})["get"] = {
            **_described("get", path, summary, text, {**responses, **_problems(problems, problem)}),
            "parameters": [*_path_parameters(path), *query, *([_IF_NONE_MATCH] if tagged else [])],
        }
    for path, (summary, asked, status, answered, problems, text, example) in _POST.items():
        success = {"description": "Success", "content": {"application/json": {"schema": answered}}}
        found.setdefault(path, {})["post"] = {
            **_described("post", path, summary, text, {status: success, **_problems(problems, problem)}),
            "parameters": _path_parameters(path),
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": asked, "example": example}},
            },
        }
    path = "/projects/{id}/scenarios/{scenario_id}"
    success = {"description": "Success", "content": {"application/json": {"schema": _ref("Scenarios")}}}
    problems = {**_NOT_FOUND, **_QUERY}
    found[path] = {
        "delete": {
            **_described(
                *("delete", path, "Delete a scenario", "Answers with those that remain. Takes the role planner."),
                {"200": success, **_problems(problems, problem)},
            ),
            "parameters": _path_parameters(path),
        }
    }
    return found


def _described(method: str, path: str, summary: str, text: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": "_".join([method, *re.findall(r"\w+", path)]),
        "summary": summary,
        "description": text,
        "tags": [TAG["name"]],
        "responses": responses,
    }


def _path_parameters(path: str) -> list[Schema]:
    executions = {"description": "Name of the execution", "schema": {"type": "string", "minLength": 1}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            **(executions if path.startswith(("/executions", "/releases")) else _PATHS[name]),
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _problems(problems: dict[int, str], problem: Schema) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status, text in sorted({**_ALWAYS, **problems}.items()):
        found[str(status)] = {"description": text, "content": {"application/problem+json": {"schema": problem}}}
        if status == 429:
            found[str(status)]["headers"] = {"Retry-After": {"description": "Seconds to wait", "schema": _TEXT}}
    return found
