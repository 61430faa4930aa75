"""The host that machines share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from symphony.core.admission import HostMemory
from symphony.core.disk import HostDisk


class Host(Protocol):
    """What the scheduler asks of the host itself."""

    async def memory(self) -> HostMemory | None:
        """Return how its memory stands now; None where it cannot be told."""
        ...

    async def disk(self, places: Sequence[Path]) -> HostDisk | None:
        """Return how the disk with the least room of those that hold these folders stands now.

        None where it cannot be told within a moment; a folder need not exist yet.
        """
        ...
