"""Edge bundle: a zip file for scoring on machines without network and packages."""

import csv
import hashlib
import io
import zipfile
from collections.abc import Mapping
from string import Template
from typing import Any

from slipcast.edge import cli, single_file, table
from slipcast.features.activity import AHEAD_OF_ALL, check
from slipcast.model.scorer import Scorer

SCORER, README = "score.py", "README.md"

_README = Template("""\
# Slipcast model $model_id

Family $family, trained on activities that start before $training_cut, as known on $data_date. It gives the probability
that an activity finishes later than its baseline finish plus $tolerance_days days, judged at its start, and says what
needs no model: the stage of the activity on its data date. What is late already has the probability 1.

    python score.py --check                        # is everything as it was published, and right on this machine?
    python score.py activities.csv -o out.csv

Any Python from $oldest on, nothing installed. `-` reads standard input; without `-o` the predictions go to standard
output: `$output`. `at_risk` is `yes` from a probability of $threshold on. A row that cannot be scored is named on
standard error by line, column and remedy; the others are scored, and the exit status is 1. With 2 nothing was scored.

## The file

CSV in UTF-8 with commas; the first line names the columns, in any order. Others may be there and are not read. Empty
cells and words such as NA and NaN mean a missing value; numbers are below 1e15. The rules are those of the API.

| column | needed | |
|---|---|---|
| `activity_id` | yes | |
| `start` | yes | day as 2025-12-31: actual start, else planned start |
| `baseline_finish` | or `baseline_duration_days` | day, not before the start |
| `baseline_duration_days` | or `baseline_finish` | calendar days, above 0; else from start to finish, both included |
| `baseline_start` | | day, instead of `start` for the duration |
| `data_date` | | day that the row describes; today (UTC) where absent |
| `status` | | `not_started`, `in_progress` or `complete`; where absent, a start up to the data date has happened |
| `actual_finish` | with `complete` | day; empty while the activity is open |
| `phase`, `work_type`, `location`, `activity_name`, `project_id` | | text, written as in the training data |
| `budget`, `predecessor_count` | | 0 or more |
| `total_float_days` | | calendar days |
$history_row

$history

## Files

`model.json` is the model, `score.py` its scorer: the modules of Slipcast as they are, so that it computes what the API
computes. `golden.csv` holds $golden activities with their probabilities by scikit-learn; `--check` compares to 1e-9,
and the files with `SHA256SUMS`. `score.py` refuses a model of another digest.
$onnx""")

_HISTORY_ROW = "| $names | | what was known when the activity starts; see below |"
_NEEDED = """\
This model also uses what was known of the project and its like on the day before the activity starts: $names. A device
that does not know them leaves the columns out or the cells empty: they then count as missing, as for a project that is
new to the API, and the probability is less sharp; the season of the finish follows from the finish itself. They can be
given as columns: the log of predictions holds them under these names, and the repository's docs/data.md says how
they are computed."""
_NOT_NEEDED = "This model uses nothing but these columns: a device gives the very probability of the API."

_ONNX = """
`model.onnx` is the same model for ONNX Runtime and others (opset 21, ai.onnx.ml 5, all in float64). Input `numeric` of
shape (n, $numeric) holds, in this order, $names; NaN where unknown. `log_budget` is log(1 + budget).
$categorical. Outputs: `probability` (n), `at_risk` (n).
"""


class EdgeError(ValueError):
    """The bundle cannot be built, or computes something else than it should; the message says why."""


def files(artifact: bytes, scorer: Scorer, golden: Mapping[str, Any], onnx: bytes | None) -> dict[str, bytes]:
    """Return the files of the bundle by name.

    Parameters
    ----------
    artifact, scorer
        the model, and the scorer made from it
    golden
        ``activities`` (prediction requests) and ``scores`` (their probabilities by scikit-learn)
    onnx
        the same model as ONNX; None leaves it out

    Raises
    ------
    EdgeError
        If there are no golden activities, one of them cannot be written to a canonical CSV file, or only scikit-learn
        can evaluate the model.
    SingleFileError
        If the scorer cannot be put into one file.
    """
    if scorer.document["model"]["kind"] == "estimator":
        raise EdgeError("only scikit-learn itself can evaluate this model: there is no scorer of one file for it")
    if not golden["activities"]:
        raise EdgeError("there are no golden activities to check the bundle with")
    digest = hashlib.sha256(artifact).hexdigest()
    found = {
        cli.MODEL: artifact,
        SCORER: single_file.build(digest).encode(),
        cli.GOLDEN: golden_csv(golden),
        README: readme(scorer, len(golden["activities"]), with_onnx=onnx is not None).encode(),
    }
    if onnx is not None:
        found["model.onnx"] = onnx
    sums = "".join(f"{hashlib.sha256(raw).hexdigest()}  {name}\n" for name, raw in sorted(found.items()))
    return found | {cli.SUMS: sums.encode("ascii")}


def golden_csv(golden: Mapping[str, Any]) -> bytes:
    """Return activities and their known probabilities as canonical CSV, numbers to the last bit.

    Raises
    ------
    EdgeError
        If an activity read back from the file differs from the original.
    """
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [*table.COLUMNS, cli.EXPECTED], lineterminator="\n")
    writer.writeheader()
    for activity, score in zip(golden["activities"], golden["scores"], strict=True):
        cells = {name: value for name, value in activity.items() if name != "history"} | AHEAD_OF_ALL
        writer.writerow(cells | activity.get("history", {}) | {cli.EXPECTED: repr(float(score))})
    back = list(table.read(io.StringIO(buffer.getvalue(), newline="")))
    for row, activity in zip(back, golden["activities"], strict=True):
        given, _ = check({name: value for name, value in activity.items() if value != {}} | AHEAD_OF_ALL)
        if row.problems or row.activity != given:
            why = row.problems[0] if row.problems else f"{row.activity} instead of {given}"
            raise EdgeError(f"the golden activity {activity.get('activity_id')!r} cannot be written as CSV: {why}")
    return buffer.getvalue().encode()


def archive(contents: Mapping[str, bytes], folder: str) -> bytes:
    """Return the files as a zip archive with one folder; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, raw in sorted(contents.items()):
            entry = zipfile.ZipInfo(f"{folder}/{name}", date_time=(1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            packed.writestr(entry, raw, zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def readme(scorer: Scorer, golden: int, *, with_onnx: bool) -> str:
    """Return the page that goes with the model."""
    names = ", ".join(f"`{name}`" for name in scorer.history)
    numeric, categorical = (scorer.document["features"][kind] for kind in ("numeric", "categorical"))
    onnx = Template(_ONNX).substitute(
        numeric=len(numeric),
        names=", ".join(f"`{name}`" for name in numeric),
        categorical=(
            f"Input `categorical` of shape (n, {len(categorical)}) holds as text, `(missing)` where unknown, "
            + ", ".join(f"`{name}`" for name in categorical)
            if categorical
            else "There are no texts"
        ),
    )
    return _README.substitute(
        model_id=scorer.metadata.get("model_id", ""),
        family=scorer.family,
        training_cut=scorer.metadata.get("training_cut", "an unknown day"),
        data_date=scorer.metadata.get("data_date", "unknown"),
        tolerance_days=scorer.metadata.get("tolerance_days", 0),
        threshold=f"{scorer.threshold:.4f}",
        oldest=".".join(map(str, single_file.OLDEST)),
        output=",".join(cli.OUTPUT),
        history_row=Template(_HISTORY_ROW).substitute(names=names) if scorer.history else "",
        history=Template(_NEEDED).substitute(names=names) if scorer.history else _NOT_NEEDED,
        golden=golden,
        onnx=onnx if with_onnx else "",
    )
