"""Who holds what an issue waits for, and how many come before it."""

from dataclasses import dataclass
from datetime import datetime

from symphony.core.claim import Continuing, IssueRecord, Retrying, Running, Waiting
from symphony.core.eligibility import why_not_startable
from symphony.core.issue import Issue
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.states import state_key


@dataclass(frozen=True, slots=True)
class Place:
    """An issue's place among those that wait for a slot or for memory.

    Attributes:
        holders: ids of the issues whose attempts hold the slots in question, the longest first.
        before: how many issues get theirs earlier.
    """

    holders: tuple[str, ...]
    before: int


def place_in_queue(state: SchedulerState, issue: Issue, now: datetime) -> Place:
    """Return who has the slots that the issue may have, and how many are before it."""
    slots = Slots.of(state.workflow.settings, state.records.values())
    of_state = not slots.full and slots.lacking(issue.state) is not None
    own = state_key(issue.state)
    held: list[tuple[datetime, str]] = []
    first = 0
    for record in state.records.values():
        match record.claim:
            case Running(state=where, started_at=since) as running if running.holds_slot:
                if not of_state or state_key(where) == own:
                    held.append((since, record.issue_id))
            case Continuing(state=where, due_at=since) if not of_state or state_key(where) == own:
                held.append((since, record.issue_id))
            case _ if record.issue_id != issue.id and _goes_first(record, now):
                first += 1
            case _:
                pass
    before = 0
    for other in state.candidates:
        if other.id == issue.id:
            break
        if of_state and state_key(other.state) != own:
            continue
        before += why_not_startable(state, other, now) is None
    return Place(tuple(issue_id for _, issue_id in sorted(held)), first + before)


def _goes_first(record: IssueRecord, now: datetime) -> bool:
    """Say whether it waits to go on after an answer, or for a handoff: both come before new attempts."""
    match record.claim:
        case Running(permissions=permissions):
            return bool(permissions) and not any(request.open for request in permissions)
        case Waiting(steering=steering, attempt=Running()):
            return not steering.open
        case None | Waiting(attempt=None):
            return record.completion is not None
        case Retrying(due_at=due):
            return record.completion is not None and due <= now
        case _:
            return False
