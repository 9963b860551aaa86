"""Answers of a released model for activities: the arithmetic and the contract of the API, without its transport.

The modules of the domain that do the work are the prediction function's own; a test holds both to the same answers.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from slipcast.features import activity
from slipcast.features.columns import feature_columns
from slipcast.features.point_in_time import CURRENT, NOW
from slipcast.forecast import serving, stage
from slipcast.forecast.evaluator import Forecaster
from slipcast.forecast.stage import Known
from slipcast.model import scorer
from slipcast.model.artifact import ArtifactError
from slipcast_host.bulk import Activities

MODEL, FORECAST, RELEASE = "model.json", "forecast.json", "release.json"
NAMES = tuple(field.name for field in activity.FIELDS)
# Fields of an answer and their types in the Open Inference Protocol. Those of a forecast need a release with one.
JUDGED = {
    **{"activity_id": "BYTES", "probability": "FP64", "at_risk": "BOOL", "prediction_id": "BYTES"},
    **{"data_date": "BYTES", "stage": "BYTES", "days_late": "INT64"},
}
FORECAST_OUTPUTS = {
    **{"probability_late": "FP64", "expected_days_late": "FP64"},
    **dict.fromkeys(("p10", "p50", "p80", "p90"), "BYTES"),
}


class BundleError(RuntimeError):
    """The folder holds no release that can be served; the message says why and what to do."""


class Refused(NamedTuple):
    """Fault of an activity of a request: its place, from 0, and the error of the contract."""

    position: int
    error: activity.FieldError

    @property
    def message(self) -> str:
        """Return what is wrong and what to do about it."""
        return f"{self.error.message}; {self.error.remedy}"


class Scored(NamedTuple):
    """Answers for the activities of a request.

    Attributes
    ----------
    answers
        an object for each activity, None for one that was refused
    refused
        errors of the refused ones
    """

    answers: list[dict[str, Any] | None]
    refused: list[Refused]


class Engine:
    """Model that is ready to answer.

    Attributes
    ----------
    scorer
        its scorer
    version
        version of the release
    has_forecast
        whether it forecasts finish dates
    """

    def __init__(self, model: scorer.Scorer, forecaster: Forecaster | None, version: str) -> None:
        self.scorer, self.version, self._forecaster = model, version, forecaster
        self.has_forecast = forecaster is not None
        self.tolerance_days: int = model.metadata["tolerance_days"]

    @property
    def names(self) -> dict[str, str]:
        """Return the names of the model that answers may contain."""
        metadata = self.scorer.metadata
        return {"version": self.version, "model_id": metadata["model_id"], "dataset_id": metadata["dataset_id"]}

    @property
    def outputs(self) -> dict[str, str]:
        """Return the fields of an answer and their types."""
        return JUDGED | FORECAST_OUTPUTS if self.has_forecast else JUDGED

    def answer(
        self, records: Sequence[Any], request_id: str, *, forecasts: bool = True, today: date | None = None
    ) -> Scored:
        """Return the answers for activities as `activity.check` takes them.

        Parameters
        ----------
        records
            activities; what is wrong with one does not affect the others
        request_id
            beginning of the ids of the predictions
        forecasts
            whether finish dates are wanted, which take longer than the probability
        today
            data date of an activity that names none

        Raises
        ------
        ScoreError
            If the model gives a score that is no probability.
        """
        taken: list[dict[str, Any]] = []
        places: list[int] = []
        refused: list[Refused] = []
        for position, record in enumerate(records):
            found, errors = activity.check(record)
            if errors:
                refused += [Refused(position, error) for error in errors]
            else:
                taken.append(found)
                places.append(position)
        answers: list[dict[str, Any] | None] = [None] * len(records)
        if taken:
            columns = {name: [item.get(name) for item in taken] for name in NAMES}
            history = [item.get("history") for item in taken]
            for place, made in zip(places, self._answers(columns, history, today, forecasts), strict=True):
                made["activity_id"] = records[place]["activity_id"]
                made["prediction_id"] = f"{request_id}:{place}"
                answers[place] = made
        return Scored(answers, refused)

    def answer_valid(self, valid: Activities, request_id: str, *, forecasts: bool = True) -> list[dict[str, Any]]:
        """Return the answers for valid activities; parameters and errors are those of `answer`."""
        found = self._answers(valid.columns, valid.history, None, forecasts)
        for number, (made, name) in enumerate(zip(found, valid.ids, strict=True)):
            made["activity_id"] = name
            made["prediction_id"] = f"{request_id}:{number}"
        return found

    def _answers(
        self,
        columns: dict[str, list[Any]],
        history: Sequence[Mapping[str, float] | None],
        today: date | None,
        forecasts: bool,
    ) -> list[dict[str, Any]]:
        today = today or stage.today()
        begun = [own or start for own, start in zip(columns["baseline_start"], columns["start"], strict=True)]
        known = map(activity.baseline, begun, columns["baseline_duration_days"], columns["baseline_finish"])
        columns["baseline_duration_days"], columns["baseline_finish"] = map(list, zip(*known, strict=True))
        columns["data_date"] = [day or today for day in columns["data_date"]]
        facts = stage.known_of_columns(columns, self.tolerance_days)
        features = feature_columns(columns, history)
        scores = list(map(Known.probability, facts, self.scorer.score_columns(features)))
        threshold = self.scorer.threshold
        made: list[dict[str, Any]] = [
            {
                "activity_id": "",
                "probability": score,
                "at_risk": score >= threshold,
                "prediction_id": "",
                "data_date": fact.data_date.isoformat(),
                "stage": fact.stage.value,
                "days_late": fact.days_late,
            }
            for score, fact in zip(scores, facts, strict=True)
        ]
        if self._forecaster is not None and forecasts:
            self._add_forecasts(self._forecaster, made, history, columns, features, facts)
        return made

    def _add_forecasts(
        self,
        forecaster: Forecaster,
        made: list[dict[str, Any]],
        history: Sequence[Mapping[str, float] | None],
        columns: Mapping[str, list[Any]],
        features: Mapping[str, list[Any]],
        facts: Sequence[Known],
    ) -> None:
        for number, (answer, item, fact) in enumerate(zip(made, history, facts, strict=True)):
            record = {name: values[number] for name, values in columns.items()}
            at_start = {name: values[number] for name, values in features.items()}
            given = item or {}
            now = {name: given.get(feature) for name, feature in zip(CURRENT, NOW, strict=True)}
            row = serving.features(at_start, record, fact, now)
            found = serving.forecast(
                forecaster, row, fact, self.tolerance_days, answer["probability"], record["actual_finish"]
            )
            answer |= {
                name: value.isoformat() if isinstance(value, date) else value
                for name, value in zip(found._fields[3:], found[3:], strict=True)
            }


def load(folder: Path, pinned: str | None = None) -> Engine:
    """Return the engine for the release in `folder`.

    Parameters
    ----------
    folder
        holds `RELEASE`, `MODEL` and, where the release has one, `FORECAST`
    pinned
        SHA-256 of the only model that may be served; None leaves it to `RELEASE`

    Raises
    ------
    BundleError
        If a file is missing, or another one than was released.
    """
    try:
        release = json.loads((folder / RELEASE).read_bytes())
        model = scorer.load((folder / MODEL).read_bytes(), pinned or release["model_sha256"])
        pin = model.metadata.get("forecast")
        forecaster = None if pin is None else _forecaster(folder / FORECAST, pin["sha256"])
        return Engine(model, forecaster, str(release["version"]))
    except (OSError, KeyError, ArtifactError, ValueError) as error:
        raise BundleError(f"{folder} holds no release that can be served: {error}; unpack the bundle again") from error


def _forecaster(path: Path, sha256: str) -> Forecaster:
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != sha256:
        raise ArtifactError(f"the SHA-256 of {path.name} is {found}, not the released {sha256!r}")
    return Forecaster(json.loads(raw))
