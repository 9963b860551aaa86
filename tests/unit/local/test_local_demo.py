"""The demo's last chapters: what they say of the three updates, from what the pipeline leaves in the bucket."""

import csv
import io
from datetime import datetime
from types import SimpleNamespace

import pytest

from local import demo
from local.cloud import ROOT
from slipcast.datasets import network, versions
from slipcast.ingest import report
from slipcast.ingest.schedule import read_schedule
from slipcast.schedule.review import review


class Bucket:
    """What the demo asks of its stack, with the documents that prepare and score write of the dropped files."""

    bucket = "data"

    def __init__(self, folder) -> None:
        self.folder, self.links, self.dropped = folder, {}, []
        self.documents, self.objects, self.printed = {}, {}, []
        self.s3 = SimpleNamespace(get_object=lambda Bucket, Key: {"Body": io.BytesIO(self.objects[Key])})

    def executions(self):
        return dict.fromkeys(self.dropped, "SUCCEEDED")

    def new_execution(self, before):
        return next(name for name in self.dropped if name not in before)

    def finish(self, arn):
        return {"status": "SUCCEEDED", "name": arn}

    def document(self, key):
        return self.documents[key]

    def keys(self, prefix):
        return [key for key in self.objects if key.startswith(prefix)]

    def ask(self, path):
        assert path == "/projects/ps118_annex/forecast"
        return 200, {"completion": {"baseline": "2027-01-29", "p80": f"2027-0{len(self.dropped) + 4}-22"}}, 1.0

    def drop(self, name: str, raw: bytes) -> None:
        work = self.folder / name
        work.mkdir()
        (work / name).write_bytes(raw)
        (work / "reading").mkdir()
        schedule = read_schedule(work / name, name, workdir=work / "reading")
        self.links = network.merge(self.links, schedule.network, work)
        quality, changed = review(*network.updates(self.links, schedule.network, work), {}, datetime(2026, 4, 2))
        labels = versions.outcomes(schedule.table, schedule.table, work, tolerance_days=30)
        found = report.accepted(schedule, schedule.understood, file=name, labels=labels, changes=[])
        found["quality"] = quality
        if changed is not None:
            found["comparison"] = report.shortened(changed)
        self.documents[f"reports/{name}/intake.json"] = found
        sink = io.StringIO()
        writer = csv.DictWriter(sink, ("activity_id", "activity_name", "stage", "p50", "p80"))
        writer.writeheader()
        row = {"activity_id": "A1450", "activity_name": "Punch list", "stage": "not_started"}
        writer.writerow(row | {"p50": "2027-02-01", "p80": f"2027-0{len(self.dropped) + 4}-01"})
        self.objects[f"predictions/{schedule.source}/{found['data_date']}.csv"] = sink.getvalue().encode()
        self.dropped.append(name)


@pytest.fixture
def played(tmp_path, monkeypatch):
    stack = Bucket(tmp_path)
    monkeypatch.setattr(demo, "Stack", lambda cloud: stack)
    return demo.Demo(SimpleNamespace(home=tmp_path))


def test_the_updates_say_how_far_the_finish_moved_because_of_what_and_the_p80(played, capsys):
    for name in demo.UPDATES:
        assert (ROOT / "examples" / "annex" / name).exists()
        played._update(name)

    first, second, third = played.happened["updates"]
    assert "finish_days" not in first
    assert (second["driver"], third["driver"]) == ("A1150", "A1320")
    assert third["finish_days"] == pytest.approx(75, abs=1)
    said = capsys.readouterr().out
    assert "because of A1320 Foundations" in said
    assert "A1450 Punch list: P50 2027-02-01, P80 2027-06-01, not_started" in said
    assert "the project is complete by 2027-07-22 with 80 %, baseline 2027-01-29" in said
    played._scoreboard()
    assert "the live model has no forecast" in capsys.readouterr().out
