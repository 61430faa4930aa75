"""The scheduler's one decision: (state, event, now) to (state, changes, effects), pure.

The engine is its only caller; simulations and replays call it the same way.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias, assert_never

from symphony.core.claim import Running, Waiting
from symphony.core.decide import access, budget, commands, guard, permission, review
from symphony.core.decide.commands import CommandRefused
from symphony.core.decide.dispatch import fill_slots
from symphony.core.decide.draft import Decision, Draft
from symphony.core.decide.ending import end_attempt, running_attempt
from symphony.core.decide.reconcile import cut_short, excuse, reconcile, stop
from symphony.core.disk import DiskRoom
from symphony.core.effect import StopAttempt
from symphony.core.event import (
    AccessDecided,
    AccessFailed,
    AccessRefused,
    AttemptEnded,
    AttemptProgressed,
    AttemptWaits,
    BudgetAsked,
    CancelAsked,
    CompletionAccepted,
    CompletionWithdrawn,
    DrainAsked,
    Event,
    FindingMade,
    HostSeen,
    MachineSeen,
    PauseAsked,
    PermissionAsked,
    PermissionClosed,
    PermissionGiven,
    ReleaseAsked,
    ReplyGiven,
    ReplyUsed,
    ResumeAsked,
    RetryAsked,
    SteeringAsked,
    Ticked,
    TrackerChanged,
    WorkflowChanged,
    WorkRejected,
)
from symphony.core.outcome import StopReason
from symphony.core.scheduler import SchedulerState

__all__ = ["DRAIN_GRACE", "NOTED", "CommandRefused", "Decision", "decide"]

Noted: TypeAlias = (
    AttemptProgressed
    | SteeringAsked
    | CompletionAccepted
    | CompletionWithdrawn
    | ReplyUsed
    | AccessRefused
    | AccessDecided
    | AccessFailed
    | FindingMade
    | MachineSeen
    | HostSeen
)
NOTED = (
    AttemptProgressed,
    SteeringAsked,
    CompletionAccepted,
    CompletionWithdrawn,
    ReplyUsed,
    AccessRefused,
    AccessDecided,
    AccessFailed,
    FindingMade,
    MachineSeen,
    HostSeen,
)
"""Events after which nothing is dispatched or reconciled."""

DRAIN_GRACE = timedelta(seconds=30)  # a turn that is about to end may; longer, and people kill -9


def decide(state: SchedulerState, event: Event, now: datetime) -> Decision:
    """Return what this event leads to.

    Raises:
        CommandRefused: a person's command does not fit; the state is unchanged then.
    """
    draft = Draft(state, now)
    if isinstance(event, NOTED):
        _note(draft, event)
        return draft.decision()
    match event:
        case Ticked(slept=slept):
            excuse(draft, slept)
            _stop_at_deadline(draft)
        case TrackerChanged(issues=issues):
            draft.state = state.with_issues(issues)
        case WorkflowChanged():
            _take_workflow(draft, event)
        case AttemptEnded():
            end_attempt(draft, event)
        case AttemptWaits():
            commands.begin_waiting(draft, event)
        case ReplyGiven():
            commands.take_reply(draft, event)
        case PermissionAsked():
            permission.note_request(draft, event)
        case PermissionGiven():
            permission.take_answer(draft, event)
        case PermissionClosed():
            permission.close_request(draft, event)
        case ReleaseAsked():
            guard.release(draft, event)
        case WorkRejected():
            review.take_review(draft, event)
        case RetryAsked():
            commands.retry(draft, event)
        case CancelAsked():
            commands.cancel(draft, event)
        case PauseAsked():
            commands.pause(draft, event)
        case ResumeAsked():
            commands.resume(draft, event)
        case BudgetAsked():
            budget.set_ceilings(draft, event)
        case DrainAsked():
            _drain(draft, event)
        case _ as never:
            assert_never(never)
    reconcile(draft)
    fill_slots(draft)
    return draft.decision()


def _note(draft: Draft, event: Noted) -> None:
    match event:
        case AttemptProgressed():
            _note_progress(draft, event)
        case SteeringAsked():
            commands.note_question(draft, event)
        case ReplyUsed():
            commands.use_reply(draft, event)
        case CompletionAccepted(completion=completion):
            draft.put(replace(draft.record(completion.issue_id), completion=completion))
            draft.say(completion.issue_id, "accept", completion.said)
        case CompletionWithdrawn(issue_id=issue_id, why=why):
            record = draft.record(issue_id)
            draft.put(replace(record, completion=None, guard=replace(record.guard, hold=None)))
            draft.say(issue_id, "withdraw", why)
        case AccessRefused():
            access.note_refusals(draft, event)
        case AccessDecided():
            access.take_decision(draft, event)
        case AccessFailed():
            access.note_failure(draft, event)
        case FindingMade():
            guard.note_finding(draft, event)
        case MachineSeen():
            _note_machine(draft, event)
        case HostSeen():
            _note_host(draft, event)
        case _ as never:
            assert_never(never)


def _note_progress(draft: Draft, event: AttemptProgressed) -> None:
    record = draft.record(event.issue_id)
    running = record.claim
    if isinstance(running, Running) and running.attempt_id == event.attempt_id:
        heard = replace(
            running,
            phase=event.phase,
            turn=event.turn,
            last_event=event.last_event or running.last_event,
            last_event_at=event.at,
            usage=event.usage,
        )
        draft.note(replace(record, claim=heard))


def _note_machine(draft: Draft, event: MachineSeen) -> None:
    record = draft.record(event.issue_id)
    attempt = running_attempt(record)
    if attempt is None or attempt.attempt_id != event.attempt_id or attempt.machine == event.machine:
        return
    seen = replace(attempt, machine=event.machine)
    claim = replace(record.claim, attempt=seen) if isinstance(record.claim, Waiting) else seen
    draft.note(replace(record, claim=claim))


def _note_host(draft: Draft, event: HostSeen) -> None:
    state = draft.state
    room = DiskRoom.of(state.workflow.settings.retention, event.disk, was_low=state.was_low)
    if not (event.memory or state.host_memory or room.low or state.was_low) and room.shown == state.host_disk:
        return
    draft.state = replace(
        state,
        host_memory=event.memory,
        host_disk=room.shown,
        host_seen_at=draft.now,
        was_low=room.low,
    )
    if room.lacking is not None and not state.was_low:
        draft.say(None, "hold", room.lacking)
    elif state.was_low and not room.low:
        draft.say(None, "lift", "there is room on the disk again")


def _take_workflow(draft: Draft, event: WorkflowChanged) -> None:
    if event.workflow is not None:
        least = draft.state.workflow.settings.retention.min_free_mib
        draft.state = draft.state.with_workflow(event.workflow)
        if event.workflow.settings.retention.min_free_mib != least:
            draft.state = replace(draft.state, was_low=False)  # a shortage by the old value says nothing
        draft.say(None, "reload", f"{event.workflow.path.name} is in force")
    if event.problems:
        draft.state = replace(draft.state, workflow_problems=event.problems)
        draft.say(None, "reject", "; ".join(str(problem) for problem in event.problems))


def _drain(draft: Draft, event: DrainAsked) -> None:
    deadline = draft.now if event.now else draft.now + DRAIN_GRACE
    draft.state = replace(draft.state, drain_deadline=deadline)
    draft.say(None, "drain", "stopping at once" if event.now else "no new attempt begins")
    for record in tuple(draft.state.records.values()):
        attempt = running_attempt(record)
        if attempt is None:
            continue
        if attempt.stopping is not None and event.now:  # what it does on its way out ends now, too
            draft.effects.append(StopAttempt(record.issue_id, attempt.attempt_id, StopReason.DRAINED))
        elif event.now or record.claim is not attempt or attempt.permissions:
            stop(draft, record, attempt, StopReason.DRAINED, "symphony is stopping")


def _stop_at_deadline(draft: Draft) -> None:
    deadline = draft.state.drain_deadline
    if deadline is None or draft.now < deadline:
        return
    for record in tuple(draft.state.records.values()):
        attempt = running_attempt(record)
        if attempt is not None and attempt.stopping is StopReason.TERMINAL:
            cut_short(draft, record, attempt)
        elif attempt is not None:
            stop(draft, record, attempt, StopReason.DRAINED, "the grace is over")
