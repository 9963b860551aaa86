"""Metrics in Prometheus' text format: requests, their time, scores, and how many activities were late by window.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

KIND = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
WINDOWS = {"5m": 5, "1h": 60, "24h": 1440}
STAGES = ("complete", "already_late", "overdue", "in_progress", "not_started")


class _Histogram:
    """Counts by bucket; a value at a bound counts below it."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: Mapping[str, str]) -> Iterable[str]:
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield _line(f"{name}_bucket", {**labels, "le": str(bound)}, total)
        yield _line(f"{name}_sum", labels, self._sum)
        yield _line(f"{name}_count", labels, total)


class Metrics:
    """Metrics of one process; safe to use from several threads.

    Parameters
    ----------
    clock
        seconds that never go back
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, _Histogram] = {}
        self._scores = _Histogram(SCORES)
        self._stages = dict.fromkeys(STAGES, 0)
        # Minute, activities, at risk, already late, sum of probabilities; the last day.
        self._minutes: deque[list[float]] = deque(maxlen=max(WINDOWS.values()) + 1)

    def count(self, protocol: str, status: int, seconds: float, scored: Sequence[Mapping[str, Any]]) -> None:
        """Add a request: its protocol, its HTTP status, how long it took, and the answers that it gave."""
        with self._lock:
            key = (protocol, status)
            self._requests[key] = self._requests.get(key, 0) + 1
            self._seconds.setdefault(protocol, _Histogram(SECONDS)).add(seconds)
            if not scored:
                return
            minute = self._minute()
            for item in scored:
                probability: float = item["probability"]
                self._scores.add(probability)
                self._stages[item["stage"]] += 1
                minute[1] += 1
                minute[2] += item["at_risk"]
                minute[3] += item["stage"] == "already_late"
                minute[4] += probability

    def _minute(self) -> list[float]:
        now = int(self._clock() // 60)
        if not self._minutes or self._minutes[-1][0] != now:
            self._minutes.append([now, 0, 0, 0, 0.0])
        return self._minutes[-1]

    def text(self, names: Mapping[str, str]) -> str:
        """Return all metrics; `names` are the labels of the model, empty while there is none."""
        with self._lock:
            return "\n".join((*self._lines(names), ""))

    def _lines(self, names: Mapping[str, str]) -> Iterable[str]:
        yield from _head("slipcast_model_info", "gauge", "The model that answers")
        if names:
            yield _line("slipcast_model_info", names, 1)
        yield from _head("slipcast_requests_total", "counter", "Requests by protocol and HTTP status")
        for (protocol, status), count in sorted(self._requests.items()):
            yield _line("slipcast_requests_total", {"protocol": protocol, "status": str(status)}, count)
        yield from _head("slipcast_request_seconds", "histogram", "Time from a request's last byte to its answer")
        for protocol, histogram in sorted(self._seconds.items()):
            yield from histogram.lines("slipcast_request_seconds", {"protocol": protocol})
        yield from _head("slipcast_score", "histogram", "Probability of delay")
        yield from self._scores.lines("slipcast_score", {})
        yield from _head("slipcast_activities_total", "counter", "Activities by their stage on the data date")
        for stage, count in self._stages.items():
            yield _line("slipcast_activities_total", {"stage": stage}, count)
        yield from self._windows()

    def _windows(self) -> Iterable[str]:
        now = int(self._clock() // 60)
        totals = {
            window: [sum(column) for column in zip(*(m[1:] for m in self._minutes if m[0] > now - length), strict=True)]
            for window, length in WINDOWS.items()
        }
        shares = (
            ("slipcast_window_at_risk_ratio", 1, "Share of the window's activities at risk"),
            ("slipcast_window_late_ratio", 2, "Share of the window's activities that were late already: the late rate"),
            ("slipcast_window_score_mean", 3, "Mean probability of delay in the window"),
        )
        yield from _head("slipcast_window_activities", "gauge", "Activities in the window")
        for window, total in totals.items():
            yield _line("slipcast_window_activities", {"window": window}, total[0] if total else 0)
        for name, place, text in shares:
            yield from _head(name, "gauge", text)
            for window, total in totals.items():
                if total and total[0]:
                    yield _line(name, {"window": window}, total[place] / total[0])


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {name} {text}", f"# TYPE {name} {kind}"


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
