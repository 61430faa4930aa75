"""The host's memory and disks: of this machine for the daemon, and some in memory for tests and simulation.

Both are `core.ports.Host`; the engine asks before it decides whether another attempt may start.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import psutil

from symphony.core.admission import HostMemory
from symphony.core.disk import HostDisk

DISK_BOUND = 2.0  # seconds; a network mount that hangs must not hold up who decides


class SystemHost:
    """This machine."""

    def __init__(self) -> None:
        self._looking: asyncio.Future[HostDisk | None] | None = None

    async def memory(self) -> HostMemory | None:
        """Return what programs can get without swapping, and all that there is."""
        return await asyncio.to_thread(_read)

    async def disk(self, places: Sequence[Path]) -> HostDisk | None:
        """Return the disk with the least room; None while one of them does not answer."""
        if self._looking is not None and not self._looking.done():
            return None  # one thread that hangs is enough
        self._looking = asyncio.ensure_future(asyncio.to_thread(fullest_disk, tuple(places)))
        done, _ = await asyncio.wait({self._looking}, timeout=DISK_BOUND)
        return self._looking.result() if done else None


class MemoryHost:
    """A host whose memory and disk are what it is told.

    Attributes:
        seen: what the next look at the memory sees.
        seen_disk: what the next look at the disk sees.
        looks: how often the memory was looked at.
    """

    def __init__(self, seen: HostMemory | None = None, seen_disk: HostDisk | None = None) -> None:
        self.seen = seen
        self.seen_disk = seen_disk
        self.looks = 0

    async def memory(self) -> HostMemory | None:
        """Return what it was told."""
        self.looks += 1
        return self.seen

    async def disk(self, places: Sequence[Path]) -> HostDisk | None:  # noqa: ARG002  the port's signature
        """Return what it was told."""
        return self.seen_disk


def fullest_disk(places: Sequence[Path]) -> HostDisk | None:
    """Return the disk with the least room of those that hold these folders; None where none tells.

    It blocks on the disks.
    """
    found = [disk for place in places if (disk := _disk_of(place)) is not None]
    return min(found, key=lambda disk: disk.free_bytes, default=None)


def nearest(path: Path) -> Path:
    """Return the path, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _disk_of(place: Path) -> HostDisk | None:
    try:
        found = os.statvfs(nearest(place))
    except OSError:
        return None
    kept_for_root = found.f_bfree - found.f_bavail
    total = (found.f_blocks - kept_for_root) * found.f_frsize
    if total <= 0:  # a file system that counts nothing, as some of the kernel's own
        return None
    return HostDisk(found.f_bavail * found.f_frsize, total, str(place))


def _read() -> HostMemory | None:
    try:
        memory = psutil.virtual_memory()
    except (OSError, RuntimeError, ValueError):  # /proc is hidden or reads in a way psutil does not know
        return None
    return HostMemory(memory.available, memory.total)
