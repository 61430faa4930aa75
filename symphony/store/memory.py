"""The store without a disk, for the engine's tests and for simulations: deterministic, no threads.

It makes the same promises as the durable one: what a call has returned from survives `crash`,
and what a failed call was to change has not changed.
"""

import asyncio
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from symphony.core.claim import IssueRecord, Running, Waiting
from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff
from symphony.core.journal import Action, Result
from symphony.core.notice import Telling
from symphony.core.outcome import Outcome, outcome_message
from symphony.core.ports import AttemptRow, Changes, Intent, Memory
from symphony.core.receipt import Receipt
from symphony.core.steering import SteeringRequest
from symphony.core.stored import Delivery
from symphony.core.usage import Usage
from symphony.store.errors import (
    StoreError,
    already_answered,
    attempt_exists,
    attempt_unknown,
    completion_open,
    intent_unknown,
    no_open_question,
    steering_exists,
    steering_open,
    steering_unknown,
    store_busy,
    store_closed,
    store_failed,
    store_full,
)
from symphony.store.memory_disk import MemoryDisk, Trail
from symphony.store.rows import HandoffRow
from symphony.store.texts import json_text

WHERE = "in memory"

Failure = Literal["store_full", "store_busy", "store_failed"]


class MemoryStore:
    """A store that ends with the process, unless it crashes first."""

    def __init__(self, installation_id: str = "00000000-0000-4000-8000-000000000000") -> None:
        self._disk = MemoryDisk(installation_id)
        self._failure: StoreError | None = None
        self._closed = False

    def crash(self) -> "MemoryStore":
        """Return what the next process finds; this one answers nothing any more."""
        self._closed = True
        heir = MemoryStore()
        heir._disk = self._disk
        return heir

    def fail_next_write(self, failure: Failure = "store_full") -> None:
        """Let the next write change nothing and raise this failure; the one after it works."""
        errors = {
            "store_full": store_full(WHERE),
            "store_busy": store_busy(WHERE, 5.0),
            "store_failed": store_failed(WHERE, "disk I/O error"),
        }
        self._failure = errors[failure]

    async def load(self) -> Memory:
        """Return what the last run left."""
        disk = await self._reading()
        records = {
            issue_id: replace(record, claim=self._restored(record))
            for issue_id, record in disk.records.items()
        }
        spent: dict[str, Usage] = {}
        for row in disk.attempts.values():
            spent[row.issue_id] = spent.get(row.issue_id, Usage()).plus(row.usage)
        for issue_id, usage in spent.items():
            record = records.get(issue_id, IssueRecord(issue_id))
            records[issue_id] = replace(record, usage=usage)
        for completion in disk.accepted.values():
            record = records.get(completion.issue_id, IssueRecord(completion.issue_id))
            records[completion.issue_id] = replace(record, completion=completion)
        return Memory(
            records=records,
            open_intents=tuple(intent for intent in disk.intents.values() if intent.id not in disk.fulfilled),
            interrupted=tuple(row for row in disk.attempts.values() if row.ended_at is None),
            steering={
                request.issue_id: request for request in disk.steering.values() if request.id not in disk.used
            },
            paused=disk.paused,
            adapter_pauses=dict(disk.adapter_pauses),
        )

    async def apply(self, changes: Changes) -> None:
        """Write one decision; a record's completion is not part of it."""
        disk = await self._writing()
        for record in changes.records:
            claim = None if isinstance(record.claim, Running) else record.claim
            if isinstance(claim, Waiting):
                claim = Waiting(claim.steering)
            disk.records[record.issue_id] = replace(
                record, claim=claim, completion=None, access=record.access.ended()
            )
        disk.say(changes.audit)
        if changes.paused is not None:
            disk.paused = changes.paused
        if changes.adapter_pauses is not None:
            disk.adapter_pauses = dict(changes.adapter_pauses)

    async def attempt_started(self, row: AttemptRow) -> None:
        """Insert an attempt."""
        disk = await self._writing()
        if row.id in disk.attempts:
            raise attempt_exists(row.id)
        disk.attempts[row.id] = row

    async def attempt_ended(
        self, attempt_id: str, at: datetime, outcome: Outcome, turns: int, usage: Usage
    ) -> None:
        """Record how an attempt ended; the first end counts."""
        disk = await self._writing()
        row = self._attempt(attempt_id)
        if row.ended_at is None:
            disk.attempts[attempt_id] = replace(
                row,
                ended_at=at,
                outcome=outcome.code,
                message=outcome_message(outcome),
                turns=turns,
                usage=usage,
            )

    async def session_opened(self, attempt_id: str, session_id: str, model: str, place: str) -> None:
        """Record the agent's names for the session and its model, and where it runs."""
        disk = await self._writing()
        row = replace(self._attempt(attempt_id), session_id=session_id, model=model, sandbox=place)
        disk.attempts[attempt_id] = row

    async def turn_ended(self, attempt_id: str, turns: int, usage: Usage) -> None:
        """Record what a running attempt has cost so far; nothing once it has ended."""
        disk = await self._writing()
        row = self._attempt(attempt_id)
        if row.ended_at is None:
            disk.attempts[attempt_id] = replace(row, turns=turns, usage=usage)

    async def intend(
        self, at: datetime, issue_id: str, attempt_id: str, action: Action, detail: Mapping[str, Any]
    ) -> int:
        """Record that an effect is about to happen; return the intent's id."""
        disk = await self._writing()
        intent_id = len(disk.intents) + 1
        as_stored = json.loads(json_text(detail))
        disk.intents[intent_id] = Intent(intent_id, at, issue_id, attempt_id, action, as_stored)
        return intent_id

    async def fulfil(
        self,
        intent_id: int,
        at: datetime,  # noqa: ARG002 - nothing reads it, as the two below
        result: Result,  # noqa: ARG002
        detail: Mapping[str, Any],  # noqa: ARG002
        audit: Collection[Audit] = (),
    ) -> None:
        """Record that the effect ended; the first result counts."""
        disk = await self._writing()
        if intent_id not in disk.intents:
            raise intent_unknown(intent_id)
        if intent_id not in disk.fulfilled:
            disk.fulfilled.add(intent_id)
            disk.say(audit)

    async def accept_completion(self, completion: Completion) -> Completion:
        """Store an accepted `mark_done` once; return the one that is stored for this attempt."""
        disk = await self._writing()
        if completion.attempt_id in disk.delivered:
            return disk.delivered[completion.attempt_id][0]
        if completion.attempt_id in disk.moved:
            return disk.moved[completion.attempt_id][0]
        stored = disk.accepted.setdefault(completion.issue_id, completion)
        if stored.attempt_id != completion.attempt_id:
            raise completion_open(completion.issue_id, stored.attempt_id)
        return stored

    async def attach_receipt(self, completion: Completion, receipt: Receipt) -> Completion:
        """Store what an accepted completion has passed, and return it with that."""
        disk, passed = await self._writing(), replace(completion, receipt=receipt)
        stored = disk.accepted.get(completion.issue_id)
        if stored is not None and stored.attempt_id == completion.attempt_id:
            disk.accepted[completion.issue_id] = passed
        return passed

    async def withdraw_completion(self, issue_id: str, attempt_id: str) -> None:
        """Forget a completion whose checks failed."""
        disk = await self._writing()
        stored = disk.accepted.get(issue_id)
        if stored is not None and stored.attempt_id == attempt_id:
            del disk.accepted[issue_id]

    async def complete_handoff(self, completion: Completion, handoff: Handoff, at: datetime) -> None:
        """Record that the completion was handed over; the first time counts."""
        disk = await self._writing()
        if completion.attempt_id in disk.delivered:
            return
        stored = disk.accepted.get(completion.issue_id)
        if stored is not None and stored.attempt_id == completion.attempt_id:
            completion = disk.accepted.pop(completion.issue_id)
        row = HandoffRow(completion.issue_id, completion.attempt_id, completion.title, at, handoff)
        disk.delivered[completion.attempt_id] = (completion, row)
        record = disk.records.get(completion.issue_id, IssueRecord(completion.issue_id))
        disk.records[completion.issue_id] = replace(record, last_handoff=handoff.note)

    async def complete_transition(
        self, completion: Completion, note: str, revision: str, at: datetime
    ) -> None:
        """Record that the issue was moved, and in the record's passage; the first time counts."""
        (await self._writing()).move(completion, note, revision, at)

    async def ask(self, steering: SteeringRequest) -> None:
        """Store a question."""
        disk = await self._writing()
        if any(known.open for known in self._asked(steering.issue_id)):
            raise steering_open(steering.issue_id)
        if steering.id in disk.steering:
            raise steering_exists(steering.id)
        disk.steering[steering.id] = steering

    async def reply(self, issue_id: str, reply: str, at: datetime) -> SteeringRequest:
        """Answer the issue's open question."""
        disk = await self._writing()
        asked = self._asked(issue_id)
        for known in asked:
            if known.open:
                disk.steering[known.id] = replace(known, reply=reply, replied_at=at)
                return disk.steering[known.id]
        if asked and asked[-1].id not in disk.used:
            raise already_answered(asked[-1])
        raise no_open_question(issue_id)

    async def reply_used(self, steering_id: str, at: datetime) -> None:  # noqa: ARG002 - nothing reads the time
        """Record that an attempt has had the reply."""
        disk = await self._writing()
        steering = disk.steering.get(steering_id)
        if steering is None or steering.open:
            raise steering_unknown(steering_id)
        disk.used.add(steering_id)

    async def steering_of(self, issue_id: str) -> tuple[SteeringRequest, ...]:
        """Return the issue's questions, oldest first."""
        await self._reading()
        return self._asked(issue_id)

    async def open_steering(self) -> tuple[SteeringRequest, ...]:
        """Return all open questions, oldest first."""
        disk = await self._reading()
        return tuple(request for request in disk.steering.values() if request.open)

    async def attempts_of(self, issue_id: str) -> tuple[AttemptRow, ...]:
        """Return the issue's attempts, oldest first."""
        disk = await self._reading()
        return tuple(row for row in disk.attempts.values() if row.issue_id == issue_id)

    async def audit_of(self, issue_id: str | None, limit: int = 50) -> tuple[Audit, ...]:
        """Return the latest decisions on an issue, or on none, newest first."""
        disk = await self._reading()
        return tuple(disk.audit.get(issue_id, Trail()).entries[::-1][:limit])

    async def recent_handoffs(self, limit: int) -> tuple[HandoffRow, ...]:
        """Return the latest finished handoffs, newest first."""
        disk = await self._reading()
        newest_last = sorted((row for _, row in disk.delivered.values()), key=lambda row: row.at)
        return tuple(newest_last[::-1][:limit])

    async def handoff_of(self, issue_id: str) -> Delivery | None:
        """Return the issue's latest finished handoff, or None."""
        disk = await self._reading()
        found = [row for _, row in disk.delivered.values() if row.issue_id == issue_id]
        return Delivery(found[-1].attempt_id, found[-1].at, found[-1].handoff) if found else None

    async def told(self) -> frozenset[Telling]:
        """Return who was told of what, as far as it is remembered."""
        return frozenset((await self._reading()).told)

    async def keep_told(self, told: Collection[Telling], gone: Collection[Telling]) -> None:
        """Remember who was told of what, and forget what is gone."""
        disk = await self._writing()
        disk.told = disk.told.difference(gone).union(told)

    async def totals(self) -> Usage:
        """Return what all ended attempts on all issues have cost together."""
        total = Usage()
        for row in (await self._reading()).attempts.values():
            total = total.plus(row.usage)
        return total

    async def installation_id(self) -> str:
        """Return the name that this store got when it was made."""
        return (await self._reading()).installation_id

    async def _reading(self) -> MemoryDisk:
        await asyncio.sleep(0)  # the durable store always gives way here, and so do its users
        if self._closed:
            raise store_closed(WHERE)
        return self._disk

    async def _writing(self) -> MemoryDisk:
        disk = await self._reading()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return disk

    def _attempt(self, attempt_id: str) -> AttemptRow:
        row = self._disk.attempts.get(attempt_id)
        if row is None:
            raise attempt_unknown(attempt_id)
        return row

    def _asked(self, issue_id: str) -> tuple[SteeringRequest, ...]:
        return tuple(request for request in self._disk.steering.values() if request.issue_id == issue_id)

    def _restored(self, record: IssueRecord) -> Any:
        if isinstance(record.claim, Waiting):
            known = record.claim.steering
            return Waiting(self._disk.steering.get(known.id, known))
        return record.claim
