"""Why an issue is not running: the one place that says it, in the words that every surface shows.

[CONTRACT 4.1]
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from symphony.core.admission import Room, is_paused
from symphony.core.budget import over_budget, raising
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.guard.ledger import held_reason
from symphony.core.handoff import Completion
from symphony.core.issue import Issue
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.text import counted


class ReasonCode(StrEnum):
    """Every way in which an issue may stand: a closed set, so that each has to be explained."""

    RUNNING = "running"
    STOPPING = "stopping"
    WAITING_FOR_REPLY = "waiting_for_reply"
    REPLY_PENDING = "reply_pending"
    ASKS_PERMISSION = "asks_permission"
    PERMISSION_PENDING = "permission_pending"
    RETRYING = "retrying"
    CONTINUING = "continuing"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNDELIVERED = "undelivered"
    HELD_BACK = "held_back"
    PAUSED = "paused"
    OUT_OF_BUDGET = "out_of_budget"
    PASSED_AROUND = "passed_around"
    BLOCKED = "blocked"
    MISSING_LABEL = "missing_label"
    RATE_LIMITED = "rate_limited"
    DRAINING = "draining"
    WORKFLOW_INVALID = "workflow_invalid"
    ALL_PAUSED = "all_paused"
    LOW_DISK = "low_disk"
    NO_SLOT = "no_slot"
    NO_MEMORY = "no_memory"
    ELIGIBLE = "eligible"
    HELD = "held"
    PROPOSED = "proposed"
    FINISHED = "finished"
    CONFLICT = "conflict"
    UNREADABLE = "unreadable"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not, as a stable code and a clause for people."""

    code: ReasonCode
    text: str


def why_nothing_starts(state: SchedulerState) -> Reason | None:
    """Return what keeps every issue from starting, or None."""
    if state.draining:
        return Reason(ReasonCode.DRAINING, "symphony is stopping")
    if state.workflow_problems:
        return Reason(ReasonCode.WORKFLOW_INVALID, f"{state.workflow.path.name} is invalid; fix it first")
    if state.paused:
        return Reason(ReasonCode.ALL_PAUSED, "everything is paused; `symphony resume` lifts it")
    lacking = state.disk_room.lacking
    return None if lacking is None else Reason(ReasonCode.LOW_DISK, lacking)


def why_not_startable(state: SchedulerState, issue: Issue, now: datetime) -> Reason | None:
    """Return what in the issue itself keeps it from starting, slots and memory aside; None for nothing."""
    record = state.records.get(issue.id)
    if record is not None:
        reason = _why_claimed(record, now) or _why_held_back(state, record)
        if reason is not None:
            return reason
    return _why_blocked(state, issue) or _why_unlabelled(state, issue) or _why_resting(state, issue, now)


def why_not_running(
    state: SchedulerState, issue: Issue, slots: Slots, now: datetime, room: Room | None = None
) -> Reason | None:
    """Return the first reason why this active issue does not run now; None when it may start.

    Who asks for many issues counts the host's memory once and hands it over as `room`.
    """
    room = room or state.room
    reason = why_not_startable(state, issue, now) or why_nothing_starts(state)
    if reason is not None:
        return _in_full(reason, state.record(issue.id), issue, slots, room)
    lacking = slots.lacking(issue.state)
    if lacking:
        return Reason(ReasonCode.NO_SLOT, lacking)
    return Reason(ReasonCode.NO_MEMORY, room.lacking) if room.lacking else None


def _in_full(reason: Reason, record: IssueRecord, issue: Issue, slots: Slots, room: Room) -> Reason:
    """Return the reason with what is known of slots and memory."""
    match reason.code, record.claim:
        case ReasonCode.REPLY_PENDING, Waiting(attempt=attempt):
            return Reason(reason.code, why_answer_waits(attempt, issue.state, slots, room))
        case ReasonCode.UNDELIVERED, _ if why := why_undelivered(record, room):
            return Reason(reason.code, f"{reason.text}: {why}")
        case _:
            return reason


def why_answer_waits(attempt: Running | None, state: str, slots: Slots, room: Room) -> str:
    """Return what an issue in this state, whose question is answered, still waits for.

    `attempt` is the one that keeps its session for the answer, if there is one.
    """
    needs_memory = attempt is None or is_paused(attempt)
    lacking = room.lacking if needs_memory and slots.lacking(state) is None else None
    return f"answered; {lacking or 'waits for a free slot'}"


def what_is_owed(completion: Completion) -> str:
    """Return what an accepted completion waits for, as a clause."""
    if completion.to_state:
        return f"on its way to {completion.to_state}, which is not finished"
    return "done, and its handoff is not finished"


def why_undelivered(record: IssueRecord, room: Room) -> str:
    """Return why an accepted completion is not handed over yet; empty when there is nothing to say."""
    match record.claim:
        case Retrying(reason=reason):
            return reason
        case None | Waiting(attempt=None):
            return room.lacking or ""
        case _:
            return ""


def _why_claimed(record: IssueRecord, now: datetime) -> Reason | None:
    match record.claim:
        case Running(stopping=None, permissions=(first, *_)):
            if first.open:
                text = f"waiting for your permission: {first.proposal.title}"
                return Reason(ReasonCode.ASKS_PERMISSION, text)
            return Reason(ReasonCode.PERMISSION_PENDING, "permission answered; waits for a free slot")
        case Running(stopping=None, phase=phase):
            return Reason(ReasonCode.RUNNING, phase.value)
        case Running(stopping=stopping):
            return Reason(ReasonCode.STOPPING, f"stopping: {stopping}")
        case Waiting(steering=steering) if steering.open:
            return Reason(
                ReasonCode.WAITING_FOR_REPLY, "waiting for your answer; `symphony inbox` shows the question"
            )
        case Waiting(attempt=attempt):
            return Reason(ReasonCode.REPLY_PENDING, "answered; waits for a free slot") if attempt else None
        case Retrying(due_at=due, reason=why) if due > now:
            return Reason(ReasonCode.RETRYING, f"tried again at {due:%H:%M:%S} UTC: {why}")
        case Continuing():
            return Reason(ReasonCode.CONTINUING, "goes on with a fresh look in a moment")
        case Parked(by_person=True):
            return Reason(
                ReasonCode.CANCELLED, f"cancelled by you; `symphony retry {record.issue_id}` starts it again"
            )
        case Parked(reasons=reasons):
            last = reasons[-1] if reasons else "no reason was recorded"
            return Reason(
                ReasonCode.FAILED,
                f"failed {counted(record.failures, 'time')} in a row and is parked; "
                f"`symphony retry {record.issue_id}` or an edit of the file starts it again. Last: {last}",
            )
        case _:
            return None


def _why_held_back(state: SchedulerState, record: IssueRecord) -> Reason | None:
    if record.completion is not None:
        if (hold := record.guard.held) is not None:
            return Reason(ReasonCode.HELD_BACK, held_reason(hold, record.issue_id))
        return Reason(ReasonCode.UNDELIVERED, what_is_owed(record.completion))
    if record.paused:
        return Reason(ReasonCode.PAUSED, f"paused by you; `symphony resume {record.issue_id}` lifts it")
    most = state.workflow.settings.agent.max_transitions
    if record.passage.count >= most:
        moved = f"its agents have moved it {counted(most, 'time')} (agent.max_transitions) and it is not done"
        go_on = f"`symphony retry {record.issue_id}` or an edit of the file lets them go on"
        return Reason(ReasonCode.PASSED_AROUND, f"{moved}; {go_on}. Last: {record.passage.last}")
    spending = state.account(record.issue_id)
    if (spent := over_budget(spending)) is None:
        return None
    text = f"out of budget: {spent}; `{raising(record.issue_id, spending)}` raises it"
    return Reason(ReasonCode.OUT_OF_BUDGET, text)


def _why_blocked(state: SchedulerState, issue: Issue) -> Reason | None:
    for blocker_id in issue.blocked_by:
        blocker = state.issues.get(blocker_id)
        if blocker is None:
            known = state.issues.present(blocker_id)
            why = "whose file cannot be read" if known else "which is not in the tracker"
            return Reason(ReasonCode.BLOCKED, f"blocked by {blocker_id}, {why}")
        if not state.states.is_terminal(blocker.state):
            return Reason(ReasonCode.BLOCKED, f"blocked by {blocker_id} ({blocker.state})")
    return None


def _why_unlabelled(state: SchedulerState, issue: Issue) -> Reason | None:
    required = state.workflow.settings.tracker.required_labels
    if not required:
        return None
    given = {label.casefold() for label in issue.labels}
    missing = [label for label in required if label.strip().casefold() not in given]
    return Reason(ReasonCode.MISSING_LABEL, f"lacks the label {missing[0]!r}") if missing else None


def _why_resting(state: SchedulerState, issue: Issue, now: datetime) -> Reason | None:
    if not state.adapter_pauses:
        return None
    adapter = state.workflow.settings.in_state(issue.state).acp.adapter
    until = state.adapter_pauses.get(adapter)
    if until is None or until <= now:
        return None
    rests = f"the model behind {adapter} rests until {until:%Y-%m-%d %H:%M:%S} UTC"
    return Reason(ReasonCode.RATE_LIMITED, f"{rests}; `symphony resume` tries it now")
