"""Monthly costs of a stack, 30 days: the tables of docs/costs.md, from docs/prices.yaml and template.yaml.

    .venv/bin/python benchmarks/costs.py

Numbers of alarms and sizes of functions are read from the template. Times are those of the local cloud; they and how
much is read, written and logged for a request stand below.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from audit import transformed  # noqa: E402

PRICES = {
    name: item["price"]
    for name, item in yaml.safe_load((ROOT / "docs" / "prices.yaml").read_text(encoding="utf-8"))["prices"].items()
}
DAYS = 30
HOURS = DAYS * 24
# Requests a day, one activity each.
LOADS = (0, 1_000, 100_000)
# Seconds of a run of the monitor, of the page of it, and numbers of metrics of one's own, at these loads.
MONITOR_SECONDS = (4, 6, 30)
PAGE_SECONDS = (0.3, 2, 2)
METRICS = (4, 27, 27)
# Seconds: the hourly start of track with nothing to log and of collect's check, an answer, a delivery of the log.
TRACK_SECONDS, CHECK_SECONDS, PREDICT_SECONDS, COLLECT_SECONDS = 2, 0.3, 0.01, 0.1
# One training in a month: the tasks of a search over 10,000 rows (docs/training.md), other steps, transitions.
SEARCH_SECONDS, SEARCH_TASKS, OTHER_SECONDS, TRANSITIONS = 205.1, 20, 95, 80
# For a request: log and answer in KB, units read from the feature store.
LOG_KB, ANSWER_KB, READ_UNITS = 1.3, 1, 1.5
LOG_MONTHS = 3
# Views of the web application a day, and requests of each: its files, a project, its activities, a few of them opened.
VIEWS, VIEW_REQUESTS = 20, 15
# Of them those that the projects function answers, and for how long: the others are static files.
VIEW_ANSWERS, ANSWER_MS = 5, 300
# People who sign in to it within a month.
PEOPLE = 20
# Reads for a delivery; each hour the monitor reads a window of 168 hours, and what else 365 days of labels take.
READS, WINDOW_READS, LABEL_READS, CHECK_READS = 4.5, 168, 365, 90


@dataclass(frozen=True)
class Row:
    """A row of the table: what, how it is computed in words, dollars at each load."""

    what: str
    arithmetic: str
    dollars: tuple[float, ...]

    def __str__(self) -> str:
        return f"| {self.what} | {self.arithmetic} | {' | '.join(f'{each:.2f}' for each in self.dollars)} |"


class Stack:
    """Properties of a stack with default parameters that its costs depend on."""

    def __init__(self, **parameters: str) -> None:
        template = transformed.transformed(transformed.source())
        made = transformed.Stack(template, parameters)
        self.resources = {
            name: (item["Type"], made.filled(item.get("Properties", {}))) for name, item in made.resources().items()
        }

    def count(self, kind: str) -> int:
        """Return the number of resources of a type."""
        return sum(each == kind for each, _ in self.resources.values())

    def gb(self, function: str) -> float:
        """Return the memory of a function in GB."""
        return int(self.resources[function][1]["MemorySize"]) / 1024


def plain(number: float) -> str:
    """Return a small number without an exponent."""
    return f"{number:.10f}".rstrip("0")


def millions(number: float) -> str:
    """Return a price of one as the price of a million."""
    return f"{number * 1e6:.2f} / million"


def rows(stack: Stack) -> list[Row]:
    """Return what the default stack costs, one row for each thing that is billed."""
    p = PRICES
    requests = [load * DAYS for load in LOADS]
    alarms, composite = stack.count("AWS::CloudWatch::Alarm"), stack.count("AWS::CloudWatch::CompositeAlarm")
    boards = stack.count("AWS::CloudWatch::Dashboard")
    monitor, track, collect, page = map(
        stack.gb, ("MonitorFunction", "TrackFunction", "CollectFunction", "ReportFunction")
    )
    train, predict = stack.gb("TrainFunction"), stack.gb("PredictFunction")

    def flat(dollars: float) -> tuple[float, ...]:
        return (dollars,) * len(LOADS)

    def each(dollars: float) -> tuple[float, ...]:
        return tuple(number * dollars for number in requests)

    call = p["lambda_request"]
    of_calls, of_requests, of_reads = (millions(p[name]) for name in ("lambda_request", "api_request", "s3_read"))
    second, gb_second = p["lambda_gb_second"], plain(p["lambda_gb_second"])
    transition = plain(p["step_functions_transition"])
    return [
        Row(
            "alarms",
            f"{alarms} × {p['alarm']:.2f} + {composite} composite × {p['composite_alarm']:.2f}",
            flat(alarms * p["alarm"] + composite * p["composite_alarm"]),
        ),
        Row("dashboard", f"{boards} × {p['dashboard']:.2f} (three are free)", flat(boards * p["dashboard"])),
        Row(
            "metrics",
            f"{METRICS[0]} or {METRICS[1]} × {p['metric']:.2f}",
            tuple(number * p["metric"] for number in METRICS),
        ),
        Row(
            "monitor",
            f"{HOURS} × {', '.join(map(str, MONITOR_SECONDS))} s × {monitor:.2f} GB × {gb_second}",
            tuple(HOURS * (seconds * monitor * second) for seconds in MONITOR_SECONDS),
        ),
        Row(
            "outbox",
            f"{HOURS} × {TRACK_SECONDS} s × {track:.2f} GB × {gb_second}",
            flat(HOURS * TRACK_SECONDS * track * second),
        ),
        Row(
            "one training",
            f"({SEARCH_SECONDS} + {OTHER_SECONDS}) s × {train:.2f} GB × {gb_second} + "
            f"({SEARCH_TASKS} × 3 + {TRANSITIONS}) × {transition}",
            flat(
                (SEARCH_SECONDS + OTHER_SECONDS) * train * second
                + (SEARCH_TASKS * 3 + TRANSITIONS) * p["step_functions_transition"]
            ),
        ),
        Row(
            "pages, check of the log",
            f"{HOURS} × ({PAGE_SECONDS[0]} or {PAGE_SECONDS[1]} s × {page:.2f} GB + {CHECK_SECONDS} s × {collect:.2f} "
            f"GB) × {gb_second} + {HOURS} × {CHECK_READS} × {of_reads}",
            tuple(
                HOURS * ((seconds * page + CHECK_SECONDS * collect) * second + CHECK_READS * p["s3_read"])
                for seconds in PAGE_SECONDS
            ),
        ),
        Row("API Gateway", f"requests × {of_requests}", each(p["api_request"])),
        Row(
            "predict",
            f"requests × ({of_calls} + {PREDICT_SECONDS * 1000:.0f} ms × {predict:.0f} GB × {gb_second})",
            each(call + PREDICT_SECONDS * predict * second),
        ),
        Row(
            "feature store",
            f"requests × {READ_UNITS} read units × {p['dynamodb_read'] * 1e6} / million",
            each(READ_UNITS * p["dynamodb_read"]),
        ),
        Row(
            "logs",
            f"requests × {LOG_KB} KB × ({p['log_gb']:.2f} + {LOG_MONTHS} × {p['log_gb_month']:.2f}) / GB",
            each(LOG_KB / 1e6 * (p["log_gb"] + LOG_MONTHS * p["log_gb_month"])),
        ),
        Row(
            "answers sent out",
            f"requests × {ANSWER_KB} KB × {p['transfer_out_gb']:.2f} / GB",
            each(ANSWER_KB / 1e6 * p["transfer_out_gb"]),
        ),
        Row(
            "collect",
            f"deliveries × ({of_calls} + {COLLECT_SECONDS * 1000:.0f} ms × {collect:.2f} GB × {gb_second})",
            each(call + COLLECT_SECONDS * collect * second),
        ),
        Row("S3 writes", f"deliveries × {millions(p['s3_write'])}", each(p["s3_write"])),
        Row(
            "S3 reads",
            f"({READS} × deliveries + ({WINDOW_READS} + {LABEL_READS}) × {HOURS}) × {of_reads}",
            tuple(
                (READS * number + (WINDOW_READS + LABEL_READS) * HOURS * bool(number)) * p["s3_read"]
                for number in requests
            ),
        ),
    ]


def options() -> list[tuple[str, str, float]]:
    """Return what other parameters and models add: what, arithmetic, dollars a month at rest."""
    p = PRICES
    stack = Stack(Streaming="true", MlflowTrackingUri="none")
    release = stack.resources["ReleaseFunction"][1]["Environment"]["Variables"]
    gb, kept = int(release["SCIKIT_LEARN_MEMORY_MB"]) / 1024, int(release["KEEP_VERSIONS"])
    answering = stack.resources["ProjectsFunction"][1]["MemorySize"] / 1024
    seconds = HOURS * 3600
    snapshot = gb * seconds * p["snapstart_cache_gb_second"]
    polls = 5 * 3 * 60 * HOURS
    alarms = stack.count("AWS::CloudWatch::Alarm") - Stack().count("AWS::CloudWatch::Alarm")
    cache = f"{gb:.2f} GB × {seconds:,} s × {plain(p['snapstart_cache_gb_second'])}"
    return [
        ("a live model that needs scikit-learn (`SnapStart=auto`)", cache, snapshot),
        (f"{kept} kept versions of that kind (`KeepVersions`)", f"{kept} × {cache}", kept * snapshot),
        (
            "`Streaming=true`",
            f"5 pollers × 3 a minute × {60 * HOURS:,} × {millions(p['sqs_fifo_request'])} + "
            f"{alarms} × {p['alarm']:.2f}",
            polls * p["sqs_fifo_request"] + alarms * p["alarm"],
        ),
        (
            f"the web application: {VIEWS} views a day of {VIEW_REQUESTS} requests; 0 where nobody looks",
            f"{VIEWS * DAYS} × {VIEW_REQUESTS} × {millions(p['api_request'])}",
            VIEWS * DAYS * VIEW_REQUESTS * p["api_request"],
        ),
        (
            f"their answers by the projects function, {VIEW_ANSWERS} a view",
            f"{VIEWS * DAYS} × {VIEW_ANSWERS} × ({millions(p['lambda_request'])} + {ANSWER_MS} ms × "
            f"{answering:.2f} GB × {plain(p['lambda_gb_second'])})",
            VIEWS * DAYS * VIEW_ANSWERS * (p["lambda_request"] + ANSWER_MS / 1000 * answering * p["lambda_gb_second"]),
        ),
        (
            f"`ApiAuth=jwt` with the pool of the stack: {PEOPLE} people who sign in; 0 where nobody does",
            f"{PEOPLE} × {plain(p['user_pool_person'])}",
            PEOPLE * p["user_pool_person"],
        ),
        ("`KmsKeyArn`", f"1 key × {p['kms_key']:.2f}, and its requests", p["kms_key"]),
    ]


def tables() -> str:
    """Return both tables as they stand in docs/costs.md."""
    found = rows(Stack())
    sums = [sum(row.dollars[load] for row in found) for load in range(len(LOADS))]
    heads = " | ".join(f"{load:,} a day" for load in LOADS)
    return "\n".join(
        [
            f"| | arithmetic | {heads} |",
            "|---|---|--:|--:|--:|",
            *map(str, found),
            f"| **sum** | | {' | '.join(f'**{each:.2f}**' for each in sums)} |",
            "",
            "| what is added | arithmetic | a month |",
            "|---|---|--:|",
            *(f"| {what} | {arithmetic} | {dollars:.2f} |" for what, arithmetic, dollars in options()),
        ]
    )


def main() -> None:
    """Print the tables."""
    print(tables())


if __name__ == "__main__":
    main()
