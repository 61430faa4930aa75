"""Intent before, result after: what makes an effect outside the process repeatable after a crash."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from symphony.core.ports import Clock, Store


class Journal:
    """The journal of one attempt."""

    def __init__(self, store: Store, clock: Clock, issue_id: str, attempt_id: str) -> None:
        self._store = store
        self._clock = clock
        self._issue_id = issue_id
        self._attempt_id = attempt_id

    @asynccontextmanager
    async def step(self, action: str, **detail: Any) -> AsyncIterator[dict[str, Any]]:
        """Record an effect around the block; what the block puts into the dict becomes the result.

        Cancellation: the intent stays open, as after a crash, and is answered for at the next start.
        """
        intent = await self._store.intend(self._clock.now(), self._issue_id, self._attempt_id, action, detail)
        result: dict[str, Any] = {}
        try:
            yield result
        except Exception as error:
            failure = {"error": str(error)[:2000]}
            await self._store.fulfil(intent, self._clock.now(), "failed", failure)
            raise
        await self._store.fulfil(intent, self._clock.now(), "done", result)
