"""Admission: one start at a time for alarms, schedules and people, every file."""

from dataclasses import dataclass
from datetime import datetime

from slipcast.training import retraining
from slipcast_aws.control import starts
from slipcast_aws.control import table as control
from trigger import executions
from trigger.events import Request
from trigger.settings import Settings


@dataclass(frozen=True)
class Answer:
    """Outcome of a request; `into` is the execution that it was coalesced into."""

    outcome: str
    into: str | None = None


def admit(request: Request, name: str, now: datetime, settings: Settings) -> Answer:
    """Start execution `name` for a request, or say why not.

    A file is never rejected: the state machine itself waits for a running training. In a storm of alarms, most are
    answered with two reads.
    """
    table, machine = settings.control_table, settings.state_machine_arn
    if request.reason == "new_data":
        return Answer(executions.start(machine, name, request))
    cutoff = retraining.cooldown_cutoff(now, 0.0 if request.reason == "manual" else settings.cooldown_minutes)
    if refused := _refused(table, name, now, cutoff):
        return refused
    # Checked before the claim: a message redelivered long after its execution must not block others.
    if executions.known(machine, name):
        return Answer("duplicate")
    if not starts.claim_start(table, now=now, cutoff=cutoff, execution=name):
        # Another request was faster.
        return _refused(table, name, now, cutoff) or Answer("coalesced")
    try:
        return Answer(executions.start(machine, name, request))
    except Exception:
        starts.release_claim(table, execution=name)
        raise


def _refused(table: str, name: str, now: datetime, cutoff: datetime) -> Answer | None:
    holder, last = starts.lease_holder(table, now), starts.flight(table, now)
    if last and last.execution == name:
        # The execution is running, or a crash came between claim and start: the name shows which.
        return None
    if holder:
        return Answer("coalesced", holder)
    if last and last.under_way:
        return Answer("coalesced", last.execution)
    if last and last.started_at >= control.timestamp(cutoff):
        return Answer("cooldown", last.execution)
    return None
