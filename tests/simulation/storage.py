"""The workspaces as what keeps the disk small sees them: all are old, and the delivered ones may go."""

from collections.abc import Mapping
from datetime import timedelta

from symphony.core.ports import Clock
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.workspace.memory import MemoryWorkspaces
from tests.simulation.drivers import SimulatedWorkspaces

OLD = timedelta(days=365)
SIZE = 1 << 20


class SimulatedStorage:
    """One process's look at them; a `core.ports.Storage`."""

    kind = Kind.WORKSPACE

    def __init__(self, disk: MemoryWorkspaces, workspaces: SimulatedWorkspaces, clock: Clock) -> None:
        self._disk = disk
        self._workspaces = workspaces
        self._clock = clock

    async def look(self, settings: Settings) -> tuple[Stored, ...]:
        """Return every workspace that was made to its end."""
        await self._workspaces.reach()
        since = self._clock.now() - OLD
        return tuple(
            Stored(self.kind, folder.workspace.issue_id, str(folder.workspace.path), SIZE, since, key)
            for key, folder in self._disk._folders.items()
        )

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:
        """Compare the files with what was handed over."""
        await self._workspaces.reach()
        head = delivery.handoff.head_commit if delivery else None
        folder = self._disk._folders.get(thing.key)
        if head is None or folder is None or self._disk.files_of(head) != folder.files:
            return "its files are not those that were handed over"
        return ""

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:
        """Delete it."""
        workspace = await self._workspaces.find(thing.name, settings)
        if workspace is not None:
            await self._workspaces.remove(workspace, settings, environment)
