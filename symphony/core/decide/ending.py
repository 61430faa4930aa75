"""What follows when an attempt ends [CONTRACT 4.4, 4.5]."""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from symphony.core.backoff import CONTINUATION_DELAY, retry_delay
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.decide.draft import Draft
from symphony.core.event import AttemptEnded
from symphony.core.outcome import (
    Delivered,
    Failed,
    RateLimited,
    Released,
    Stopped,
    StopReason,
    TurnsExhausted,
)
from symphony.core.steering import SteeringRequest


def end_attempt(draft: Draft, event: AttemptEnded) -> None:
    """Release the attempt's claim and decide what the issue waits for next."""
    record = draft.record(event.issue_id)
    attempt = running_attempt(record)
    if attempt is None or attempt.attempt_id != event.attempt_id:
        draft.say(
            event.issue_id, "ignore", f"attempt {event.attempt_id} ended, and it is not the current one"
        )
        return
    record = replace(record, claim=None, usage=record.usage.plus(event.usage))
    steering = unused_steering(draft.record(event.issue_id))
    match event.outcome:
        case Delivered(handoff=handoff):
            draft.put(
                replace(record, completion=None, failures=0, failure_reasons=(), last_handoff=handoff.note)
            )
            draft.say(record.issue_id, "delivered", handoff.note)
        case Failed() | TurnsExhausted() if steering is not None and steering.open:
            draft.put(replace(record, claim=Waiting(steering)))
            draft.say(record.issue_id, "wait", f"the agent asked before it ended: {event.outcome.code}")
        case TurnsExhausted(turns=turns, progressed=True):
            _go_on(draft, replace(record, failures=0, failure_reasons=()), attempt, turns)
        case TurnsExhausted(turns=turns):
            _count_failure(draft, record, attempt, f"{turns} turns changed nothing", retry=False)
        case Failed(message=message):
            _count_failure(draft, record, attempt, message, retry=True)
        case RateLimited(adapter=adapter, until=until, message=message):
            draft.put(replace(record, claim=Waiting(steering) if steering else None))
            pauses = {**draft.state.adapter_pauses, adapter: until}
            draft.adapter_pauses = pauses
            draft.state = replace(draft.state, adapter_pauses=pauses)
            draft.say(record.issue_id, "rest", f"{adapter} rests until {until.isoformat()}: {message}")
        case Stopped(reason=reason, handoff=handoff):
            if handoff is not None:
                record = replace(record, completion=None, last_handoff=handoff.note)
            _stopped(draft, record, attempt, reason, steering)
        case Released():
            draft.put(replace(record, claim=Waiting(steering) if steering else None))
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
        case Waiting(steering=steering) | Running(steering=steering) | Parked(steering=steering):
            return steering
        case _:
            return None


def _go_on(draft: Draft, record: IssueRecord, attempt: Running, turns: int) -> None:
    if record.completion is not None:
        draft.put(record)
        return
    due = draft.now + CONTINUATION_DELAY
    draft.put(replace(record, claim=Continuing(due, attempt.state)))
    draft.say(record.issue_id, "continue", f"{turns} turns ended well and the issue is still active")


def _count_failure(draft: Draft, record: IssueRecord, attempt: Running, reason: str, *, retry: bool) -> None:
    settings = draft.state.workflow.settings.agent
    failures = record.failures + 1
    reasons = (*record.failure_reasons, reason)[-settings.max_failures :]
    record = replace(record, failures=failures, failure_reasons=reasons)
    if failures >= settings.max_failures and record.completion is None:
        draft.put(replace(record, claim=Parked(draft.now, reasons, attempt.revision)))
        draft.say(record.issue_id, "park", f"{failures} failures in a row; the last: {reason}")
    elif retry or record.completion is not None:
        due = draft.now + retry_delay(failures, settings.max_retry_backoff_ms)
        draft.put(replace(record, claim=Retrying(due, reason)))
        draft.say(record.issue_id, "retry", f"failure {failures} of {settings.max_failures}: {reason}")
    else:
        draft.put(replace(record, claim=Continuing(draft.now + CONTINUATION_DELAY, attempt.state)))
        draft.say(record.issue_id, "continue", f"failure {failures} of {settings.max_failures}: {reason}")


def _stopped(
    draft: Draft, record: IssueRecord, attempt: Running, reason: StopReason, steering: SteeringRequest | None
) -> None:
    match reason:
        case StopReason.STALLED if steering is None or not steering.open:
            seconds = attempt.stall_timeout_ms / 1000
            _count_failure(draft, record, attempt, f"no event from the agent for {seconds:g} s", retry=True)
            return
        case StopReason.CANCELLED if record.completion is None:
            draft.put(replace(record, claim=cancelled(draft.now, attempt.revision, steering)))
        case StopReason.TERMINAL:
            waiting = Waiting(steering) if steering else None
            draft.put(replace(record, claim=waiting, failures=0, failure_reasons=()))
        case _:
            draft.put(replace(record, claim=Waiting(steering) if steering else None))
    draft.say(record.issue_id, "stopped", f"the attempt ended: {reason}")


def cancelled(at: datetime, revision: str, steering: SteeringRequest | None) -> Parked:
    """Return the claim of an issue that a person cancelled."""
    return Parked(at, ("cancelled by you",), revision, by_person=True, steering=steering)
