"""From what the store holds to the state in which a restarted daemon begins."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from symphony.core.backoff import CONTINUATION_DELAY
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Waiting
from symphony.core.ports import Memory
from symphony.core.scheduler import SchedulerState
from symphony.core.steering import SteeringRequest
from symphony.core.workflow import Workflow


def restore(workflow: Workflow, memory: Memory, now: datetime | None = None) -> SchedulerState:
    """Return the scheduler's state as the last run left it.

    Retries keep their due time, questions and unused replies keep their issue, and an attempt
    that the last run had not ended left its issue free to be dispatched again.

    Args:
        workflow: the one in force.
        memory: what the store holds.
        now: None where nothing is started and so nothing has to come due.
    """
    records = dict(memory.records)
    if now is not None:
        longest = timedelta(milliseconds=workflow.settings.agent.max_retry_backoff_ms)
        records = {key: _due_within(record, now, longest) for key, record in records.items()}
    unused = {steering.id for steering in memory.steering.values()}
    records = {issue_id: _without_used(record, unused) for issue_id, record in records.items()}
    for issue_id, steering in memory.steering.items():
        records[issue_id] = _with_steering(records.get(issue_id) or IssueRecord(issue_id), steering)
    return replace(
        SchedulerState.of(workflow),
        records=records,
        paused=memory.paused,
        adapter_pauses=dict(memory.adapter_pauses),
    )


def _due_within(record: IssueRecord, now: datetime, longest: timedelta) -> IssueRecord:
    """Return the record, due no later than a wait that begins now: the clock may have been set back."""
    match record.claim:
        case Retrying(due_at=due_at) as resting if due_at > now + longest:
            return replace(record, claim=replace(resting, due_at=now + longest))
        case Continuing(due_at=due_at) as resting if due_at > now + CONTINUATION_DELAY:
            return replace(record, claim=replace(resting, due_at=now + CONTINUATION_DELAY))
        case _:
            return record


def _without_used(record: IssueRecord, unused: Collection[str]) -> IssueRecord:
    """Return the record without a reply that a handoff had used up when the last run ended."""
    match record.claim:
        case Waiting(steering=steering) if steering.id not in unused:
            return replace(record, claim=None)
        case (
            Parked(steering=SteeringRequest(id=known)) | Retrying(steering=SteeringRequest(id=known)) as rests
        ) if known not in unused:
            return replace(record, claim=replace(rests, steering=None))
        case _:
            return record


def _with_steering(record: IssueRecord, steering: SteeringRequest) -> IssueRecord:
    match record.claim:
        case Parked() | Retrying() as resting:
            return replace(record, claim=replace(resting, steering=steering))
        case _ if record.completion is not None and not steering.open:
            return record
        case None | Waiting():
            return replace(record, claim=Waiting(steering))
        case _:
            return record
