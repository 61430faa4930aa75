"""Fill free slots: answers and replies first, then unfinished handoffs, due continuations, then new attempts.

What needs a machine waits, in this order, until the host's memory would hold it.

[CONTRACT 4.1-4.3]
"""

from dataclasses import replace

from symphony.core.admission import Room, is_paused
from symphony.core.claim import Continuing, IssueRecord, Phase, Retrying, Running, Waiting
from symphony.core.decide.draft import Draft
from symphony.core.decide.ending import unused_steering
from symphony.core.decide.permission import hand_over_answers
from symphony.core.effect import ResumeAttempt, StartAttempt, StartDelivery
from symphony.core.eligibility import why_not_startable, why_nothing_starts
from symphony.core.guard.finding import Finding
from symphony.core.issue import Issue
from symphony.core.keys import workspace_key
from symphony.core.slots import Slots


def fill_slots(draft: Draft) -> None:
    """Start or resume all that may go on now, in order, as far as slots reach."""
    room = draft.state.room
    if not draft.state.draining:
        _fill(draft, room)
    if draft.state.waits_for_memory is not room.refused:
        draft.state = replace(draft.state, waits_for_memory=room.refused)


def _fill(draft: Draft, room: Room) -> None:
    slots = Slots.of(draft.state.workflow.settings, draft.state.records.values())
    may_start = why_nothing_starts(draft.state) is None
    if not may_start:  # what is not going to start keeps no slot from a reply
        _continue_due(draft, slots, room, may_start=False)
    hand_over_answers(draft, slots)
    _resume_answered(draft, slots, room)
    _deliver_completed(draft, slots, room)
    if not may_start:
        return
    _continue_due(draft, slots, room, may_start=True)
    for issue in draft.state.candidates:
        if slots.full:
            return
        if slots.lacking(issue.state) is None and why_not_startable(draft.state, issue, draft.now) is None:
            if not room.take():
                return
            slots.take(issue.state)
            _start(draft, issue)


def _resume_answered(draft: Draft, slots: Slots, room: Room) -> None:
    answered = [
        (record, record.claim)
        for record in draft.state.records.values()
        if isinstance(record.claim, Waiting) and record.claim.attempt and not record.claim.steering.open
    ]
    for record, waiting in sorted(answered, key=lambda pair: pair[1].steering.replied_at or draft.now):
        attempt = waiting.attempt
        if attempt is None or attempt.stopping or slots.lacking(attempt.state) is not None:
            continue
        if is_paused(attempt) and not room.take():
            continue
        slots.take(attempt.state)
        resumed = replace(attempt, phase=Phase.TURN, last_event_at=draft.now, steering=waiting.steering)
        draft.claim(record.issue_id, resumed)
        draft.effects.append(ResumeAttempt(record.issue_id, attempt.attempt_id, waiting.steering))
        draft.say(record.issue_id, "resume", "a person answered")


def _deliver_completed(draft: Draft, slots: Slots, room: Room) -> None:
    for record in tuple(draft.state.records.values()):
        if record.completion is None or not _claimable(record, draft):
            continue
        if slots.full or not room.take():
            return
        issue = draft.state.issues.get(record.issue_id)
        state = issue.state if issue else ""
        slots.take(state)
        steering = unused_steering(record)
        running = _begin(draft, record, state, revision=issue.revision if issue else "", delivering=True)
        repeats = record.claim.code if isinstance(record.claim, Retrying) else ""
        draft.claim(record.issue_id, replace(running, steering=steering, repeats=repeats))
        draft.effects.append(
            StartDelivery(
                record.completion,
                running.attempt_id,
                running.number,
                draft.state.workflow,
                released=record.guard.released_work,
                findings=findings_of(record),
            )
        )
        draft.say(record.issue_id, "deliver", "an accepted mark_done is not handed over yet")


def _claimable(record: IssueRecord, draft: Draft) -> bool:
    if record.guard.held is not None:
        return False
    match record.claim:
        case None | Waiting(attempt=None):
            return True
        case Retrying(due_at=due):
            return due <= draft.now
        case _:
            return False


def _continue_due(draft: Draft, slots: Slots, room: Room, *, may_start: bool) -> None:
    due = [
        (record, record.claim)
        for record in draft.state.records.values()
        if isinstance(record.claim, Continuing) and record.claim.due_at <= draft.now
    ]
    for record, continuing in due:
        slots.give_back(continuing.state)
        draft.claim(record.issue_id, None)
        issue = draft.state.issues.get(record.issue_id)
        if issue is None or not draft.state.states.is_active(issue.state):
            continue
        reason = why_not_startable(draft.state, issue, draft.now)
        if reason is not None or not may_start:
            draft.say(record.issue_id, "release", reason.text if reason else "nothing may start now")
        elif slots.lacking(issue.state) is None and room.take():
            slots.take(issue.state)
            _start(draft, issue)


def _start(draft: Draft, issue: Issue) -> None:
    record = draft.record(issue.id)
    reply = unused_steering(record)
    why = "a person answered" if reply else "eligible"
    if isinstance(record.claim, Retrying):
        why = "retry is due"
    running = _begin(draft, record, issue.state, revision=issue.revision, delivering=False)
    draft.put(replace(draft.record(issue.id), claim=replace(running, steering=reply)))
    workflow, allowed = draft.state.workflow, record.access.allowed_hosts
    draft.effects.append(
        StartAttempt(issue, running.attempt_id, running.number, workflow, allowed, findings_of(record))
    )
    draft.say(issue.id, "dispatch", f"attempt {running.number}: {why}")


def findings_of(record: IssueRecord) -> tuple[Finding, ...]:
    """Return what was found on the issue so far, each once."""
    return tuple(dict.fromkeys(noted.finding for noted in record.guard.noted))


def _begin(draft: Draft, record: IssueRecord, state: str, *, revision: str, delivering: bool) -> Running:
    settings = draft.state.workflow.settings.in_state(state)
    number = record.attempts + 1
    running = Running(
        attempt_id=f"{workspace_key(record.issue_id)}.{number}",
        number=number,
        adapter=settings.acp.adapter,
        state=state,
        max_turns=settings.agent.max_turns,
        started_at=draft.now,
        last_event_at=draft.now,
        revision=revision,
        stall_timeout_ms=settings.acp.stall_timeout_ms,
        delivering=delivering,
    )
    draft.put(replace(record, claim=running, attempts=number))
    return running
