"""The one way to tell the orchestrator anything: bounded, in order."""

import asyncio
from dataclasses import dataclass, field

from symphony.core.errors import SymphonyError
from symphony.core.event import Event

CAPACITY = 4096  # a minute of a very busy machine; more waiting means that the loop is stuck


class MailboxFull(SymphonyError):
    """The orchestrator is behind and takes no more commands for the moment."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("symphony is busy and did not take the command.", remedy="Try again in a moment.")


@dataclass(frozen=True, slots=True)
class Letter:
    """One event, and whoever waits until it was decided."""

    event: Event
    answer: asyncio.Future[None] | None = None


@dataclass
class Mailbox:
    """Events on their way to the orchestrator."""

    capacity: int = CAPACITY
    _queue: asyncio.Queue[Letter] = field(init=False)

    def __post_init__(self) -> None:
        self._queue = asyncio.Queue(self.capacity)

    async def put(self, event: Event) -> None:
        """Hand over an event that must not be lost, waiting while the mailbox is full."""
        await self._queue.put(Letter(event))

    def offer(self, event: Event) -> bool:
        """Hand over an event that a later one makes up for; False when there is no room."""
        try:
            self._queue.put_nowait(Letter(event))
        except asyncio.QueueFull:
            return False
        return True

    async def ask(self, event: Event) -> None:
        """Hand over a person's command and return once it was decided and is durable.

        Raises:
            MailboxFull: nothing was changed.
            CommandRefused: it does not fit; nothing was changed.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            self._queue.put_nowait(Letter(event, answer))
        except asyncio.QueueFull:
            raise MailboxFull from None
        await answer

    async def settle(self, event: Event) -> None:
        """Hand over an event that must not be lost and return once it was decided."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._queue.put(Letter(event, answer))
        await answer

    async def take(self) -> Letter:
        """Return the oldest letter, waiting for one."""
        return await self._queue.get()

    def take_now(self) -> Letter | None:
        """Return the oldest letter, or None when there is none."""
        try:
            return self._queue.get_nowait()
        except asyncio.QueueEmpty:
            return None

    @property
    def empty(self) -> bool:
        """Say whether nothing is on its way."""
        return self._queue.empty()

    def refuse_all(self) -> None:
        """Answer every waiting letter with a refusal; nobody takes letters any more."""
        while (letter := self.take_now()) is not None:
            if letter.answer is not None and not letter.answer.done():
                letter.answer.set_exception(
                    SymphonyError("symphony is stopping.", code="draining", remedy="Start it again first.")
                )
