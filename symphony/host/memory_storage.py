"""A place on the disk without a disk, for tests and simulation; implements `core.ports.Storage`."""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from symphony.core.errors import SymphonyError
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored


class MemoryStorage:
    """What lies here is what it is told.

    Attributes:
        things: by path.
        against: what a close look finds, by path.
        failures: raised by the removal of a path, each once.
        unreadable: raised by each look while it is set.
        removed: paths in order, each with the variables that its hooks had.
        before_remove: called before something is deleted, with its path.
    """

    def __init__(self, things: Iterable[Stored] = (), kind: Kind = Kind.WORKSPACE) -> None:
        self.kind = kind
        self.things = {thing.path: thing for thing in things}
        self.against: dict[str, str] = {}
        self.failures: dict[str, SymphonyError] = {}
        self.unreadable: SymphonyError | None = None
        self.removed: list[tuple[str, Mapping[str, str]]] = []
        self.before_remove: Callable[[str], None] = lambda _: None

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  the port's signature
        """Return all that lies here, or fail as told."""
        await asyncio.sleep(0)
        if self.unreadable is not None:
            raise self.unreadable
        return tuple(self.things.values())

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:  # noqa: ARG002  the port's signature
        """Return what it was told to find."""
        await asyncio.sleep(0)
        return self.against.get(thing.path, "")

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Forget it, or fail as told; repeating it does nothing."""
        await asyncio.sleep(0)
        if (failure := self.failures.pop(thing.path, None)) is not None:
            raise failure
        self.before_remove(thing.path)
        if self.things.pop(thing.path, None) is not None:
            self.removed.append((thing.path, dict(environment)))
