"""Where one issue stands: a reason for every issue there is or was, whatever became of it.

`eligibility` knows why an active issue does not run; this adds those that run, rest or are finished.
"""

from datetime import datetime
from typing import assert_never

from symphony.core.claim import IssueRecord, Parked, Running, Waiting
from symphony.core.eligibility import (
    Reason,
    ReasonCode,
    what_is_owed,
    why_not_running,
    why_not_startable,
    why_undelivered,
)
from symphony.core.guard.ledger import held_reason
from symphony.core.handoff import Completion
from symphony.core.issue import Issue
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.text import one_line

PROPOSED_BY = "proposed_by"  # the front matter of an issue that an agent proposed
NAME_SHOWN = 80  # characters of what a file says


def sentence_of(reason: Reason) -> str:
    """Return the reason as the sentence that every surface shows."""
    text = reason.text.rstrip(".")
    match reason.code:
        case (
            ReasonCode.RUNNING
            | ReasonCode.STOPPING
            | ReasonCode.ASKS_PERMISSION
            | ReasonCode.PERMISSION_PENDING
        ):
            return f"Running: {text}."
        case ReasonCode.ELIGIBLE:
            return f"Eligible: {text}."
        case ReasonCode.FINISHED:
            return f"Finished: {text}."
        case ReasonCode.HELD:
            return f"Held: {text}."
        case ReasonCode.CONFLICT:
            return f"In conflict: {text}."
        case ReasonCode.HELD_BACK:
            return f"Held for you: {text}."
        case ReasonCode.PROPOSED | ReasonCode.UNDELIVERED | ReasonCode.UNREADABLE | ReasonCode.GONE:
            return f"{text[:1].upper()}{text[1:]}."
        case (
            ReasonCode.WAITING_FOR_REPLY
            | ReasonCode.REPLY_PENDING
            | ReasonCode.RETRYING
            | ReasonCode.CONTINUING
            | ReasonCode.CANCELLED
            | ReasonCode.FAILED
            | ReasonCode.PAUSED
            | ReasonCode.OUT_OF_BUDGET
            | ReasonCode.PASSED_AROUND
            | ReasonCode.BLOCKED
            | ReasonCode.MISSING_LABEL
            | ReasonCode.RATE_LIMITED
            | ReasonCode.DRAINING
            | ReasonCode.WORKFLOW_INVALID
            | ReasonCode.ALL_PAUSED
            | ReasonCode.LOW_DISK
            | ReasonCode.NO_SLOT
            | ReasonCode.NO_MEMORY
        ):
            return f"Not running: {text}."
        case _ as never:
            assert_never(never)


def standing_of(state: SchedulerState, issue_id: str, now: datetime) -> Reason:
    """Return where the issue stands; for one that nobody knows, that its file is gone."""
    record, issue = state.record(issue_id), state.issues.get(issue_id)
    if isinstance(record.claim, Running):
        return _running(state, record.claim, issue, now)
    if issue is None:
        return _without_issue(state, record)
    if record.completion is not None and not (_awaits_person(record) or isinstance(record.claim, Parked)):
        return _undelivered(state, record, record.completion)
    if state.states.is_terminal(issue.state):
        return Reason(ReasonCode.FINISHED, (record.last_handoff or f"in {issue.state}").rstrip("."))
    if state.states.is_active(issue.state) or _awaits_person(record):
        slots = Slots.of(state.workflow.settings, state.records.values())
        reason = why_not_running(state, issue, slots, now)
        return reason or Reason(ReasonCode.ELIGIBLE, "it starts with the next decision")
    return _resting(issue, record)


def _undelivered(state: SchedulerState, record: IssueRecord, completion: Completion) -> Reason:
    if (hold := record.guard.held) is not None:
        return Reason(ReasonCode.HELD_BACK, held_reason(hold, record.issue_id))
    why = why_undelivered(record, state.room)
    return Reason(ReasonCode.UNDELIVERED, f"{what_is_owed(completion)}{f': {why}' if why else ''}")


def _running(state: SchedulerState, running: Running, issue: Issue | None, now: datetime) -> Reason:
    turn = f"turn {running.turn} of {running.max_turns}"
    reason = None if issue is None else why_not_startable(state, issue, now)
    if running.stopping is not None:
        return Reason(ReasonCode.STOPPING, f"{running.phase.value}, {turn}; stopping: {running.stopping}")
    if reason is None:
        return Reason(ReasonCode.RUNNING, f"{running.phase.value}, {turn}")
    return Reason(reason.code, f"{reason.text}, {turn}")


def _without_issue(state: SchedulerState, record: IssueRecord) -> Reason:
    issue_id, issues = record.issue_id, state.issues
    if issue_id in issues.conflicts:
        files = ", ".join(str(path) for path in issues.conflicts[issue_id])
        return Reason(ReasonCode.CONFLICT, f"more than one file has this id: {files}")
    if record.completion is not None:
        return _undelivered(state, record, record.completion)
    if issues.present(issue_id):
        why = next((problem for problem in issues.problems if problem.issue_id == issue_id), None)
        said = f": {why.where}: {why.message.rstrip('.')}" if why else ""
        return Reason(ReasonCode.UNREADABLE, f"its file cannot be read{said}")
    return Reason(ReasonCode.GONE, "its file is gone")


def _awaits_person(record: IssueRecord) -> bool:
    """Say whether there is a question about it, which outlives a move to a holding state."""
    match record.claim:
        case Waiting(steering=steering, attempt=attempt):
            return steering.open or attempt is not None
        case _:
            return False


def _resting(issue: Issue, record: IssueRecord) -> Reason:
    origin = issue.extra.get(PROPOSED_BY)
    if origin is None:
        moved = f"; {record.passage.last}" if record.passage.last else ""
        return Reason(ReasonCode.HELD, f"{issue.state} is no active state{moved}")
    by = one_line(str(origin), NAME_SHOWN)
    return Reason(ReasonCode.PROPOSED, f"proposed by the agent of {by}; {issue.state} is no active state")
