"""Embedded metric format in log lines."""

import json

from local.emulator.emf import Metric, metrics


def line(**changes) -> str:
    document = {
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [
                {
                    "Namespace": "Slipcast",
                    "Dimensions": [["service"]],
                    "Metrics": [{"Name": "Drift", "Unit": "Count"}, {"Name": "MaxPSI"}],
                }
            ],
        },
        "service": "slipcast",
        "Drift": [1.0],
        "MaxPSI": 0.5,
    }
    return json.dumps(document | changes)


def test_each_value_becomes_a_metric_with_its_dimensions():
    assert list(metrics(line())) == [
        Metric("Slipcast", "Drift", 1.0, "Count", {"service": "slipcast"}),
        Metric("Slipcast", "MaxPSI", 0.5, "None", {"service": "slipcast"}),
    ]


def test_a_list_of_values_becomes_as_many_metrics():
    assert [metric.value for metric in metrics(line(Drift=[1, 2, 3])) if metric.name == "Drift"] == [1, 2, 3]


def test_other_lines_carry_none():
    assert list(metrics("START RequestId: x")) == []
    assert list(metrics('{"CloudWatchMetrics": broken')) == []
    assert list(metrics('{"CloudWatchMetrics": 1}')) == []
