"""What a person asks of the scheduler, and what is refused because it does not fit."""

from dataclasses import replace

from symphony.core.claim import Continuing, IssueRecord, Parked, Phase, Retrying, Running, Waiting
from symphony.core.decide.draft import Draft
from symphony.core.decide.ending import cancelled, running_attempt, unused_steering
from symphony.core.decide.reconcile import stop
from symphony.core.errors import SymphonyError
from symphony.core.event import (
    AttemptWaits,
    CancelAsked,
    PauseAsked,
    ReplyGiven,
    ReplyUsed,
    ResumeAsked,
    RetryAsked,
    SteeringAsked,
)
from symphony.core.outcome import StopReason
from symphony.core.scheduler import SchedulerState
from symphony.core.steering import SteeringRequest


class CommandRefused(SymphonyError):
    """A person's command does not fit where the issue stands; nothing was changed."""

    code = "command_refused"


def retry(draft: Draft, event: RetryAsked) -> None:
    """Forget failures and parking; the issue is eligible now.

    Raises:
        CommandRefused: `already_running`, `waiting_for_reply`.
    """
    record = known_record(draft, event.issue_id)
    match record.claim:
        case Running():
            raise CommandRefused(
                f"Issue {event.issue_id} is running.",
                code="already_running",
                remedy=f"`symphony cancel {event.issue_id}` ends the attempt.",
            )
        case Waiting(steering=steering) if steering.open:
            raise CommandRefused(
                f"Issue {event.issue_id} waits for your answer to: {steering.question}",
                code="waiting_for_reply",
                remedy=f"Answer with `symphony reply {event.issue_id} TEXT`.",
            )
        case Parked(steering=steering) | Retrying(steering=steering) if steering is not None:
            record = replace(record, claim=Waiting(steering))
        case Parked() | Retrying() | Continuing():
            record = replace(record, claim=None)
        case _:
            pass
    guard = replace(record.guard, hold=None)  # what was held is looked through again
    passage = record.passage.begun_anew()
    draft.put(replace(record, failures=0, failure_reasons=(), passage=passage, guard=guard))
    draft.say(event.issue_id, "retry", "a person asked for it")


def cancel(draft: Draft, event: CancelAsked) -> None:
    """End the attempt; the issue rests until a retry or an edit.

    Raises:
        CommandRefused: `not_running` when there is nothing to cancel; `already_done` while its
            finished work is handed over, which is once its checks have passed.
    """
    record = known_record(draft, event.issue_id)
    if record.completion is not None and not _is_checked(record):
        to_state = record.completion.to_state
        doing = f"on its way to {to_state}" if to_state else "done and its work is being handed over"
        raise CommandRefused(
            f"Issue {event.issue_id} is {doing}.",
            code="already_done",
            remedy="Wait until it is there, then cancel or move it."
            if to_state
            else "Wait for the handoff, then move the issue where you want it.",
        )
    attempt = running_attempt(record)
    if attempt is not None:
        stop(draft, record, attempt, StopReason.CANCELLED, "a person cancelled it")
        return
    if not isinstance(record.claim, Retrying | Continuing | Waiting):
        raise CommandRefused(
            f"Issue {event.issue_id} is not running.",
            code="not_running",
            remedy=f"`symphony pause {event.issue_id}` keeps it from being started.",
        )
    issue = draft.state.issues.get(event.issue_id)
    revision = issue.revision if issue else ""
    draft.claim(event.issue_id, cancelled(draft.now, revision, unused_steering(record)))
    draft.say(event.issue_id, "cancel", "a person cancelled it")


def _is_checked(record: IssueRecord) -> bool:
    """Say whether checks run that its work has not passed yet."""
    running = record.claim
    return isinstance(running, Running) and running.phase is Phase.CHECKS and not running.delivering


def pause(draft: Draft, event: PauseAsked) -> None:
    """Let no new attempt start, on one issue or on any; what runs goes on."""
    if event.issue_id is None:
        draft.paused = True
        draft.state = replace(draft.state, paused=True)
    else:
        draft.put(replace(known_record(draft, event.issue_id), paused=True))
    draft.say(event.issue_id, "pause", "a person asked for it")


def resume(draft: Draft, event: ResumeAsked) -> None:
    """Lift a pause; that on everything also ends the rest of models that refused for now."""
    if event.issue_id is None:
        draft.paused = False
        if draft.state.adapter_pauses:
            draft.adapter_pauses = {}
        draft.state = replace(draft.state, paused=False, adapter_pauses={})
    else:
        draft.put(replace(known_record(draft, event.issue_id), paused=False))
    draft.say(event.issue_id, "resume", "a person asked for it")


def take_reply(draft: Draft, event: ReplyGiven) -> None:
    """Keep the reply for the attempt that asked, or for the next one."""
    issue_id = event.steering.issue_id
    record = draft.record(issue_id)
    match record.claim:
        case Waiting(steering=steering) as waiting if steering.id == event.steering.id:
            draft.claim(issue_id, replace(waiting, steering=event.steering))
        case Running() as running if _is_asked_by(running, event.steering):
            draft.claim(issue_id, replace(running, steering=event.steering))
        case Parked(steering=steering) | Retrying(steering=steering) as resting if (
            steering and steering.id == event.steering.id
        ):
            draft.claim(issue_id, replace(resting, steering=event.steering))
        case _:
            draft.say(issue_id, "keep", "the reply came after the attempt; the next one is told of it")
            return
    draft.say(issue_id, "reply", "a person answered")


def _is_asked_by(running: Running, steering: SteeringRequest) -> bool:
    """Say whether the attempt owes this question, also when the scheduler has not heard of it yet."""
    owed = running.steering is not None and running.steering.id == steering.id
    return owed or running.attempt_id == steering.attempt_id


def use_reply(draft: Draft, event: ReplyUsed) -> None:
    """The reply has reached the agent: it is not owed to another attempt any more."""
    running = draft.record(event.issue_id).claim
    if (
        isinstance(running, Running)
        and running.attempt_id == event.attempt_id
        and running.steering is not None
        and running.steering.id in event.steering_ids
    ):
        draft.claim(event.issue_id, replace(running, steering=None))


def note_question(draft: Draft, event: SteeringAsked) -> None:
    """Remember a question that was asked in the running turn, unless its reply was quicker."""
    record = draft.record(event.steering.issue_id)
    running = record.claim
    if isinstance(running, Running) and running.attempt_id == event.steering.attempt_id:
        if running.steering is None or running.steering.id != event.steering.id:
            draft.claim(record.issue_id, replace(running, steering=event.steering))
        draft.say(record.issue_id, "ask", event.steering.question)


def begin_waiting(draft: Draft, event: AttemptWaits) -> None:
    """The asking turn is over: free the slot until the reply is there."""
    record = draft.record(event.issue_id)
    running = record.claim
    if isinstance(running, Running) and running.attempt_id == event.attempt_id and running.steering:
        asleep = replace(running, steering=None, permissions=())
        draft.claim(event.issue_id, Waiting(running.steering, asleep))
        draft.say(event.issue_id, "wait", "for a person's answer")
        if draft.state.draining and running.steering.open:
            waiting = draft.record(event.issue_id)
            stop(draft, waiting, asleep, StopReason.DRAINED, "symphony is stopping")


def known_record(draft: Draft, issue_id: str) -> IssueRecord:
    """Return the record of an issue that is there or was.

    Raises:
        CommandRefused: `issue_not_found`.
    """
    known_issue(draft.state, issue_id)
    return draft.record(issue_id)


def known_issue(state: SchedulerState, issue_id: str) -> None:
    """Return if the issue is there, or if something is remembered of it.

    Raises:
        CommandRefused: `issue_not_found`.
    """
    if issue_id not in state.records and not state.issues.present(issue_id):
        raise CommandRefused(
            f"There is no issue {issue_id}.",
            code="issue_not_found",
            remedy="`symphony status` lists the issues.",
        )
