"""Is there anything left to do? What `--until-idle` asks [CONTRACT 1.1]."""

from datetime import datetime
from enum import Enum

from symphony.core.claim import Continuing, Parked, Retrying, Running, Waiting
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
    """Return how the run stands; slots do not count, since a busy slot is a running attempt."""
    needs_person = bool(state.workflow_problems) and bool(state.candidates)
    for record in state.records.values():
        active = _is_active(state, record.issue_id)
        match record.claim:
            case Running() | Continuing() | Retrying():
                return Idleness.BUSY
            case Waiting(steering=steering, attempt=attempt) if active or attempt:
                if not steering.open:
                    return Idleness.BUSY
                needs_person = True
            case Parked() if active:
                needs_person = True
            case None if record.completion is not None:
                return Idleness.BUSY
            case _:
                pass
    blocked = state.paused or state.workflow_problems
    if not blocked and any(why_not_startable(state, issue, now) is None for issue in state.candidates):
        return Idleness.BUSY
    if any(until > now for until in state.adapter_pauses.values()) and state.candidates:
        return Idleness.BUSY
    return Idleness.NEEDS_A_PERSON if needs_person else Idleness.DONE


def _is_active(state: SchedulerState, issue_id: str) -> bool:
    issue = state.issues.get(issue_id)
    return issue is not None and state.states.is_active(issue.state)
