"""Metrics of the host: what Prometheus reads, and the dashboard that asks for them."""

import json
import re
from importlib.resources import files

import pytest

from slipcast_host.metrics import WINDOWS, Metrics


def scored(*probabilities, stage="in_progress"):
    return [{"probability": p, "at_risk": p >= 0.5, "stage": stage} for p in probabilities]


def values(metrics, names=None):
    """Return samples by name and labels, as a reader of the text format sees them."""
    found = {}
    for line in metrics.text(names or {}).splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            found[name] = float(value)
    return found


def test_requests_seconds_and_scores_are_counted():
    metrics = Metrics(lambda: 0.0)
    metrics.count("v2", 200, 0.003, scored(0.1, 0.55))
    metrics.count("v2", 400, 0.2, ())
    metrics.count("azure", 200, 0.003, scored(1.0, stage="already_late"))

    found = values(metrics, {"version": "7"})

    assert found['slipcast_requests_total{protocol="v2",status="200"}'] == 1
    assert found['slipcast_requests_total{protocol="v2",status="400"}'] == 1
    assert found['slipcast_request_seconds_bucket{protocol="v2",le="0.0025"}'] == 0
    assert found['slipcast_request_seconds_bucket{protocol="v2",le="0.005"}'] == 1
    assert found['slipcast_request_seconds_bucket{protocol="v2",le="+Inf"}'] == 2
    assert found['slipcast_request_seconds_sum{protocol="v2"}'] == pytest.approx(0.203)
    assert found['slipcast_score_bucket{le="0.1"}'] == 1
    assert found["slipcast_score_count"] == 3
    assert found['slipcast_activities_total{stage="already_late"}'] == 1
    assert found['slipcast_model_info{version="7"}'] == 1


def test_late_rate_counts_only_its_window():
    now = [0.0]
    metrics = Metrics(lambda: now[0])
    metrics.count("v2", 200, 0.1, scored(1.0, 1.0, stage="already_late"))
    now[0] = 30 * 60.0
    metrics.count("v2", 200, 0.1, scored(0.2, 0.6))

    found = values(metrics)

    assert found['slipcast_window_activities{window="5m"}'] == 2
    assert found['slipcast_window_activities{window="1h"}'] == 4
    assert found['slipcast_window_late_ratio{window="5m"}'] == 0
    assert found['slipcast_window_late_ratio{window="1h"}'] == 0.5
    assert found['slipcast_window_at_risk_ratio{window="1h"}'] == 0.75
    assert found['slipcast_window_score_mean{window="5m"}'] == pytest.approx(0.4)
    now[0] = 3 * 86400.0
    assert values(metrics)['slipcast_window_activities{window="24h"}'] == 0
    assert not any("ratio" in name for name in values(metrics))


def test_labels_are_escaped():
    assert 'slipcast_model_info{version="a\\"b\\\\c\\n"} 1' in Metrics().text({"version": 'a"b\\c\n'})


def test_the_dashboard_asks_for_metrics_that_there_are():
    metrics = Metrics()
    metrics.count("v2", 200, 0.1, scored(0.2))
    there = {re.match(r"\w+", name)[0] for name in values(metrics, {"version": "1"})}
    dashboard = json.loads(files("slipcast_host").joinpath("assets/grafana.json").read_text())
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"slipcast_\w+", target["expr"])
    }

    assert asked <= there
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in there} == {
        re.sub(r"_(bucket|sum|count)$", "", name) for name in asked
    } | {"slipcast_window_activities"}
    assert set(WINDOWS) == {"5m", "1h", "24h"}
