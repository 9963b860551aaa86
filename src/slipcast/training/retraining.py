"""Retraining policy: rules that answer a request for training, with the reason in words."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Reason = Literal["new_data", "alarm", "schedule", "manual"]
# Minimum number of labels: with fewer, each of five folds of the training part would test on a handful of rows.
MIN_UNDATED = 50

REASONS: tuple[str, ...] = ("new_data", "alarm", "schedule", "manual")


@dataclass(frozen=True)
class TrainingDecision:
    """Decision on a training, with its reason.

    Attributes
    ----------
    train
        whether to train
    why
        one sentence for people
    hold
        missing condition if not: ``too_few`` (a longer history), ``nothing_new`` (new outcomes), ``waits`` (an alarm, a
        schedule or a person) or ``budget`` (the next month); empty if it trains
    reason
        reason of the training: the request's, or ``alarm`` if a file brings what an open alarm requires
    """

    train: bool
    why: str
    hold: str = ""
    reason: str = ""


def should_train(
    *,
    reason: str,
    dataset_id: str,
    n_matured: int,
    labels_digest: str | None = None,
    champion_dataset_id: str | None,
    train_on_new_data: bool,
    min_matured: int,
    dated: bool = True,
    champion_labels_digest: str | None = None,
    last_training: Mapping[str, str] | None = None,
    open_alarms: Sequence[str] = (),
    cooling: bool = False,
) -> TrainingDecision:
    """Decide whether the dataset is worth a training.

    Parameters
    ----------
    reason
        reason of the request: ``new_data``, ``alarm``, ``schedule`` or ``manual``
    dataset_id
        dataset that a training would use
    n_matured
        activities whose outcome is known
    labels_digest
        digest of all those outcomes (`versions.describe`)
    champion_dataset_id
        the dataset that trained the live model; None if no model is live
    train_on_new_data
        False leaves new files to the next alarm or schedule
    min_matured
        below this number of labels nothing is trained
    dated
        whether the activities have dates; without them candidates are compared, and nothing is released
    champion_labels_digest
        digest of the outcomes in the champion's dataset; None if unknown
    last_training
        ``dataset_id``, ``reason`` and ``execution`` of the last training that lost against the live model
    open_alarms
        names of the alarms that no release has answered
    cooling
        whether a training that answers alarms is running or ended a short time ago
    """
    if not dated:
        return _without_dates(n_matured, reason)
    if n_matured < min_matured:
        return TrainingDecision(
            False,
            f"{n_matured} activities have a known outcome, {min_matured} are needed: drop a longer history",
            "too_few",
        )
    if champion_dataset_id is None:
        return TrainingDecision(True, "no model is live yet", reason=reason)
    if dataset_id == champion_dataset_id:
        return TrainingDecision(
            False,
            f"the live model was trained on dataset {dataset_id}: nothing new to learn, drop a newer schedule",
            "nothing_new",
        )
    if champion_labels_digest is not None and champion_labels_digest == labels_digest:
        return TrainingDecision(
            False,
            f"the {n_matured} known outcomes of dataset {dataset_id} are those that the live model was trained on: "
            "nothing new to learn, drop a newer schedule",
            "nothing_new",
        )
    if reason == "new_data" and open_alarms and (train_on_new_data or not cooling):
        reason = "alarm"
    if tried := _tried(reason, dataset_id, last_training):
        return tried
    if reason == "new_data" and not train_on_new_data:
        return TrainingDecision(
            False, "new files wait for the next alarm or schedule (TrainOnNewData is false)", "waits"
        )
    answered = f"alarm {', '.join(open_alarms)}" if reason == "alarm" and open_alarms else reason
    return TrainingDecision(
        True, f"dataset {dataset_id} has outcomes that are new since the live model ({answered})", reason=reason
    )


def _tried(reason: str, dataset_id: str, last: Mapping[str, str] | None) -> TrainingDecision | None:
    """Refuse to repeat a training that has just lost, unless a person asks, or an alarm that it did not answer.

    The same rows give the same challenger, but the gate judges it less strictly if an alarm says that a new model is
    needed.
    """
    if last is None or last["dataset_id"] != dataset_id or reason == "manual":
        return None
    if reason == "alarm" and last["reason"] != "alarm":
        return None
    return TrainingDecision(
        False,
        f"execution {last['execution']} trained on dataset {dataset_id} already, and the live model was better: "
        "nothing new to learn since, drop a newer schedule",
        "nothing_new",
    )


def _without_dates(n_matured: int, reason: str) -> TrainingDecision:
    if n_matured < MIN_UNDATED:
        return TrainingDecision(
            False,
            f"{n_matured} activities have a label, {MIN_UNDATED} are needed even to compare candidates",
            "too_few",
        )
    # Decided at once, independently of TrainOnNewData: such a file never becomes the dataset that an alarm or a
    # schedule uses.
    return TrainingDecision(
        True,
        "the file has no dates: candidates are compared by the protocol of the literature, nothing is released",
        reason=reason,
    )


def over_budget(month: str, limit: int, dataset_id: str) -> TrainingDecision:
    """Return the decision when the training budget of a month (``2026-11``) is used up."""
    return TrainingDecision(
        False,
        f"the {limit} trainings of {month} are used up (RetrainBudgetPerMonth): dataset {dataset_id} is kept and waits "
        "for the first request of next month; a manual start or a larger budget trains now",
        "budget",
    )


def execution_name(reason: str, *identity: str) -> str:
    """Return the name of the execution that answers one request: the same request has the same name.

    Step Functions refuses a second execution of the same name and different input for 90 days, which makes a
    repeated event harmless.

    Examples
    --------
    >>> execution_name("new_data", "bucket", "key", "version")
    'new-data-5fd28693015618dda7b00c08814b0275'
    """
    if reason not in REASONS:
        raise ValueError(f"reason is {reason!r}: one of {', '.join(REASONS)} was expected")
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    return f"{reason.replace('_', '-')}-{digest}"


def cooldown_cutoff(now: datetime, cooldown_minutes: float) -> datetime:
    """Return the time after which an earlier start is still in its cooldown.

    Examples
    --------
    >>> cooldown_cutoff(datetime(2026, 1, 5, 12), 90)
    datetime.datetime(2026, 1, 5, 10, 30)
    """
    return now - timedelta(minutes=cooldown_minutes)
