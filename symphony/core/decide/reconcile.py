"""Hold what runs and waits against what the tracker says now [CONTRACT 4.6, 4.7]."""

from dataclasses import replace
from datetime import timedelta

from symphony.core.claim import Continuing, IssueRecord, Parked, Phase, Retrying, Running, Waiting
from symphony.core.decide.draft import Draft
from symphony.core.effect import StopAttempt, UpdateIssue
from symphony.core.issue import Issue
from symphony.core.outcome import StopReason
from symphony.core.states import StateRole

GONE_GRACE = timedelta(seconds=2)  # editors replace a file by deleting and creating it


def reconcile(draft: Draft) -> None:
    """Stop, free or inform every claim whose issue has changed since."""
    for record in tuple(draft.state.records.values()):
        match record.claim:
            case Running() as running:
                _reconcile_attempt(draft, record, running)
            case Waiting(attempt=Running() as attempt):
                _reconcile_attempt(draft, record, attempt)
            case Retrying() | Continuing():
                _release_inactive(draft, record)
            case Parked():
                _release_edited(draft, record, record.claim)
            case None if record.passage.count:
                _take_hand(draft, record)
            case _:
                pass


def excuse(draft: Draft, slept: timedelta) -> None:
    """Hold against no attempt that it was silent while nothing here ran: it slept as well."""
    if not slept:
        return
    for record in tuple(draft.state.records.values()):
        if isinstance(record.claim, Running):
            heard = record.claim.last_event_at + slept
            draft.note(replace(record, claim=replace(record.claim, last_event_at=min(heard, draft.now))))


def stop(draft: Draft, record: IssueRecord, attempt: Running, reason: StopReason, why: str) -> None:
    """Tell an attempt to end, once; that a person cancelled it is remembered all the same."""
    if attempt.stopping is not None:
        if reason is StopReason.CANCELLED:
            _put_attempt(draft, record, replace(attempt, stopping=reason))
        return
    _put_attempt(draft, record, replace(attempt, stopping=reason))
    draft.effects.append(StopAttempt(record.issue_id, attempt.attempt_id, reason))
    draft.say(record.issue_id, "stop", why)


def cut_short(draft: Draft, record: IssueRecord, attempt: Running) -> None:
    """End, once, also what an attempt does on its way out; its handoff is made after the restart."""
    _put_attempt(draft, record, replace(attempt, stopping=StopReason.DRAINED))
    draft.effects.append(StopAttempt(record.issue_id, attempt.attempt_id, StopReason.DRAINED))


def _put_attempt(draft: Draft, record: IssueRecord, attempt: Running) -> None:
    current = draft.record(record.issue_id)
    if isinstance(current.claim, Waiting):
        draft.claim(record.issue_id, replace(current.claim, attempt=attempt))
    else:
        draft.claim(record.issue_id, attempt)


def _reconcile_attempt(draft: Draft, record: IssueRecord, attempt: Running) -> None:
    if attempt.stopping is not None or attempt.delivering or record.completion is not None:
        return
    issue = draft.state.issues.get(record.issue_id)
    if issue is None:
        if draft.state.issues.present(record.issue_id):
            _stop_when_stalled(draft, record, attempt)
        else:
            _stop_when_gone(draft, record, attempt)
        return
    role = draft.state.states.role(issue.state)
    if role is StateRole.TERMINAL:
        stop(draft, record, attempt, StopReason.TERMINAL, f"moved to {issue.state}")
    elif role is StateRole.HOLDING:
        stop(draft, record, attempt, StopReason.HELD, f"moved to {issue.state}")
    elif not _stop_when_stalled(draft, record, attempt):
        _inform(draft, record, attempt, issue)


def _stop_when_gone(draft: Draft, record: IssueRecord, attempt: Running) -> None:
    if attempt.missing_since is None:
        _put_attempt(draft, record, replace(attempt, missing_since=draft.now))
    elif draft.now >= attempt.missing_since + GONE_GRACE:
        stop(draft, record, attempt, StopReason.GONE, "its file is gone")


def _stop_when_stalled(draft: Draft, record: IssueRecord, attempt: Running) -> bool:
    waits = isinstance(record.claim, Waiting) or attempt.permissions
    if attempt.stall_timeout_ms <= 0 or attempt.phase is not Phase.TURN or waits:
        return False
    limit = timedelta(milliseconds=attempt.stall_timeout_ms)
    if draft.now < attempt.last_event_at + limit:
        return False
    stop(
        draft,
        record,
        attempt,
        StopReason.STALLED,
        f"no event from the agent for {attempt.stall_timeout_ms / 1000:g} s",
    )
    return True


def _inform(draft: Draft, record: IssueRecord, attempt: Running, issue: Issue) -> None:
    if attempt.missing_since is None and (attempt.revision, attempt.state) == (issue.revision, issue.state):
        return
    known = replace(attempt, missing_since=None, revision=issue.revision, state=issue.state)
    _put_attempt(draft, record, known)
    if attempt.revision != issue.revision:
        draft.effects.append(UpdateIssue(issue, attempt.attempt_id))
        draft.say(issue.id, "inform", "the issue was edited; the next turn sees the new text")


def _release_inactive(draft: Draft, record: IssueRecord) -> None:
    if record.completion is not None:
        return
    issue = draft.state.issues.get(record.issue_id)
    if issue is not None and draft.state.states.is_active(issue.state):
        return
    if issue is None and draft.state.issues.present(record.issue_id):
        return
    steering = record.claim.steering if isinstance(record.claim, Retrying) else None
    draft.claim(record.issue_id, Waiting(steering) if steering else None)
    draft.say(record.issue_id, "release", f"moved to {issue.state}" if issue else "its file is gone")


def _release_edited(draft: Draft, record: IssueRecord, parked: Parked) -> None:
    issue = draft.state.issues.get(record.issue_id)
    if issue is None or issue.revision == parked.revision:
        return
    waiting = Waiting(parked.steering) if parked.steering else None
    passage = record.passage.begun_anew()
    draft.put(replace(record, claim=waiting, failures=0, failure_reasons=(), passage=passage))
    draft.say(record.issue_id, "release", "the issue was edited after it was parked")


def _take_hand(draft: Draft, record: IssueRecord) -> None:
    """See that a person has edited an issue since an agent moved it: its agents may do so as often again."""
    issue, known = draft.state.issues.get(record.issue_id), record.passage.revision
    if issue is None or not known or issue.revision == known or record.completion is not None:
        return
    draft.put(replace(record, passage=record.passage.begun_anew()))
    draft.say(record.issue_id, "release", "the issue was edited after its agents had moved it")
