"""What follows when an attempt ends [CONTRACT 4.4, 4.5]."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from symphony.core.backoff import CONTINUATION_DELAY, retry_delay
from symphony.core.claim import Claim, Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.decide.draft import Draft
from symphony.core.event import AttemptEnded
from symphony.core.guard.ledger import Hold, said_of
from symphony.core.handoff import Handoff
from symphony.core.outcome import (
    Delivered,
    Failed,
    HeldBack,
    Outcome,
    OutOfBudget,
    RateLimited,
    Released,
    SentBack,
    Stopped,
    StopReason,
    Transitioned,
    TurnsExhausted,
)
from symphony.core.repetition import repeats
from symphony.core.steering import SteeringRequest
from symphony.core.transition import Passage

NEEDS_PERSON = frozenset(
    {
        "agent.auth_required",
        "agent.credential_missing",
        "agent.credential_without_host",
        "agent.login_expired",
        "agent.login_not_writable",
        "agent.login_refused",
        "agent.login_unreadable",
        "agent.no_credit",
        "agent.not_found",
        "agent.too_old",
        "agent.unknown_adapter",
        "agent.unknown_effort",
        "agent.unknown_mode",
        "agent.unknown_model",
        "sandbox.engine_missing",
        "sandbox.engine_version",
        "sandbox.image_corrupt",
        "sandbox.image_missing",
        "sandbox.kvm_unusable",
        "sandbox.mount_failed",
        "workspace.base_not_found",
        "workspace.git_not_found",
        "workspace.git_too_old",
        "workspace.root_invalid",
        "workspace.source_empty",
        "workspace.source_missing",
        "workspace.source_not_a_repository",
        "workspace.source_not_trusted",
    }
)
"""Codes of failures that another try cannot mend; each one's message says what a person can do."""


def end_attempt(draft: Draft, event: AttemptEnded) -> None:
    """Release the attempt's claim and decide what the issue waits for next."""
    record = draft.record(event.issue_id)
    attempt = running_attempt(record)
    if attempt is None or attempt.attempt_id != event.attempt_id:
        draft.say(
            event.issue_id, "ignore", f"attempt {event.attempt_id} ended, and it is not the current one"
        )
        return
    steering = unused_steering(record)
    record = replace(record, claim=None, usage=record.usage.plus(event.usage), access=record.access.ended())
    if record.completion is not None:
        _end_of_finished_work(draft, record, attempt, event.outcome, steering)
    elif attempt.stopping is StopReason.CANCELLED or event.outcome == Stopped(StopReason.CANCELLED):
        draft.put(replace(record, claim=cancelled(draft.now, attempt.revision, steering)))
        draft.say(record.issue_id, "stopped", "the attempt ended: a person cancelled it")
    else:
        _end_of_unfinished_work(draft, record, attempt, event.outcome, steering)


def _pass_on(
    draft: Draft,
    record: IssueRecord,
    attempt: Running,
    outcome: Transitioned,
    steering: SteeringRequest | None,
) -> None:
    """The issue is in another state: what works on it there begins anew, unless a person cancelled it."""
    claim: Claim | None = Waiting(steering) if steering is not None else None
    if attempt.stopping is StopReason.CANCELLED:
        claim = cancelled(draft.now, outcome.revision, steering)
    passage = record.passage.on(outcome.note, outcome.revision)
    passed = replace(record, completion=None, failures=0, failure_reasons=(), passage=passage)
    draft.put(replace(passed, claim=claim))
    draft.say(record.issue_id, "transition", outcome.note)


def _end_of_finished_work(
    draft: Draft,
    record: IssueRecord,
    attempt: Running,
    outcome: Outcome,
    steering: SteeringRequest | None,
) -> None:
    """The agent's word was accepted: hand over, now or again, whatever became of the attempt."""
    question = steering if steering is not None and steering.open else None
    waiting = Waiting(question) if question is not None else None
    match outcome:
        case Delivered(handoff=Handoff() as handoff) | Stopped(handoff=Handoff() as handoff):
            guard = replace(record.guard, hold=None)
            done = replace(record, completion=None, failures=0, failure_reasons=(), guard=guard)
            done = replace(done, passage=Passage())
            draft.put(replace(done, claim=waiting, last_handoff=handoff.note))
            draft.say(record.issue_id, "delivered", handoff.note)
        case Transitioned():
            _pass_on(draft, record, attempt, outcome, steering)
        case Failed(code=code, message=message):
            _retry_later(draft, _with_failure(draft, record, message), message, question, code)
        case HeldBack(work=work, findings=findings):
            held = replace(record.guard, hold=Hold(draft.now, work, findings))
            draft.put(replace(record, claim=waiting, guard=held, failures=0, failure_reasons=()))
            draft.say(record.issue_id, "hold", f"secrets in the finished work: {said_of(findings)}")
        case _ if attempt.stopping is StopReason.CANCELLED and _is_to_go_on(draft, record):
            issue = draft.state.issues.get(record.issue_id)
            revision = issue.revision if issue else attempt.revision
            draft.put(replace(record, claim=cancelled(draft.now, revision, steering)))
            draft.say(record.issue_id, "stopped", "the attempt ended: a person cancelled it")
        case _:
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "owe", f"the handoff is still to be made: {outcome.code}")


def _is_to_go_on(draft: Draft, record: IssueRecord) -> bool:
    """Say whether its accepted completion is a transition after which others work on it."""
    to_state = record.completion.to_state if record.completion else ""
    return bool(to_state) and not draft.state.states.is_terminal(to_state)


def _end_of_unfinished_work(
    draft: Draft,
    record: IssueRecord,
    attempt: Running,
    outcome: Outcome,
    steering: SteeringRequest | None,
) -> None:
    waiting = Waiting(steering) if steering is not None else None
    match outcome:
        case Delivered(handoff=handoff):
            done = replace(record, failures=0, failure_reasons=(), passage=Passage())
            draft.put(replace(done, last_handoff=handoff.note))
            draft.say(record.issue_id, "delivered", handoff.note)
        case Transitioned():
            _pass_on(draft, record, attempt, outcome, steering)
        case Failed() | TurnsExhausted() | Stopped(reason=StopReason.STALLED) if (
            steering is not None and steering.open
        ):
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "wait", f"the agent asked before it ended: {outcome.code}")
        case TurnsExhausted(progressed=True, note=note) if note and _ran_into(record, note):
            _count_failure(draft, record, attempt, note, retry=False)
        case TurnsExhausted(turns=turns, progressed=True, note=note):
            due = draft.now + CONTINUATION_DELAY
            going_on = Continuing(due, attempt.state)
            reasons = (note,) if note else ()  # the next one must not run into the same
            draft.put(replace(record, claim=going_on, failures=0, failure_reasons=reasons))
            draft.say(record.issue_id, "continue", f"{turns} turns ended well and the issue is still active")
        case TurnsExhausted(turns=turns):
            _count_failure(draft, record, attempt, f"{turns} turns changed nothing", retry=False)
        case Failed(code=code, message=message) if code in NEEDS_PERSON:
            record = _with_failure(draft, record, message)
            _park(draft, record, attempt, f"only a person can mend this: {message}")
        case Failed(message=message):
            _count_failure(draft, record, attempt, message, retry=True)
        case Stopped(reason=StopReason.STALLED):
            seconds = attempt.stall_timeout_ms / 1000
            _count_failure(draft, record, attempt, f"no event from the agent for {seconds:g} s", retry=True)
        case RateLimited(adapter=adapter, until=until, message=message):
            draft.put(replace(record, claim=waiting))
            known = draft.state.adapter_pauses
            until = max(until, known.get(adapter, until))  # another attempt may have been told more
            draft.adapter_pauses = {**known, adapter: until}
            draft.state = replace(draft.state, adapter_pauses=draft.adapter_pauses)
            draft.say(record.issue_id, "rest", f"{adapter} rests until {until.isoformat()}: {message}")
        case Stopped(reason=StopReason.TERMINAL):
            draft.put(replace(record, claim=waiting, failures=0, failure_reasons=()))
            draft.say(record.issue_id, "stopped", "the attempt ended: the issue is finished")
        case Stopped(reason=reason):
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "stopped", f"the attempt ended: {reason}")
        case SentBack(note=note, why=why) if _ran_into(record, note):
            _count_failure(draft, record, attempt, why, retry=False)
        case SentBack(note=note, why=why):
            going_on = Continuing(draft.now + CONTINUATION_DELAY, attempt.state)
            draft.put(replace(record, claim=going_on, failure_reasons=(note,)))
            draft.say(record.issue_id, "send_back", why)
        case HeldBack():  # what was held has been given up meanwhile
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "stopped", "the attempt ended, and its work was given up")
        case OutOfBudget(spent=spent):
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "out_of_budget", spent)
        case Released():
            draft.put(replace(record, claim=waiting))
            draft.say(record.issue_id, "wait", "the session was released; the reply starts a new attempt")
        case _ as never:
            assert_never(never)


def running_attempt(record: IssueRecord) -> Running | None:
    """Return the attempt that lives for this issue, at work or waiting."""
    match record.claim:
        case Running() as running:
            return running
        case Waiting(attempt=attempt):
            return attempt
        case _:
            return None


def unused_steering(record: IssueRecord) -> SteeringRequest | None:
    """Return the question that is open, or whose reply no turn has carried yet."""
    match record.claim:
        case (
            Waiting(steering=steering)
            | Running(steering=steering)
            | Parked(steering=steering)
            | Retrying(steering=steering)
        ):
            return steering
        case _:
            return None


def _ran_into(record: IssueRecord, note: str) -> bool:
    """Say whether the attempt before was stopped by the same."""
    return bool(record.failure_reasons) and repeats(note, record.failure_reasons[-1])


def _count_failure(draft: Draft, record: IssueRecord, attempt: Running, reason: str, *, retry: bool) -> None:
    record = _with_failure(draft, record, reason)
    failures, most = record.failures, draft.state.workflow.settings.agent.max_failures
    if failures >= most:
        _park(draft, record, attempt, f"{failures} failures in a row; the last: {reason}")
    elif retry:
        _retry_later(draft, record, reason, None)
    else:
        draft.put(replace(record, claim=Continuing(draft.now + CONTINUATION_DELAY, attempt.state)))
        draft.say(record.issue_id, "continue", f"failure {failures} of {most}: {reason}")


def _park(draft: Draft, record: IssueRecord, attempt: Running, why: str) -> None:
    draft.put(replace(record, claim=Parked(draft.now, record.failure_reasons, attempt.revision)))
    draft.say(record.issue_id, "park", why)


def _with_failure(draft: Draft, record: IssueRecord, reason: str) -> IssueRecord:
    most = draft.state.workflow.settings.agent.max_failures
    reasons = (*record.failure_reasons, reason)[-most:]
    return replace(record, failures=record.failures + 1, failure_reasons=reasons)


def _retry_later(
    draft: Draft, record: IssueRecord, reason: str, question: SteeringRequest | None, code: str = ""
) -> None:
    settings = draft.state.workflow.settings.agent
    due = draft.now + retry_delay(record.failures, settings.max_retry_backoff_ms)
    draft.put(replace(record, claim=Retrying(due, reason, question, code)))
    draft.say(record.issue_id, "retry", f"failure {record.failures} of {settings.max_failures}: {reason}")


def cancelled(at: datetime, revision: str, steering: SteeringRequest | None) -> Parked:
    """Return the claim of an issue that a person cancelled."""
    return Parked(at, ("cancelled by you",), revision, by_person=True, steering=steering)
