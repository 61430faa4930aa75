"""From what the store holds to the state in which a restarted daemon begins."""

from dataclasses import replace

from symphony.core.claim import IssueRecord, Parked, Retrying, Waiting
from symphony.core.ports import Memory
from symphony.core.scheduler import SchedulerState
from symphony.core.steering import SteeringRequest
from symphony.core.workflow import Workflow


def restore(workflow: Workflow, memory: Memory) -> SchedulerState:
    """Return the scheduler's state as the last run left it.

    Retries keep their due time, questions and unused replies keep their issue, and an attempt
    that the last run had not ended left its issue free to be dispatched again.
    """
    records = dict(memory.records)
    for issue_id, steering in memory.steering.items():
        records[issue_id] = _with_steering(records.get(issue_id) or IssueRecord(issue_id), steering)
    return replace(
        SchedulerState.of(workflow),
        records=records,
        paused=memory.paused,
        adapter_pauses=dict(memory.adapter_pauses),
    )


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
