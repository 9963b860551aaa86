"""Score the activities of a CSV file with one released model, by Python's standard library alone.

    python score.py activities.csv [-o out.csv]     - reads standard input
    python score.py --check                         this folder against its digests and known answers

Exit status: 0 all is well; 1 some rows were refused (the others are scored), or a check failed; 2 nothing was scored.
"""

import argparse
import csv
import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from slipcast.csv_safety import neutral
from slipcast.edge import table
from slipcast.forecast import stage
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError

OUTPUT = ("project_id", "activity_id", "probability", "at_risk", "data_date", "stage", "days_late")
MODEL, GOLDEN, SUMS = "model.json", "golden.csv", "SHA256SUMS"
# Column with scikit-learn's probability, in the file of known answers.
EXPECTED = "expected_probability"
TOLERANCE = 1e-9
SHOWN_PROBLEMS = 20


class CheckError(RuntimeError):
    """The folder differs from the published one, or this machine computes other results."""


def main(folder: Path, sha256: str, arguments: list[str] | None = None) -> int:
    """Run the command in the bundle's `folder`, whose model has the digest `sha256`; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="score.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("activities", nargs="?", help="canonical CSV, UTF-8; - for standard input")
    parser.add_argument("-o", "--output", help="write the predictions to this file instead of standard output")
    parser.add_argument("--check", action="store_true", help="check digests and known answers")
    options = parser.parse_args(arguments)
    if options.check == (options.activities is not None):
        parser.error("give a file with activities, or --check")
    try:
        model = scorer.load((folder / MODEL).read_bytes(), sha256)
        if options.check:
            print(check(folder, model))
            return 0
        return _score(model, options.activities, options.output)
    except CheckError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (ArtifactError, table.TableError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except UnicodeDecodeError as error:
        print(f"error: not UTF-8 ({error}); save the file as CSV UTF-8", file=sys.stderr)
        return 2


def predictions(model: scorer.Scorer, lines: Iterable[str], refused: list[table.Problem]) -> Iterator[dict[str, Any]]:
    """Yield a row with `OUTPUT` for each activity in a CSV file; problems of the other rows go to `refused`."""
    today = stage.today()
    for row in table.read(lines):
        if row.problems:
            refused.extend(row.problems)
            continue
        activity, facts = stage.as_of(row.activity, today, model.metadata["tolerance_days"])
        probability = facts.probability(*model.predict_proba([activity]))
        yield {
            "project_id": row.activity.get("project_id", ""),
            "activity_id": row.activity["activity_id"],
            "probability": probability,
            "at_risk": probability >= model.threshold,
            "data_date": facts.data_date.isoformat(),
            "stage": facts.stage.value,
            "days_late": facts.days_late,
        }


def _score(model: scorer.Scorer, source: str, target: str | None) -> int:
    refused: list[table.Problem] = []
    count = 0
    with _input(source) as lines, _Output(target) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(OUTPUT)
        for row in predictions(model, lines, refused):
            ids = [neutral(row[name]) for name in OUTPUT[:2]]
            judged = [repr(row["probability"]), "yes" if row["at_risk"] else "no"]
            writer.writerow([*ids, *judged, *(row[name] for name in OUTPUT[4:])])
            count += 1
    for problem in refused[:SHOWN_PROBLEMS]:
        print(problem, file=sys.stderr)
    if len(refused) > SHOWN_PROBLEMS:
        print(f"... and {len(refused) - SHOWN_PROBLEMS} more", file=sys.stderr)
    rows = len({problem.line for problem in refused})
    print(
        f"{count} activities scored, {rows} refused; model {model.metadata.get('model_id', '')} ({model.family}), "
        f"at risk from {model.threshold:.3f} on",
        file=sys.stderr,
    )
    return 1 if refused else 0


def _input(source: str) -> TextIO:
    if source == "-":
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
    return Path(source).open(encoding="utf-8-sig", newline="")


class _Output:
    """Text file that appears complete or not at all; standard output if there is no name."""

    def __init__(self, target: str | None) -> None:
        self._target = target

    def __enter__(self) -> TextIO:
        if self._target is None:
            # Windows would write carriage returns and use its own code page.
            self._file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=True)
            return self._file
        self._unfinished = Path(f"{self._target}.unfinished")
        self._file = self._unfinished.open("w", encoding="utf-8", newline="")
        return self._file

    def __exit__(self, kind: Any, *_: Any) -> None:
        if self._target is None:
            self._file.flush()
            self._file.detach()
            return
        self._file.close()
        if kind is None:
            self._unfinished.replace(self._target)
        else:
            self._unfinished.unlink()


def check(folder: Path, model: scorer.Scorer) -> str:
    """Compare the bundle's files with their digests, and the model's answers with scikit-learn's.

    Raises
    ------
    CheckError
        If anything differs, probabilities by more than 1e-9.
    """
    files = 0
    for line in (folder / SUMS).read_text(encoding="ascii").splitlines():
        digest, _, name = line.partition("  ")
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != digest:
            raise CheckError(f"{name} has the SHA-256 {found}, published was {digest}; unpack the bundle again")
        files += 1
    with _input(str(folder / GOLDEN)) as lines:
        expected = [float(row[EXPECTED]) for row in csv.DictReader(lines)]
    refused: list[table.Problem] = []
    with _input(str(folder / GOLDEN)) as lines:
        computed = [row["probability"] for row in predictions(model, lines, refused)]
    if refused or len(computed) != len(expected) or not expected:
        why = f": {refused[0]}" if refused else ""
        raise CheckError(f"{GOLDEN} has {len(expected)} known answers, {len(computed)} were computed{why}")
    worst = max(abs(one - other) for one, other in zip(computed, expected, strict=True))
    # Not "worst > limit": every comparison with NaN is false.
    if not worst <= TOLERANCE:
        raise CheckError(f"the known answers differ from scikit-learn's by {worst:.2e}, allowed are {TOLERANCE:g}")
    return (
        f"{len(expected)} known answers equal scikit-learn's to {worst:.1e} (allowed {TOLERANCE:g}); "
        f"{files} files are as they were published"
    )
