"""Demo: the whole loop on real data, from a dropped schedule to a model that a newer one replaces.

Then three updates of one invented project with a network: what moved, why, and whether the forecasts held.
"""

import csv
import io
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from local.cloud import ROOT, LocalCloud
from local.load import Load
from local.processes import LocalCloudError
from local.watch import Stack, until

OLDER, NEWER = "nyc_sca_2022-12.csv", "nyc_sca_2025-06.csv"
# Updates of one project, and the activities of it that are followed.
UPDATES = ("ps118_annex_2025-02-28.xer", "ps118_annex_2025-08-29.xer", "ps118_annex_2026-03-31.xer")
SERIES, FOLLOWED = "ps118_annex", ("A1150", "A1450")
# The story has two trainings: what the updates of one small project bring is not worth a third.
TRAININGS = 2
# Columns known when an activity starts; the outcome columns of the file are not sent.
REQUEST_COLUMNS = (
    *("activity_id", "phase", "work_type", "location", "project_id", "start"),
    *("baseline_start", "baseline_finish", "baseline_duration_days", "budget", "total_float_days", "predecessor_count"),
)
PLAYED_YEARS = (2023, 2024)
# Requests a second while the second model is trained and tried.
TRAFFIC = 30.0
BATCH = 100
# States of the pipeline between which requests are sent: for the replay and for the canary.
TRIED_FROM, TRIED_UNTIL = "Gate", "ScoreAgain"


class Demo:
    """Demo run and its results."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.stack = Stack(cloud)
        self.happened: dict[str, Any] = {"executions": [], "versions": [], "seconds": {}}

    def play(self) -> None:
        """Run every chapter."""
        with self._chapter(f"1  A schedule is dropped: {OLDER}, what the agency's file said at the end of 2022"):
            self._drop(OLDER)
        with self._chapter("2  The API names the riskiest open activities"):
            self._riskiest(OLDER)
        with self._chapter(
            f"3  {PLAYED_YEARS[0]} and {PLAYED_YEARS[1]} pass: their activities are asked about as they start"
        ):
            self._play_years()
        with self._chapter("4  The schedule runs the monitor, the alarm goes off, the trigger answers"):
            self._alarm()
        with self._chapter(f"5  The newer schedule is dropped: {NEWER}; its model is tested against the live one"):
            # The last requests are replayed: live and replayed requests are of the same kind.
            self._drop(NEWER, traffic=self._started().tail(20 * BATCH).sample(frac=1, random_state=1))
        with self._chapter("6  The new version answers"):
            self._riskiest(NEWER)
        with self._chapter("7  Three updates of one project with its network: what moved, and because of what"):
            for name in UPDATES:
                self._update(name)
        with self._chapter("8  The scoreboard judges what was forecast by what the last update says"):
            self._scoreboard()

    # Chapters

    def _drop(self, name: str, traffic: pd.DataFrame | None = None) -> None:
        before = self.stack.executions()
        self.stack.drop(name, (ROOT / "examples" / name).read_bytes())
        print(f"  s3://{self.stack.bucket}/incoming/{name}")
        execution = self.stack.new_execution(before)
        if traffic is None:
            outcome = self._follow(execution)
        else:
            # Not during training: the requests would take half a processor.
            load = Load(self.stack, requests(traffic), rate=TRAFFIC)
            outcome = self._follow(execution, load)
            self._trial(outcome["name"], load)
        evaluation = self.stack.document(f"reports/{outcome['name']}/evaluation.json")
        self._table(evaluation)
        decision = evaluation["decision"]
        print(f"  gate: {'release' if decision['release'] else 'keep the live model'}")
        for reason in decision["reasons"]:
            print(f"    - {reason}")
        version = self.stack.live_version()
        print(
            f"  alias live -> version {version} (model {evaluation['model']['model_id']}, {evaluation['challenger']})"
        )
        self.happened["versions"].append(
            {
                "version": version,
                "model_id": evaluation["model"]["model_id"],
                "family": evaluation["challenger"],
                "dataset_id": evaluation["dataset"]["dataset_id"],
                "cut": evaluation["cut"],
                "metrics": evaluation["metrics"],
                "champion_metrics": evaluation["champion_metrics"],
                "decision": decision,
            }
        )
        if not decision["release"]:
            raise LocalCloudError(f"the model of {name} was not released: {'; '.join(decision['reasons'])}")

    def _riskiest(self, name: str) -> None:
        table = read_example(name)
        still_open = table[table["status"] == "in_progress"]
        asked = still_open[still_open["start"] >= still_open["start"].max() - pd.DateOffset(months=12)]
        today = str(table["data_date"].iloc[0])
        sent = [item | {"data_date": today, "status": "in_progress"} for item in requests(asked)]
        answers = [answer for batch in _batches(sent) for answer in self.stack.forecast(batch)["forecasts"]]
        described = asked.set_index("activity_id")
        version = self.stack.ask("/model")[1]["version"]
        late = [answer for answer in answers if answer["stage"] == "already_late"]
        others = sorted(
            (answer for answer in answers if answer["stage"] != "already_late"),
            key=lambda answer: -(answer["probability_late"] or 0.0),
        )
        print(f"  {len(answers)} activities that began in the last 12 months are open on {today}:")
        print(f"  {len(late)} are late already; of the others, by version {version}, these most probably will be:")
        for answer in others[:5]:
            row = described.loc[answer["activity_id"]]
            what = f"{row['phase']:<7} {str(row['activity_name'])[:40]:<40}"
            dates = f"P50 {answer['p50']}  P80 {answer['p80']}" if answer["p50"] else "no dates"
            print(f"    {answer['probability_late'] or float('nan'):.2f}  {what}  {dates}")
        self.happened.setdefault("riskiest", {})[name] = others[:5]

    def _trial(self, execution: str, load: Load) -> None:
        record = self.stack.document(f"reports/{execution}/release.json")
        shadow = record["shadow"]
        print(f"  replay: {shadow['why']}, mean score {shadow['shift']:+.3f} from the live version's")
        for step in record["steps"].values():
            live, new = step["numbers"]["live"], step["numbers"]["new"]
            print(
                f"  canary of {step['numbers']['weight']} %: version {record['previous']} answered "
                f"{live['requests']} requests, version {record['version']} {new['requests']}; median "
                f"{live['median_ms']} and {new['median_ms']} ms, {live['failed']} and {new['failed']} failed"
            )
        failed = sum(answer.status != 200 for answer in load.answers) + len(load.broken)
        by_version = dict(sorted(Counter(answer.version for answer in load.answers).items()))
        print(f"  {len(load.answers)} requests meanwhile, by version {by_version}, {failed} failed")
        self.happened["trial"] = {**record, "requests": len(load.answers), "failed": failed, "by_version": by_version}
        if failed:
            raise LocalCloudError(f"{failed} requests failed during the release")

    def _started(self) -> pd.DataFrame:
        table = read_example(NEWER)
        return table[table["start"].dt.year.isin(PLAYED_YEARS)].sort_values("start")

    def _play_years(self) -> None:
        started = self._started()
        batches = list(_batches(requests(started)))
        for number, batch in enumerate(batches, 1):
            self.stack.predict(batch)
            if number % 5 == 0 or number == len(batches):
                print(f"  {number}/{len(batches)} requests", flush=True)
        print(f"  {len(started)} activities were asked about")
        self.happened["played_activities"] = len(started)

    def _alarm(self) -> None:
        wanted = self.happened["played_activities"]
        before = self.stack.executions()

        def seen() -> dict[str, Any] | None:
            report = self.stack.latest_monitoring()
            return report if report and report.get("n", 0) >= wanted else None

        print("  waiting for the schedule (the monitor runs every minute here)")
        report = until(seen, seconds=600, what="monitor run that has seen the played activities")
        self.happened["monitoring"] = report
        print(f"  {report['conclusion']}, {report['n']} predictions in the window")
        print(f"  mean score {report['score_mean']:.3f}, in training {report['score_reference_mean']:.3f}")
        moved = sorted(report["drift"]["features"].items(), key=lambda item: -item[1]["psi"])[:5]
        for name, item in moved:
            mark = "drifted" if item["drifted"] else ""
            print(f"    {name:<28} PSI {item['psi']:.3f}  p {item['p_value']:.1e}  {mark}")
        until(lambda: self.stack.alarm_state() == "ALARM" or None, seconds=600, what="alarm state ALARM")
        self.happened["alarm_transitions"] = self.stack.alarm_transitions()
        for item in self.happened["alarm_transitions"]:
            print(f"  {item['at'][11:19]} {self.stack.env['SLIPCAST_DRIFT_ALARM']}: {item['from']} -> {item['to']}")
        arn = self.stack.new_execution(before)
        print("  the alarm's message reached the trigger, the trigger started the pipeline")
        self._follow(arn)

    def _update(self, name: str) -> None:
        before = self.stack.executions()
        self.stack.drop(name, (ROOT / "examples" / "annex" / name).read_bytes())
        outcome = self.stack.finish(self.stack.new_execution(before))
        if outcome["status"] != "SUCCEEDED":
            raise LocalCloudError(f"execution {outcome['name']} {outcome['status']}: {outcome.get('cause', '')}")
        intake = self.stack.document(f"reports/{outcome['name']}/intake.json")
        day, quality = intake["data_date"], intake["quality"]
        found: dict[str, Any] = {"data_date": day, "failed_points": quality["failed"]}
        print(f"  data date {day}: {quality['failed']} of {len(quality['points'])} checks of the network fail")
        if changed := intake.get("comparison"):
            moved = changed["shown"]["finish_days"][SERIES]
            found["finish_days"] = moved
            print(f"    since the last update the finish moved by {moved:+.0f} days")
            if slips := changed["shown"]["slips"]:
                driver = max(changed["shown"]["consumed"], key=lambda row: row["hours"], default=slips[0]["driver"])
                found["driver"] = driver["activity_id"]
                print(f"    because of {driver['activity_id']} {driver['activity_name']}")
        raw = self.stack.s3.get_object(Bucket=self.stack.bucket, Key=f"predictions/{SERIES}/{day}.csv")["Body"].read()
        rows = {row["activity_id"]: row for row in csv.DictReader(io.StringIO(raw.decode()))}
        for code in FOLLOWED:
            row = rows.get(code, {})
            if row.get("p80"):
                found[code] = {level: row[level] for level in ("p50", "p80")}
                print(f"    {code} {row['activity_name']}: P50 {row['p50']}, P80 {row['p80']}, {row['stage']}")
        if completion := self.stack.ask(f"/projects/{SERIES}/forecast")[1]["completion"]:
            found["completion_p80"] = completion["p80"]
            print(f"    the project is complete by {completion['p80']} with 80 %, baseline {completion['baseline']}")
        self.happened.setdefault("updates", []).append(found)

    def _scoreboard(self) -> None:
        if not self.stack.keys(f"forecasts/{SERIES}/"):
            print("  the live model has no forecast: nothing to judge")
            return
        for line in self.stack.run("scoreboard", "--by", "source", "--by", "data_date").splitlines():
            print(f"  {line.rstrip()}")
        self.happened["scoreboard"] = json.loads(self.stack.run("scoreboard", "--by", "data_date", "--json"))

    # Helpers of several chapters

    def _follow(self, arn: str, load: Load | None = None) -> dict[str, Any]:
        """Print the states of an execution and return how it ended; `load` runs while its model is tried."""
        began = time.monotonic()
        print(f"  execution {arn.rsplit(':', 1)[-1]}")
        with ExitStack() as tried:
            for name in self.stack.states_passed(arn):
                print(f"    {time.monotonic() - began:6.1f} s  {name}", flush=True)
                if load is not None and name == TRIED_FROM:
                    tried.enter_context(load)
                elif name == TRIED_UNTIL:
                    tried.close()
        outcome = self.stack.outcome(arn)
        said = outcome["output"] or {"outcome": outcome.get("error"), "why": outcome.get("cause")}
        print(f"    {time.monotonic() - began:6.1f} s  {outcome['status']}: {said['outcome']} - {said['why']}")
        self.happened["executions"].append(
            {
                "name": outcome["name"],
                "status": outcome["status"],
                "input": json.loads(outcome["input"]),
                "output": outcome["output"],
                "seconds": (outcome["stopDate"] - outcome["startDate"]).total_seconds(),
                "seconds_per_state": self.stack.seconds_per_state(arn),
            }
        )
        if outcome["status"] != "SUCCEEDED":
            raise LocalCloudError(f"execution {outcome['name']} {outcome['status']}: {outcome.get('cause', '')}")
        return outcome

    def _table(self, evaluation: dict[str, Any]) -> None:
        rows = [(item["family"], item["cv_score"], item["metrics"]) for item in evaluation["candidates"]]
        if evaluation["calibration"]["used"]:
            rows.append((f"{evaluation['challenger']}, recalibrated", None, evaluation["metrics"]))
        if evaluation["champion_metrics"]:
            rows.append(
                (f"champion (version {evaluation['champion']['version']})", None, evaluation["champion_metrics"])
            )
        holdout = evaluation["tables"]["holdout"]["rows"]
        print(f"  holdout: {holdout} activities that start on or after {evaluation['cut']}")
        print(f"    {'':<28} {'CV Brier':>8} {'AUC':>6} {'Brier':>7} {'accuracy':>9} {'majority':>9}")
        for name, cv, metrics in rows:
            shown = "" if cv is None else f"{cv:.4f}"
            mark = "  <- challenger" if name == evaluation["challenger"] else ""
            print(
                f"    {name:<28} {shown:>8} {metrics['auc']:>6.3f} {metrics['brier']:>7.4f} "
                f"{metrics['accuracy']:>9.3f} {metrics['majority_accuracy']:>9.3f}{mark}"
            )
        for item in evaluation["failed"]:
            print(f"    {item['family']:<28} {item['status']}: {item['why']}")
        report = f"reports/{evaluation['execution']}/report.html"
        self.stack.s3.download_file(self.stack.bucket, report, str(self.cloud.home / "report.html"))
        print(f"  the report: s3://{self.stack.bucket}/{report}, a copy in {self.cloud.home.name}/report.html")

    @contextmanager
    def _chapter(self, title: str) -> Iterator[None]:
        print(f"\n{title}", flush=True)
        began = time.monotonic()
        yield
        self.happened["seconds"][title.split("  ")[0]] = round(time.monotonic() - began, 1)


def read_example(name: str) -> pd.DataFrame:
    """Return a file of examples/ with its start dates parsed."""
    return pd.read_csv(
        ROOT / "examples" / name,
        parse_dates=["start"],
        dtype={"activity_id": str, "project_id": str, "location": str},
    )


def requests(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as prediction requests of the day before each start: columns known then, no missing values."""
    present = table[[name for name in REQUEST_COLUMNS if name in table]]
    present = present.assign(data_date=present["start"] - pd.Timedelta(days=1))
    return [
        {
            name: value.date().isoformat() if isinstance(value, pd.Timestamp) else value
            for name, value in row.items()
            if not pd.isna(value)
        }
        for row in present.to_dict("records")
    ]


def _batches(items: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for begin in range(0, len(items), BATCH):
        yield items[begin : begin + BATCH]


def main() -> int:
    """Start a fresh local cloud, play the story, leave the cloud up; return the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    # The demo sends requests during the canary: a step need not end without them, and is looked at every two seconds.
    # The emulator takes 10 ms for a read of the feature store, which a new version has to do once for each project and
    # the live one has done.
    parameters = {"CanaryMaxMinutes": "0.7", "MaxLatencyRatio": "20", "RetrainBudgetPerMonth": str(TRAININGS)}
    cloud = LocalCloud(ROOT / ".local", parameters, say=lambda line: print(line, flush=True))
    began = time.monotonic()
    try:
        if cloud.running():
            print("The local cloud is up from before: it is stopped, the story begins with an empty one")
        cloud.down()
        print("Starting the local cloud", flush=True)
        cloud.up()
        demo = Demo(cloud)
        demo.play()
    except (LocalCloudError, TimeoutError, RuntimeError) as error:
        print(f"\nerror: {error}\nLogs: {cloud.home / 'logs'}", file=sys.stderr)
        cloud.down()
        return 1
    except KeyboardInterrupt:
        cloud.down()
        print("\ninterrupted, nothing is left running", file=sys.stderr)
        return 130
    demo.happened |= {
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "set_up_seconds": cloud.seconds,
        "total_seconds": round(time.monotonic() - began, 1),
    }
    (cloud.home / "demo.json").write_text(json.dumps(demo.happened, indent=1))
    print(f"""
The whole loop ran in {demo.happened["total_seconds"]:.0f} s. It is still up, look around.
Its budget of {TRAININGS} trainings is used: after make down, make up starts one with the default budget.
  desk     {cloud.env["SLIPCAST_API_URL"]}/desk/index.html (key: SLIPCAST_API_KEY of {cloud.home / "env"})
  API      {cloud.env["SLIPCAST_API_URL"]}
           source {cloud.home / "env"}; curl -H "x-api-key: $SLIPCAST_API_KEY" $SLIPCAST_API_URL/model
  MLflow   {cloud.env["MLFLOW_TRACKING_URI"]}
  bucket   aws s3 ls s3://{cloud.env["SLIPCAST_BUCKET"]}/ (incoming, datasets, models, reports, monitoring, quarantine)
  record   {cloud.home / "demo.json"}
  logs     {cloud.home / "logs"}
  stop it  make down""")
    return 0


if __name__ == "__main__":
    sys.exit(main())
