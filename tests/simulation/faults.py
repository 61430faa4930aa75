"""What is broken or slow now, and whether the process still lives: asked by every driver at each call."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

SLOWNESS = (0.0, 0.0, 0.0, 0.0, 0.2, 3.0, 45.0)


@dataclass
class Faults:
    """The world's faults.

    Attributes:
        sleep: lets virtual time pass.
        due: how many occasions of each kind are still to fail.
        disk_full: the store cannot be written.
        calm: nothing is broken or slow any more.
    """

    seed: int
    sleep: Callable[[float], Any]
    due: Counter[str] = field(default_factory=Counter)
    disk_full: bool = False
    calm: bool = False
    _random: Random | None = None

    def takes(self, fault: str) -> bool:
        """Say whether this occasion fails, and count it."""
        if self.due[fault] <= 0:
            return False
        self.due[fault] -= 1
        return True

    async def lag(self) -> None:
        """Take the time that this occasion takes."""
        if self.calm:
            return
        self._random = self._random or Random(f"lag {self.seed}")
        seconds = self._random.choice(SLOWNESS)
        if seconds:
            await self.sleep(seconds)

    def end(self) -> None:
        """Let nothing be broken or slow from now on."""
        self.due.clear()
        self.disk_full, self.calm = False, True


@dataclass
class Life:
    """One process; what it does after its death has no effect."""

    alive: bool = True
    disk_was_full: bool = False

    def check(self) -> None:
        """Return if the process lives.

        Raises:
            CancelledError: it does not.
        """
        if not self.alive:
            raise asyncio.CancelledError
