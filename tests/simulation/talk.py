"""What is said between the engine and the agents of one process, held to what is promised of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from symphony.core.agent import TurnEnd
from symphony.core.errors import SymphonyError
from symphony.core.ports import Session
from tests.simulation.ledger import Ledger

REPLY = re.compile(r"answer-\d+\.")
AS_A_TURN = "You asked a person:"  # only in a turn that carries nothing but an answer


class Telling(list[Any]):
    """A list that tells of what is added to it."""

    def __init__(self, hear: Callable[[Any], None]) -> None:
        super().__init__()
        self._hear = hear

    def append(self, item: Any) -> None:
        super().append(item)
        self._hear(item)


class Talk:
    """The turns of one process.

    Attributes:
        in_turn: attempts whose agent is at work, to when it last gave a sign of life.
    """

    def __init__(self, ledger: Ledger, disk: Any, now: Callable[[], float]) -> None:
        self.in_turn: dict[str, float] = {}
        self._ledger = ledger
        self._disk = disk
        self.now = now
        self._owed: dict[str, list[str]] = {}
        self._carried: dict[str, list[str]] = {}

    def attempt_starts(self, issue_id: str, attempt_id: str) -> None:
        """Remember which replies the attempt has to be told: those that are there and unused."""
        self._owed[attempt_id] = [
            steering.reply
            for steering in self._disk.steering.values()
            if steering.issue_id == issue_id and steering.reply and steering.id not in self._disk.used
        ]

    def turn_begins(self, issue_id: str, attempt_id: str, text: str) -> None:
        """Look at what an agent is told."""
        ledger, used = self._ledger, self._disk.used
        for other in self.in_turn:
            if other.rpartition(".")[0] == issue_id:
                ledger.blame(f"never two attempts of one issue: {attempt_id} and {other} are at work")
        first = attempt_id not in self._carried
        carried = self._carried.setdefault(attempt_id, [])
        for reply in carried:
            if ledger.replies[reply] not in used:
                ledger.blame(f"a reply reaches one attempt: {attempt_id} had {reply} and goes on owing it")
        told = REPLY.findall(text)
        for reply in told:
            steering_id = ledger.replies[reply]
            if self._disk.steering[steering_id].issue_id != issue_id:
                ledger.blame(f"a reply reaches the issue that asked: {attempt_id} was told {reply}")
            if AS_A_TURN in text and steering_id in used:
                ledger.blame(f"a reply reaches one attempt: {attempt_id} was told {reply}, which was used")
            ledger.told_reply.add(steering_id)
        for reply in self._owed.pop(attempt_id, []) if first else []:
            if reply not in told:
                ledger.blame(f"a reply reaches an attempt: {attempt_id} began without {reply}")
        carried += [reply for reply in told if ledger.replies[reply] not in used]
        ledger.turn_spent[issue_id] = 0
        self.in_turn[attempt_id] = self.now()

    def heard(self, attempt_id: str) -> None:
        """Note a sign of life."""
        if attempt_id in self.in_turn:
            self.in_turn[attempt_id] = self.now()

    @contextmanager
    def person_asked(self, attempt_id: str) -> Iterator[None]:
        """Expect no sign of life during the block: the agent waits for a person."""
        waited = self.in_turn.pop(attempt_id, None)
        try:
            yield
        finally:
            if waited is not None:
                self.in_turn[attempt_id] = self.now()

    def turn_over(self, attempt_id: str) -> None:
        """Note that the agent rests."""
        self.in_turn.pop(attempt_id, None)


class WatchedSession:
    """A session whose turns are looked at; a `core.ports.Session`."""

    def __init__(self, session: Session, talk: Talk, issue_id: str, attempt_id: str, pipe: Any) -> None:
        self._session = session
        self._talk = talk
        self._issue_id = issue_id
        self._attempt_id = attempt_id
        self._pipe = pipe

    @property
    def id(self) -> str:
        """The agent's name for it."""
        return self._session.id

    @property
    def model(self) -> str:
        """The model that it works with."""
        return self._session.model

    @property
    def resumed(self) -> bool:
        """Say whether it goes on with an earlier one."""
        return self._session.resumed

    @property
    def last_words(self) -> str:
        """Return what it said on stderr."""
        return self._session.last_words

    async def lost(self) -> SymphonyError:
        """Return how it was lost."""
        return await self._session.lost()

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn, unless the pipe broke while the machine slept."""
        self._pipe()
        self._talk.turn_begins(self._issue_id, self._attempt_id, text)
        try:
            return await self._session.prompt(text)
        finally:
            self._talk.turn_over(self._attempt_id)

    async def cancel(self) -> None:
        """Ask the agent to end its turn."""
        await self._session.cancel()
