"""The 25 faults that were found by trying public reports, each with its tests and a change that brings it back.

``python tests/reported/mechanisms.py [NUMBER...]`` makes each change in a copy of the source and says whether the tests
notice it; the table in docs/reliability.md is made from here by ``--table``. The numbers are those of the changelog.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
REPORTED, INTEGRATION = "tests/reported/test_", "tests/integration/test_"


class Fault(NamedTuple):
    """A fault that was found.

    Attributes
    ----------
    number
        1 to 25
    what
        what happened
    tests
        tests that failed before: the reported input and others of its kind
    file, now, before
        the text of the mechanism that prevents it, and what stands for the time before
    """

    number: int
    what: str
    tests: tuple[str, ...]
    file: str
    now: str
    before: str


PREDICT = "functions/predict/"
FAULTS = (
    Fault(
        1,
        "one accepted request stops the monitor for its whole window",
        (f"{REPORTED}bounds_at_the_doors.py::test_no_door_takes_it", f"{REPORTED}poison_pill.py"),
        "src/slipcast/schema.py",
        "LARGEST_NUMBER = 1e15",
        "LARGEST_NUMBER = 1.7e308",
    ),
    Fault(
        2,
        "another probability by duration than by finish",
        (f"{REPORTED}one_activity_one_answer.py::test_by_days_as_by_finish",),
        "src/slipcast/features/activity.py",
        "finish if finish is not None else last_day(begin, days))",
        "finish)",
    ),
    Fault(
        3,
        "different files become one project",
        (f"{REPORTED}lossy_identity.py::test_what_is_apart_stays_apart",),
        "src/slipcast/ingest/files/file_names.py",
        """return f"{slug[:LONGEST] or 'schedule'}.{_digest(text)}" if lost else slug""",
        'return slug[:LONGEST] or "schedule"',
    ),
    Fault(
        4,
        "an older version that is processed later wins over the correction",
        (f"{REPORTED}order_of_events.py",),
        "src/slipcast/datasets/merging.py",
        "return f\"coalesce(o.source_sha256 IN ({', '.join(map(literal, sorted(self.later)))}), false)\"",
        'return "false"',
    ),
    Fault(
        5,
        "rows above a repeated header vanish",
        (f"{REPORTED}lost_rows.py::test_a_header_that_comes_again_is_a_rejected_row",),
        "src/slipcast/ingest/mapping/detect.py",
        "found = min(best, key=lambda item: item.index)",
        "found = max(best, key=lambda item: item.index)",
    ),
    Fault(
        6,
        "a champion of another scikit-learn blocks all training",
        (f"{REPORTED}unreadable_model.py",),
        "src/slipcast/evaluation/assessment.py",
        "        except ArtifactError as error:\n",
        "        except ZeroDivisionError as error:\n",
    ),
    Fault(
        7,
        "a score that is no number reaches clients",
        (f"{INTEGRATION}predict_safety.py::test_a_score_that_is_no_probability_reaches_nobody",),
        "src/slipcast/model/scorer.py",
        "if not all(0.0 <= score <= 1.0 for score in scores):",
        "if False:",
    ),
    Fault(
        8,
        "many activities of one day stop the pipeline for good",
        (f"{REPORTED}total_too_large.py",),
        "src/slipcast/features/series_codec.py",
        "for version, width in WIDTHS.items():",
        "for version, width in [*WIDTHS.items()][:1]:",
    ),
    Fault(
        9,
        "a number beyond float32 is an error of tree models that scikit-learn serves",
        (f"{REPORTED}number_out_of_range.py",),
        "src/slipcast/model/sklearn_estimators.py",
        "np.clip(np.array(rows, dtype=np.float64), -LARGEST, LARGEST)",
        "np.array(rows, dtype=np.float64)",
    ),
    Fault(
        10,
        "binary tensors are refused without the remedy",
        (f"{REPORTED}inference_protocol.py::test_binary_tensors_are_refused_with_the_remedy",),
        f"{PREDICT}protocols/open_inference.py",
        '"inference-header-content-length" in call.headers or announced',
        "announced",
    ),
    Fault(
        11,
        "an answer of V2 has the id null",
        (f"{REPORTED}inference_protocol.py::test_nobodys_id_is_left_out",),
        f"{PREDICT}protocols/open_inference.py",
        "id=msgspec.UNSET if sent.id is None else sent.id,",
        "id=sent.id,",
    ),
    Fault(
        12,
        "of a column that is named twice the last one wins; lines end where Python ends them",
        (f"{REPORTED}tables_of_clients.py",),
        f"{PREDICT}api/tables.py",
        "    if twice:\n",
        "    if False:\n",
    ),
    Fault(
        13,
        "the OpenAPI document is wrong about errors",
        (f"{REPORTED}openapi_truth.py",),
        f"{PREDICT}openapi.py",
        'found[str(status)]["content"] = {PROBLEM: {"schema": _ref(answers.Problem)}}',
        'found[str(status)]["content"] = {body.JSON: {"schema": _ref(answers.Problem)}}',
    ),
    Fault(
        14,
        "a folder that the console creates starts an execution that fails",
        (f"{REPORTED}no_file.py::test_what_programs_leave_for_themselves_starts_nothing",),
        "functions/trigger/events.py",
        "return [] if is_no_file(",
        "return [] if not len(",
    ),
    Fault(
        15,
        "a media type is compared with its case",
        (f"{REPORTED}request_bodies.py::test_a_media_type_has_no_case",),
        f"{PREDICT}transport/body.py",
        "kind = kind.strip().lower()",
        "kind = kind.strip()",
    ),
    Fault(
        16,
        "a byte order mark makes a body no JSON",
        (f"{REPORTED}request_bodies.py::test_a_byte_order_mark_is_not_part_of_the_body",),
        f"{PREDICT}transport/body.py",
        'return str(body).removeprefix("\\ufeff")',
        "return str(body)",
    ),
    Fault(
        17,
        "an encoded body is taken for text",
        (f"{REPORTED}request_bodies.py::test_an_encoding_is_named",),
        f"{PREDICT}transport/body.py",
        'if encoding not in ("", "identity"):',
        "if False:",
    ),
    Fault(
        18,
        "bytes that are no UTF-8 make two texts one",
        (f"{REPORTED}request_bodies.py::test_bytes_that_are_no_utf8_make_no_two_texts_one",),
        f"{PREDICT}transport/body.py",
        "if REPLACED in body:",
        "if False:",
    ),
    Fault(
        19,
        "probes that ask with HEAD see a server that is down",
        (f"{REPORTED}request_bodies.py::test_probes_may_ask_with_head",),
        f"{PREDICT}api/routes.py",
        'if method == "HEAD" and path in OPEN:',
        "if False:",
    ),
    Fault(
        20,
        "base64 that is none ends in a 500",
        (f"{REPORTED}request_bodies.py::test_base64_that_is_none_is_no_failure_of_ours",),
        f"{PREDICT}transport/body.py",
        "body = base64.b64decode(body, validate=True).decode()\n        except ValueError as error:",
        "body = base64.b64decode(body, validate=True).decode()\n        except ZeroDivisionError as error:",
    ),
    Fault(
        21,
        "the intake trims texts and the API does not",
        (
            f"{REPORTED}one_activity_one_answer.py::test_white_space_around_a_text_is_none_of_it",
            f"{REPORTED}one_activity_one_answer.py::test_both_unicode_forms_of_a_text_are_one",
        ),
        "src/slipcast/schema.py",
        "    text = text.strip(WHITE_SPACE)\n",
        "",
    ),
    Fault(
        22,
        "datatype and values of a tensor may contradict each other",
        (f"{REPORTED}inference_protocol.py::test_a_value_is_of_its_tensors_type",),
        f"{PREDICT}protocols/open_inference.py",
        "return isinstance(value, int) and low <= value <= high",
        "return True",
    ),
    Fault(
        23,
        "the model in MLflow has no signature",
        (
            f"{INTEGRATION}track_function.py::test_a_model_takes_tables_as_pandas_reads_them",
            "tests/unit/edge/test_portable_mlflow.py::test_the_signature_has_the_hosts_answers",
        ),
        "src/slipcast_aws/tracking/mlflow_runs.py",
        "def _signature(model: Any) -> ModelSignature | None:\n",
        "def _signature(model: Any) -> ModelSignature | None:\n    return None\n",
    ),
    Fault(
        24,
        "an integer of thousands of digits is said to be no JSON",
        (f"{REPORTED}request_bodies.py::test_an_integer_of_any_length_is_json",),
        f"{PREDICT}api/requests.py",
        "return json.loads(text, parse_int=_integer)",
        "return json.loads(text)",
    ),
    Fault(
        25,
        "what a stopped run leaves in /tmp fills it",
        (f"{REPORTED}leftovers.py",),
        "src/slipcast_aws/scratch.py",
        "                shutil.rmtree(leftover, ignore_errors=True)\n",
        "                pass\n",
    ),
)


def noticed(fault: Fault) -> bool:
    """Return whether the tests of a fault fail when its mechanism is taken out of a copy of the source.

    Raises
    ------
    ValueError
        If the mechanism does not stand in its file once.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "functions"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        path = copy / fault.file
        text = path.read_text(encoding="utf-8")
        if text.count(fault.now) != 1:
            raise ValueError(f"{fault.number}: {fault.now!r} stands {text.count(fault.now)} times in {fault.file}")
        path.write_text(text.replace(fault.now, fault.before), encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", *fault.tests]
        command += ["-o", f"pythonpath={copy / 'functions'} tests ."]
        environment = os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise ValueError(f"{fault.number}: the tests did not run:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        return done.returncode == 1


def table() -> str:
    """Return the faults and their tests in Markdown."""
    lines = ["| | what happened | tests that failed before |", "|--:|---|---|"]
    for fault in FAULTS:
        names = ", ".join(f"[`{_short(test)}`](../{test.partition('::')[0]})" for test in fault.tests)
        lines.append(f"| {fault.number} | {fault.what} | {names} |")
    return "\n".join(lines)


def _short(test: str) -> str:
    path, _, name = test.partition("::")
    return name or Path(path).name


def existing(test: str) -> bool:
    """Return whether the file of a test is there and has it."""
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and f"def {name}" in (ROOT / path).read_text(encoding="utf-8")


def main() -> int:
    """Print what the arguments ask for; return 1 if a fault that was brought back is not noticed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER", help="all if none is given")
    parser.add_argument("--table", action="store_true", help="print the table instead")
    options = parser.parse_args()
    if options.table:
        print(table())
        return 0
    missed = 0
    for fault in FAULTS:
        if not options.numbers or fault.number in options.numbers:
            found = noticed(fault)
            missed += not found
            print(f"{fault.number:>2}  {'noticed' if found else 'NOT NOTICED'}  {fault.what}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
