"""What is never removed, shown so that people know where the disk went; implements `core.ports.Storage`."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.tree import size_of_tree
from symphony.workspace.errors import WorkspaceError


class KeptHistory:
    """The repository that only the host writes, and the store."""

    kind = Kind.HISTORY

    def __init__(self, installation: Installation) -> None:
        self._lying: Mapping[Path, str] = {
            installation.host_repository: "it holds every branch that was imported, and what was saved",
            installation.database: "it holds all that symphony remembers",
        }

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  the port's signature
        """Return what there is of it."""
        found = [await asyncio.to_thread(_stored, path, why) for path, why in self._lying.items()]
        return tuple(thing for thing in found if thing is not None)

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:  # noqa: ARG002  the port's signature
        """Say what it is for."""
        return self._lying[Path(thing.path)]

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            WorkspaceError: `workspace.history`, always.
        """
        raise WorkspaceError(f"{thing.path} is never removed.", code="workspace.history")


def _stored(path: Path, why: str) -> Stored | None:
    try:
        changed = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    return Stored(Kind.HISTORY, path.name, str(path), size_of_tree(path), changed, stays=why)
