"""Is there anything left to do? What `--until-idle` asks [CONTRACT 1.1]."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum

from symphony.core.budget import over_budget
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.eligibility import why_not_startable
from symphony.core.scheduler import SchedulerState


class Idleness(Enum):
    """How a run stands."""

    BUSY = "busy"
    """Something runs, is queued for a retry, or could start."""
    DONE = "done"
    """Nothing is left."""
    NEEDS_A_PERSON = "needs a person"
    """Nothing moves until a person acts."""


def idleness(state: SchedulerState, now: datetime) -> Idleness:
    """Return how the run stands.

    Slots do not count, since a busy slot is a running attempt, nor does the host's free memory, which
    comes and goes; a machine that is larger than the host needs a person, and so does a full disk.
    """
    standings = [_standing(state, record) for record in state.records.values()]
    if Idleness.BUSY in standings:
        return Idleness.BUSY
    if state.workflow_problems:
        return Idleness.NEEDS_A_PERSON if state.candidates else Idleness.DONE
    horizon = max([now, *state.adapter_pauses.values(), *_due_times(state)])
    if not state.paused and any(
        why_not_startable(state, issue, horizon) is None for issue in state.candidates
    ):
        stuck = state.room.never or state.disk_room.low
        return Idleness.NEEDS_A_PERSON if stuck else Idleness.BUSY
    return Idleness.NEEDS_A_PERSON if Idleness.NEEDS_A_PERSON in standings else Idleness.DONE


def _standing(state: SchedulerState, record: IssueRecord) -> Idleness:
    """Return how one issue's claim stands; whether it may start is asked of the candidates."""
    if record.completion is not None and not isinstance(record.claim, Running | Parked):
        if record.guard.held is not None:
            return Idleness.NEEDS_A_PERSON
        tried = record.failures >= state.workflow.settings.agent.max_failures
        return Idleness.NEEDS_A_PERSON if tried or state.room.never else Idleness.BUSY
    match record.claim:
        case Running(permissions=permissions):
            asks = any(request.open for request in permissions)
            return Idleness.NEEDS_A_PERSON if asks else Idleness.BUSY
        case Continuing():
            held = state.paused or state.workflow_problems
            return Idleness.DONE if held else Idleness.BUSY
        case Waiting(steering=steering, attempt=Running()):
            return Idleness.NEEDS_A_PERSON if steering.open else Idleness.BUSY
        case Waiting() | Parked() | Retrying() if _is_active(state, record.issue_id):
            return Idleness.NEEDS_A_PERSON
        case None if _needs_leave(state, record) and _is_active(state, record.issue_id):
            return Idleness.NEEDS_A_PERSON
        case _:
            return Idleness.DONE


def _needs_leave(state: SchedulerState, record: IssueRecord) -> bool:
    """Say whether its agents go on only once a person lets them."""
    moved = record.passage.count >= state.workflow.settings.agent.max_transitions
    return moved or over_budget(state.account(record.issue_id)) is not None


def _due_times(state: SchedulerState) -> Iterator[datetime]:
    return (record.claim.due_at for record in state.records.values() if isinstance(record.claim, Retrying))


def _is_active(state: SchedulerState, issue_id: str) -> bool:
    issue = state.issues.get(issue_id)
    if issue is None:
        return state.issues.present(issue_id)
    return state.states.is_active(issue.state)
