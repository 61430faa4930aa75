"""What can be asked of a store without changing it.

Command line and web use this when there is no daemon to ask; it works beside a daemon that writes.
"""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from symphony.core.claim import IssueRecord
from symphony.core.effect import Audit
from symphony.core.notice import Telling
from symphony.core.ports import AttemptRow, Memory
from symphony.core.steering import SteeringRequest
from symphony.core.stored import Delivery
from symphony.core.usage import Usage
from symphony.store import rows, statements
from symphony.store.database import Database
from symphony.store.odd_text import execute
from symphony.store.rows import HandoffRow, Row
from symphony.store.schema import STEPS, Step

Value = TypeVar("Value")


class StoreReader:
    """The questions; each answer is of one moment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Memory:
        """Return what the last run left."""
        return await self._database.read(_memory)

    async def steering_of(self, issue_id: str) -> tuple[SteeringRequest, ...]:
        """Return the issue's questions, oldest first."""
        return await self._all(rows.steering_of_row, statements.READ_STEERING_OF_ISSUE, (issue_id,))

    async def open_steering(self) -> tuple[SteeringRequest, ...]:
        """Return all open questions, oldest first."""
        return await self._all(rows.steering_of_row, statements.READ_OPEN_STEERING)

    async def attempts_of(self, issue_id: str) -> tuple[AttemptRow, ...]:
        """Return the issue's attempts, oldest first."""
        return await self._all(rows.attempt_of, statements.READ_ATTEMPTS_OF_ISSUE, (issue_id,))

    async def audit_of(self, issue_id: str | None, limit: int = 50) -> tuple[Audit, ...]:
        """Return the latest decisions on an issue, or on none, newest first."""
        return await self._all(rows.audit_of_row, statements.READ_AUDIT, (issue_id, limit))

    async def recent_handoffs(self, limit: int) -> tuple[HandoffRow, ...]:
        """Return the latest finished handoffs, newest first."""
        return await self._all(rows.handoff_row, statements.READ_HANDOFFS, (limit,))

    async def handoff_of(self, issue_id: str) -> Delivery | None:
        """Return the issue's latest finished handoff, or None."""
        found = await self._all(rows.handoff_row, statements.READ_HANDOFF_OF_ISSUE, (issue_id,))
        return Delivery(found[0].attempt_id, found[0].at, found[0].handoff) if found else None

    async def told(self) -> frozenset[Telling]:
        """Return who was told of what, as far as it is remembered."""
        return frozenset(await self._all(lambda row: Telling(*row), statements.READ_TOLD))

    async def totals(self) -> Usage:
        """Return what all ended attempts on all issues have cost together."""
        total = Usage()
        for usage in await self._all(lambda row: rows.usage_of(row[0]), statements.READ_USAGE):
            total = total.plus(usage)
        return total

    async def installation_id(self) -> str:
        """Return the name that this store got when it was made, a UUID."""
        found = await self._all(lambda row: str(row[0]), statements.READ_INSTALLATION)
        return found[0]

    async def _all(
        self, convert: Callable[[Row], Value], statement: str, values: Row = ()
    ) -> tuple[Value, ...]:
        return await self._database.read(
            lambda connection: tuple(convert(row) for row in execute(connection, statement, values))
        )


@asynccontextmanager
async def read_store(path: Path, steps: Sequence[Step] = STEPS) -> AsyncIterator[StoreReader]:
    """Open a store only to read it, while a daemon writes it or none runs.

    Raises:
        StoreError: on entering, `store_missing` where symphony has not run yet, `store_too_old`,
            `store_too_new`, `store_corrupt`, `store_foreign`, `store_busy`, `store_failed`.
    """
    database = Database(path)
    try:
        await database.open_read_only(steps)
        yield StoreReader(database)
    finally:
        await database.close()


def _memory(connection: sqlite3.Connection) -> Memory:
    unused = [rows.steering_of_row(row) for row in connection.execute(statements.READ_UNUSED_STEERING)]
    meta = dict(connection.execute(statements.READ_META))
    pauses = json.loads(meta.get("adapter_pauses", "{}"))
    return Memory(
        records=_records(connection, {request.id: request for request in unused}),
        open_intents=tuple(map(rows.intent_of, connection.execute(statements.READ_OPEN_INTENTS))),
        interrupted=tuple(map(rows.attempt_of, connection.execute(statements.READ_INTERRUPTED))),
        steering={request.issue_id: request for request in unused},
        paused=json.loads(meta.get("paused", "false")),
        adapter_pauses={adapter: datetime.fromisoformat(until) for adapter, until in pauses.items()},
    )


def _records(connection: sqlite3.Connection, unused: dict[str, SteeringRequest]) -> dict[str, IssueRecord]:
    def newest(steering: SteeringRequest) -> SteeringRequest:
        if steering.id in unused:
            return unused[steering.id]
        found = execute(connection, statements.READ_STEERING, (steering.id,)).fetchone()
        return steering if found is None else rows.steering_of_row(found)

    records = {}
    for row in connection.execute(statements.READ_RECORDS):
        record = rows.record_of(row, newest)
        records[record.issue_id] = record
    for issue_id, usage in _spent(connection).items():
        record = records.get(issue_id, IssueRecord(issue_id))
        records[issue_id] = replace(record, usage=usage)  # also what an interrupted attempt had cost
    for completion in map(rows.completion_of, connection.execute(statements.READ_ACCEPTED)):
        # a crash may have come between the agent's word and the first record of its issue
        record = records.get(completion.issue_id, IssueRecord(completion.issue_id))
        records[completion.issue_id] = replace(record, completion=completion)
    return records


def _spent(connection: sqlite3.Connection) -> dict[str, Usage]:
    spent: dict[str, Usage] = {}
    for issue_id, totals in connection.execute(statements.READ_USAGE_BY_ISSUE):
        spent[issue_id] = spent.get(issue_id, Usage()).plus(rows.usage_of(totals))
    return spent
