"""Whether the turns of one attempt get anywhere; an agent that does not is not simply told to go on.

A turn gets on when a commit or a file changes, or when its agent says something that it has not just
said. One that runs into the checks that failed before, in the same way, only does by what it changed.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from symphony.core.repetition import repeats

MOST_IDLE: Final = 2  # turns in a row: the second has been told that the first changed nothing


class Headway:
    """What the last turns have changed."""

    def __init__(self, look: Callable[[], Awaitable[str]], seen: str) -> None:
        """Take what tells a workspace's fingerprint, and the one that it had at first."""
        self._look = look
        self._seen = seen
        self._changed = False
        self._said = ""
        self._failure = ""
        self._idle = 0

    @property
    def stuck(self) -> bool:
        """Say whether so many turns in a row changed nothing that another would not either."""
        return self._idle >= MOST_IDLE

    async def look(self) -> None:
        """See what the turn that has just ended changed."""
        seen = await self._look()
        self._changed, self._seen = seen != self._seen, seen

    async def moved(self, said: str, failure: str = "") -> bool:
        """Say whether that turn got anywhere.

        Args:
            said: the last thing that the agent said in it.
            failure: what its work ran into, such as checks that fail, which leave files of their own.
        """
        news = not repeats(failure, self._failure) if failure else said.strip() not in {"", self._said}
        if failure:
            self._seen = await self._look()
        self._failure, self._said = failure, said.strip() or self._said
        moved = news or self._changed
        self._idle = 0 if moved else self._idle + 1
        return moved
