"""The host's memory: of this machine for the daemon, and one in memory for tests and simulation.

Both are `core.ports.Host`; the engine asks before it decides whether another machine fits.
"""

import asyncio

import psutil

from symphony.core.admission import HostMemory


class SystemHost:
    """This machine."""

    async def memory(self) -> HostMemory | None:
        """Return what programs can get without swapping, and all that there is."""
        return await asyncio.to_thread(_read)


class MemoryHost:
    """A host whose memory is what it is told.

    Attributes:
        seen: what the next look sees.
        looks: how often it was looked at.
    """

    def __init__(self, seen: HostMemory | None = None) -> None:
        self.seen = seen
        self.looks = 0

    async def memory(self) -> HostMemory | None:
        """Return what it was told."""
        self.looks += 1
        return self.seen


def _read() -> HostMemory | None:
    try:
        memory = psutil.virtual_memory()
    except (OSError, RuntimeError, ValueError):  # /proc is hidden or reads in a way psutil does not know
        return None
    return HostMemory(memory.available, memory.total)
