"""Patches as things on the disk that may go one day; implements `core.ports.Storage`.

A patch is the delivery itself, so that none goes unless the settings say so, and then only one whose
commits can be found again in the repository that only the host writes.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.tree import delete_file, list_files
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.host_repository import HostRepository

PREFIX, SUFFIX = "agent_", ".patch"


class KeptPatches:
    """All patches of an installation."""

    kind = Kind.PATCH

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.patches
        self._repository = HostRepository(installation.host_repository)

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  the port's signature
        """Return every patch.

        Raises:
            WorkspaceError: the folder is a symlink or cannot be read.
        """
        with explain_disk(f"look into {self._folder}"):
            files = await asyncio.to_thread(list_files, self._folder)
        return tuple(
            Stored(
                Kind.PATCH,
                file.name,
                str(self._folder / file.name),
                file.size_bytes,
                datetime.fromtimestamp(file.modified, UTC),
                file.name.removeprefix(PREFIX).removesuffix(SUFFIX),
            )
            for file in files
            if file.name.startswith(PREFIX) and file.name.endswith(SUFFIX)
        )

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:
        """Look for its commits, which must stay when it goes."""
        handoff = delivery.handoff if delivery else None
        if handoff is None or handoff.patch is None or handoff.patch.name != Path(thing.path).name:
            return "it is not the latest handoff of its issue"
        try:
            known = handoff.head_commit and await self._repository.resolve(handoff.head_commit)
        except WorkspaceError as error:
            return str(error)
        return "" if known else f"its commits are not in {self._repository.path}"

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Delete the file.

        Raises:
            WorkspaceError: it is still there.
        """
        with explain_disk(f"delete {thing.path}"):
            await asyncio.to_thread(delete_file, self._folder, Path(thing.path).name)
