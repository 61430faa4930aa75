"""Requests for permission: what a running turn waits for, and when its answer reaches it [CONTRACT 5.1].

An attempt that only waits for a person holds no slot, as one that asked a question; so an answer is
handed over when a slot is free.
"""

from dataclasses import replace

from symphony.core.claim import IssueRecord, Running
from symphony.core.decide.commands import CommandRefused, known_record
from symphony.core.decide.draft import Draft
from symphony.core.decide.reconcile import stop
from symphony.core.effect import AnswerPermission
from symphony.core.event import PermissionAsked, PermissionClosed, PermissionGiven
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionRequest
from symphony.core.slots import Slots


def note_request(draft: Draft, event: PermissionAsked) -> None:
    """Remember what a running turn waits for."""
    request = event.request
    record = draft.record(request.issue_id)
    running = record.claim
    if not isinstance(running, Running) or running.attempt_id != request.attempt_id or running.stopping:
        return
    waiting = replace(running, permissions=(*running.permissions, request), last_event_at=draft.now)
    draft.note(replace(record, claim=waiting))
    draft.say(request.issue_id, "permission", f"asks for permission: {request.proposal.title}")
    if draft.state.draining:
        stop(draft, draft.record(request.issue_id), waiting, StopReason.DRAINED, "symphony is stopping")


def take_answer(draft: Draft, event: PermissionGiven) -> None:
    """Keep an answer until a slot is free for the turn that waits for it.

    Raises:
        CommandRefused: `issue_not_found`, `no_open_permission`, `several_permissions`.
    """
    record = known_record(draft, event.issue_id)
    request = _asked(record, event.request_id)
    running = record.claim
    if not isinstance(running, Running):
        raise _none_open(event.issue_id)
    answered = replace(request, answer=event.answer)
    _put(draft, record, running, tuple(answered if each is request else each for each in running.permissions))
    draft.say(event.issue_id, "permit", f"{event.answer}: {request.proposal.title}")


def close_request(draft: Draft, event: PermissionClosed) -> None:
    """Forget a request that nobody waits for; an attempt that is being stopped gets no slot for it."""
    record = draft.record(event.issue_id)
    running = record.claim
    if isinstance(running, Running) and running.attempt_id == event.attempt_id and running.stopping is None:
        left = tuple(request for request in running.permissions if request.id != event.request_id)
        if left != running.permissions:
            _put(draft, record, running, left)


def hand_over_answers(draft: Draft, slots: Slots) -> None:
    """Give answers to the turns that wait for them, as far as slots reach."""
    for record in tuple(draft.state.records.values()):
        running = record.claim
        if not isinstance(running, Running) or running.stopping is not None:
            continue
        answered = [request for request in running.permissions if request.answer is not None]
        if not answered or slots.lacking(running.state) is not None:
            continue
        left = tuple(request for request in running.permissions if request.open)
        if not left:
            slots.take(running.state)
        _put(draft, record, running, left)
        draft.effects.extend(
            AnswerPermission(record.issue_id, running.attempt_id, request.id, request.answer)
            for request in answered
            if request.answer is not None
        )


def _asked(record: IssueRecord, request_id: str | None) -> PermissionRequest:
    running = record.claim
    requests = running.permissions if isinstance(running, Running) and running.stopping is None else ()
    still_open = [request for request in requests if request.open and request_id in (None, request.id)]
    if not still_open:
        raise _none_open(record.issue_id)
    if len(still_open) > 1:
        raise CommandRefused(
            f"Issue {record.issue_id} asks for {len(still_open)} permissions.",
            code="several_permissions",
            remedy=f"Name one with --request; `symphony permission list {record.issue_id}` shows them.",
        )
    return still_open[0]


def _none_open(issue_id: str) -> CommandRefused:
    return CommandRefused(
        f"Issue {issue_id} waits for no such permission.",
        code="no_open_permission",
        remedy="It was answered already, or its turn has ended; `symphony inbox` shows what is open.",
    )


def _put(
    draft: Draft, record: IssueRecord, running: Running, permissions: tuple[PermissionRequest, ...]
) -> None:
    """Keep what is still asked; the turn has been heard from when something was answered."""
    draft.note(replace(record, claim=replace(running, permissions=permissions, last_event_at=draft.now)))
