"""When to train: the rules that answer a request for training, with the reason in words."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Reason = Literal["new_data", "alarm", "schedule", "manual"]
# Five folds of the four fifths that are not held back: fewer and a fold tests on a handful.
MIN_UNDATED = 50

REASONS: tuple[str, ...] = ("new_data", "alarm", "schedule", "manual")


@dataclass(frozen=True)
class TrainingDecision:
    """Whether to train, and why."""

    train: bool
    why: str


def should_train(
    *,
    reason: str,
    dataset_id: str,
    n_matured: int,
    champion_dataset_id: str | None,
    train_on_new_data: bool,
    min_matured: int,
    dated: bool = True,
) -> TrainingDecision:
    """Decide whether the dataset is worth a training.

    Parameters
    ----------
    reason : what asked: ``new_data``, ``alarm``, ``schedule`` or ``manual``
    dataset_id : the dataset that a training would use
    n_matured : activities whose label is known
    champion_dataset_id : the dataset that trained the live model; None if no model is live
    train_on_new_data : False leaves new files to the next alarm or schedule
    min_matured : below this number of labels nothing is trained
    dated : whether the activities have dates; without them candidates are compared, and nothing is released
    """
    if not dated:
        return _without_dates(n_matured)
    if n_matured < min_matured:
        return TrainingDecision(
            False, f"{n_matured} activities have a known outcome, {min_matured} are needed: drop a longer history"
        )
    if champion_dataset_id is None:
        return TrainingDecision(True, "no model is live yet")
    if dataset_id == champion_dataset_id:
        return TrainingDecision(
            False, f"the live model was trained on dataset {dataset_id}: nothing new to learn, drop a newer schedule"
        )
    if reason == "new_data" and not train_on_new_data:
        return TrainingDecision(False, "new files wait for the next alarm or schedule (TrainOnNewData is false)")
    return TrainingDecision(True, f"dataset {dataset_id} is new since the live model ({reason})")


def _without_dates(n_matured: int) -> TrainingDecision:
    if n_matured < MIN_UNDATED:
        return TrainingDecision(
            False, f"{n_matured} activities have a label, {MIN_UNDATED} are needed even to compare candidates"
        )
    # At once, whatever TrainOnNewData says: such a file never becomes the dataset that an alarm or a schedule takes.
    return TrainingDecision(
        True, "the file has no dates: candidates are compared by the protocol of the literature, nothing is released"
    )


def execution_name(reason: str, *identity: str) -> str:
    """Return the name of the execution that answers one request: the same request has the same name.

    Step Functions refuses a second execution of the same name and different input for 90 days, which makes a
    repeated event harmless.
    """
    if reason not in REASONS:
        raise ValueError(f"reason is {reason!r}: one of {', '.join(REASONS)} was expected")
    digest = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    return f"{reason.replace('_', '-')}-{digest}"


def cooldown_cutoff(now: datetime, cooldown_minutes: float) -> datetime:
    """Return the time after which an earlier start still cools down."""
    return now - timedelta(minutes=cooldown_minutes)
