"""The host that machines share."""

from typing import Protocol

from symphony.core.admission import HostMemory


class Host(Protocol):
    """What the scheduler asks of the host itself."""

    async def memory(self) -> HostMemory | None:
        """Return how its memory stands now; None where it cannot be told."""
        ...
