"""The durable store: SQLite in WAL mode, one writer [DESIGN].

Growth: of the decisions on one issue the newest `AUDIT_KEPT` are kept, and fewer than
`AUDIT_SLACK` more between two prunings; of the journal the newest `JOURNAL_KEPT` entries that
have a result. Attempts, questions and handoffs are kept for ever: they grow with the work done
and not with time.
"""

import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff
from symphony.core.journal import Action, Result
from symphony.core.notice import Telling
from symphony.core.outcome import Outcome, outcome_message
from symphony.core.ports import AttemptRow, Changes
from symphony.core.receipt import Receipt
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.store import rows, statements
from symphony.store.audit import append_audit, audit_row
from symphony.store.database import Database
from symphony.store.errors import (
    already_answered,
    attempt_exists,
    attempt_unknown,
    completion_open,
    intent_unknown,
    no_open_question,
    steering_exists,
    steering_open,
    steering_unknown,
)
from symphony.store.odd_text import execute
from symphony.store.reader import StoreReader
from symphony.store.receipts import receipt_fields
from symphony.store.rows import Row
from symphony.store.schema import STEPS, Step
from symphony.store.texts import instant_text, json_text
from symphony.store.transitions import record_transition

JOURNAL_KEPT = 20_000  # finished effects; some weeks of a busy installation


class SqliteStore(StoreReader):
    """The store as the daemon has it."""

    async def apply(self, changes: Changes) -> None:
        """Write one decision; a record's completion is not part of it, `accept_completion` has it."""
        records = [rows.record_row(record) for record in changes.records]
        audit = [audit_row(entry) for entry in changes.audit]
        meta: list[Row] = []
        if changes.paused is not None:
            meta.append(("paused", json_text(changes.paused)))
        if changes.adapter_pauses is not None:
            pauses = {adapter: instant_text(until) for adapter, until in changes.adapter_pauses.items()}
            meta.append(("adapter_pauses", json_text(pauses)))

        def change(connection: sqlite3.Connection) -> None:
            for record in records:
                execute(connection, statements.PUT_RECORD, record)
            append_audit(connection, audit)
            for entry in meta:
                execute(connection, statements.PUT_META, entry)

        await self._database.write(change)

    async def keep_told(self, told: Collection[Telling], gone: Collection[Telling]) -> None:
        """Remember who was told of what, and forget what is gone."""

        def change(connection: sqlite3.Connection) -> None:
            for statement, tellings in ((statements.FORGET_TOLD, gone), (statements.ADD_TOLD, told)):
                for telling in tellings:
                    execute(connection, statement, telling)

        await self._database.write(change)

    async def attempt_started(self, row: AttemptRow) -> None:
        """Insert an attempt.

        Raises:
            StoreError: `attempt_exists`.
        """
        columns = rows.attempt_columns(row)

        def change(connection: sqlite3.Connection) -> None:
            if _one(connection, statements.FIND_ATTEMPT, row.id) is not None:
                raise attempt_exists(row.id)
            execute(connection, statements.ADD_ATTEMPT, columns)
            execute(connection, statements.PUT_USAGE, (row.id, rows.usage_text(row.usage)))

        await self._database.write(change)

    async def attempt_ended(
        self, attempt_id: str, at: datetime, outcome: Outcome, turns: int, usage: Usage
    ) -> None:
        """Record how an attempt ended; the first end counts, repeating it changes nothing.

        Raises:
            StoreError: `attempt_unknown`.
        """
        columns = (instant_text(at), outcome.code, outcome_message(outcome), turns, attempt_id)

        def change(connection: sqlite3.Connection) -> None:
            found = _one(connection, statements.FIND_ATTEMPT, attempt_id)
            if found is None:
                raise attempt_unknown(attempt_id)
            if found == (None,):
                execute(connection, statements.END_ATTEMPT, columns)
                execute(connection, statements.PUT_USAGE, (attempt_id, rows.usage_text(usage)))

        await self._database.write(change)

    async def session_opened(self, attempt_id: str, session_id: str, model: str, place: str) -> None:
        """Record the agent's names for the session and its model, and where it runs.

        Raises:
            StoreError: `attempt_unknown`.
        """

        def change(connection: sqlite3.Connection) -> None:
            columns = (session_id, model, place, attempt_id)
            if execute(connection, statements.NAME_SESSION, columns).rowcount == 0:
                raise attempt_unknown(attempt_id)

        await self._database.write(change)

    async def turn_ended(self, attempt_id: str, turns: int, usage: Usage) -> None:
        """Record what a running attempt has cost so far; nothing once it has ended.

        Raises:
            StoreError: `attempt_unknown`.
        """
        totals = rows.usage_text(usage)

        def change(connection: sqlite3.Connection) -> None:
            found = _one(connection, statements.FIND_ATTEMPT, attempt_id)
            if found is None:
                raise attempt_unknown(attempt_id)
            if found == (None,):
                execute(connection, statements.NOTE_TURNS, (turns, attempt_id))
                execute(connection, statements.PUT_USAGE, (attempt_id, totals))

        await self._database.write(change)

    async def intend(
        self, at: datetime, issue_id: str, attempt_id: str, action: Action, detail: Mapping[str, Any]
    ) -> int:
        """Record that an effect is about to happen; return the intent's id, never used again."""
        columns = (instant_text(at), issue_id, attempt_id, action, json_text(detail))

        def change(connection: sqlite3.Connection) -> int:
            return int(execute(connection, statements.ADD_INTENT, columns).lastrowid or 0)

        return await self._database.write(change)

    async def fulfil(
        self,
        intent_id: int,
        at: datetime,
        result: Result,
        detail: Mapping[str, Any],
        audit: Collection[Audit] = (),
    ) -> None:
        """Record how the effect ended; the first result counts, repeating it changes nothing.

        Raises:
            StoreError: `intent_unknown`.
        """
        columns = (instant_text(at), result, json_text(detail), intent_id)
        said = [audit_row(entry) for entry in audit]

        def change(connection: sqlite3.Connection) -> None:
            found = _one(connection, statements.FIND_INTENT, intent_id)
            if found is None:
                raise intent_unknown(intent_id)
            if found == (None,):
                execute(connection, statements.END_INTENT, columns)
                execute(connection, statements.PRUNE_JOURNAL, (intent_id - JOURNAL_KEPT,))
                append_audit(connection, said)

        await self._database.write(change)

    async def accept_completion(self, completion: Completion) -> Completion:
        """Store an accepted `mark_done` once; return the one that is stored for this attempt.

        Raises:
            StoreError: `completion_open` when another attempt's is not handed over yet.
        """
        columns = rows.completion_columns(completion)

        def change(connection: sqlite3.Connection) -> Completion:
            stored = _one(connection, statements.FIND_COMPLETION, completion.attempt_id)
            if stored is not None:
                return rows.completion_of(stored)
            other = _one(connection, statements.FIND_OPEN_COMPLETION, completion.issue_id)
            if other is not None:
                raise completion_open(completion.issue_id, other[0])
            execute(connection, statements.ADD_COMPLETION, columns)
            return completion

        return await self._database.write(change)

    async def attach_receipt(self, completion: Completion, receipt: Receipt) -> Completion:
        """Store what an accepted completion has passed, and return it with that."""
        columns = (json_text(receipt_fields(receipt)), completion.attempt_id)

        def change(connection: sqlite3.Connection) -> None:
            execute(connection, statements.ATTACH_RECEIPT, columns)

        await self._database.write(change)
        return replace(completion, receipt=receipt)

    async def withdraw_completion(self, issue_id: str, attempt_id: str) -> None:
        """Forget a completion whose checks failed; the attempt may give its word again."""

        def change(connection: sqlite3.Connection) -> None:
            execute(connection, statements.WITHDRAW, (issue_id, attempt_id))

        await self._database.write(change)

    async def complete_handoff(self, completion: Completion, handoff: Handoff, at: datetime) -> None:
        """Record that the completion was handed over; the first time counts.

        The record's `last_handoff` is written with it, so that a crash before the next decision
        loses nothing.
        """
        columns = rows.completion_columns(completion)
        delivered = (rows.handoff_text(handoff), instant_text(at))

        def change(connection: sqlite3.Connection) -> None:
            found = _one(connection, statements.FIND_COMPLETION_STATE, completion.attempt_id)
            if found == ("delivered",):
                return
            if found is None:
                execute(connection, statements.ADD_DELIVERED, columns + delivered)
            else:
                execute(connection, statements.DELIVER, (*delivered, completion.attempt_id))
            execute(connection, statements.PUT_LAST_HANDOFF, (completion.issue_id, handoff.note))

        await self._database.write(change)

    async def complete_transition(
        self, completion: Completion, note: str, revision: str, at: datetime
    ) -> None:
        """Record that the issue was moved, and in the record's passage; the first time counts."""
        await self._database.write(partial(record_transition, completion, note, revision, at))

    async def ask(self, steering: SteeringRequest) -> None:
        """Store a question.

        Raises:
            StoreError: `steering_open` when the issue has an open one; `steering_exists`.
        """
        columns = rows.steering_row(steering)

        def change(connection: sqlite3.Connection) -> None:
            if _one(connection, statements.FIND_OPEN_STEERING, steering.issue_id) is not None:
                raise steering_open(steering.issue_id)
            if _one(connection, statements.FIND_STEERING, steering.id) is not None:
                raise steering_exists(steering.id)
            execute(connection, statements.ADD_STEERING, columns)

        await self._database.write(change)

    async def reply(self, issue_id: str, reply: str, at: datetime) -> SteeringRequest:
        """Answer the issue's open question.

        Raises:
            StoreError: `no_open_question`; `already_answered` while no attempt has had the reply
                to the latest one.
        """
        columns = (reply, instant_text(at), issue_id)

        def change(connection: sqlite3.Connection) -> SteeringRequest:
            answered = execute(connection, statements.REPLY, columns).rowcount
            latest = _one(connection, statements.FIND_LATEST_STEERING, issue_id)
            if latest is None:
                raise no_open_question(issue_id)
            *question, used_at = latest
            steering = rows.steering_of_row(tuple(question))
            if answered:
                return steering
            raise no_open_question(issue_id) if used_at else already_answered(steering)

        return await self._database.write(change)

    async def reply_used(self, steering_id: str, at: datetime) -> None:
        """Record that an attempt has had the reply; repeating it changes nothing.

        Raises:
            StoreError: `steering_unknown` when there is no such reply.
        """
        used_at = instant_text(at)

        def change(connection: sqlite3.Connection) -> None:
            if execute(connection, statements.USE_REPLY, (used_at, steering_id)).rowcount == 0:
                raise steering_unknown(steering_id)

        await self._database.write(change)


@asynccontextmanager
async def open_store(path: Path, steps: Sequence[Step] = STEPS) -> AsyncIterator[SqliteStore]:
    """Open the store for the one daemon that writes it; the file and its folder are made if needed.

    Raises:
        StoreError: on entering, `store_corrupt`, `store_foreign`, `store_too_new`, `store_busy`,
            `store_full`, `store_failed`; a file that was there is left as it was.
    """
    database = Database(path)
    try:
        await database.open(steps)
        yield SqliteStore(database)
    finally:
        await database.close()


def _one(connection: sqlite3.Connection, query: str, value: str | int) -> Row | None:
    found: Row | None = execute(connection, query, (value,)).fetchone()
    return found
