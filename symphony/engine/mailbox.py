"""The one way to tell the orchestrator anything: bounded, in order, closed at the end."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from symphony.core.errors import SymphonyError
from symphony.core.event import Event

CAPACITY = 4096  # a minute of a very busy machine; more waiting means that the loop is stuck


class MailboxFull(SymphonyError):
    """The orchestrator is behind and takes no more commands for the moment."""

    code = "busy"

    def __init__(self) -> None:
        super().__init__("symphony is busy and did not take the command.", remedy="Try again in a moment.")


class MailboxClosed(SymphonyError):
    """Nobody takes letters any more."""

    code = "draining"

    def __init__(self) -> None:
        super().__init__("symphony is stopping.", remedy="Start it again first.")


@dataclass(frozen=True, slots=True)
class Letter:
    """One event, and whoever waits until it was decided."""

    event: Event
    answer: asyncio.Future[None] | None = None


@dataclass
class Mailbox:
    """Events on their way to the orchestrator."""

    capacity: int = CAPACITY
    closed: bool = False
    _letters: deque[Letter] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, event: Event) -> None:
        """Hand over an event that must not be lost, waiting while the mailbox is full."""
        await self._deliver(Letter(event))

    def post(self, event: Event) -> None:
        """Hand over an event that must not be lost and cannot wait, such as a signal."""
        if not self.closed:
            self._add(Letter(event))

    def offer(self, event: Event) -> bool:
        """Hand over an event that a later one makes up for; False when there is no room."""
        if self.closed or self._full:
            return False
        self._add(Letter(event))
        return True

    async def ask(self, event: Event) -> None:
        """Hand over a person's command and return once it was decided and is durable.

        Raises:
            MailboxFull: nothing was changed.
            MailboxClosed: nothing was changed.
            CommandRefused: it does not fit; nothing was changed.
        """
        if self._full:
            raise MailboxFull
        await self.settle(event)

    async def settle(self, event: Event) -> None:
        """Hand over an event that must not be lost and return once it was decided.

        Raises:
            MailboxClosed: nobody will decide it in this run.
        """
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._deliver(Letter(event, answer))
        await answer

    async def take(self) -> Letter:
        """Return the oldest letter, waiting for one."""
        while not self._letters:
            await self._filled.wait()
        return self._take()

    def take_now(self) -> Letter | None:
        """Return the oldest letter, or None when there is none."""
        return self._take() if self._letters else None

    @property
    def empty(self) -> bool:
        """Say whether nothing is on its way."""
        return not self._letters

    def holds(self, wanted: Callable[[Event], bool]) -> bool:
        """Say whether such an event is on its way."""
        return any(wanted(letter.event) for letter in self._letters)

    def close(self) -> None:
        """Refuse every waiting letter and all that come later; nobody takes letters any more."""
        self.closed = True
        for letter in self._letters:
            _refuse(letter)
        self._letters.clear()
        self._room.set()

    @property
    def _full(self) -> bool:
        return len(self._letters) >= self.capacity

    async def _deliver(self, letter: Letter) -> None:
        while self._full and not self.closed:
            self._room.clear()
            await self._room.wait()
        if self.closed:
            _refuse(letter)
        else:
            self._add(letter)

    def _add(self, letter: Letter) -> None:
        self._letters.append(letter)
        self._filled.set()

    def _take(self) -> Letter:
        letter = self._letters.popleft()
        if not self._letters:
            self._filled.clear()
        self._room.set()
        return letter


def _refuse(letter: Letter) -> None:
    if letter.answer is not None and not letter.answer.done():
        letter.answer.set_exception(MailboxClosed())
