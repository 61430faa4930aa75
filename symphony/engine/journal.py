"""Intent before, result after: what makes an effect outside the process repeatable after a crash."""

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from symphony.core.effect import Audit
from symphony.core.journal import Action, Result
from symphony.core.ports import Clock, Store


class Journal:
    """The journal of one attempt."""

    def __init__(self, store: Store, clock: Clock, issue_id: str, attempt_id: str) -> None:
        self._store = store
        self._clock = clock
        self._issue_id = issue_id
        self._attempt_id = attempt_id

    @asynccontextmanager
    async def step(
        self, action: Action, audit: Callable[[datetime], Collection[Audit]] = lambda _: (), /, **detail: Any
    ) -> AsyncIterator[dict[str, Any]]:
        """Record an effect around the block; what the block puts into the dict becomes the result.

        With that a success is said in the audit, at once.

        Cancellation: the intent stays open, as after a crash, and is answered for at the next start.
        """
        intent = await self._store.intend(self._clock.now(), self._issue_id, self._attempt_id, action, detail)
        result: dict[str, Any] = {}
        try:
            yield result
        except Exception as error:
            failure = {"error": str(error)[:2000]}
            await self._store.fulfil(intent, self._clock.now(), Result.FAILED, failure)
            raise
        await self._store.fulfil(intent, self._clock.now(), Result.DONE, result, audit(self._clock.now()))


async def issue_journal(store: Store, clock: Clock, issue_id: str) -> Journal:
    """Return the journal of what a person does to an issue; it names the issue's last attempt.

    A start that finds the effect cut off so knows whether the issue has had another attempt since.
    """
    attempts = await store.attempts_of(issue_id)
    return Journal(store, clock, issue_id, attempts[-1].id if attempts else "")
