"""Patches and review folders as things on the disk that may go one day; implements `core.ports.Storage`.

A patch is the delivery itself, so that none goes unless the settings say so, and then only one whose
commits can be found again in the repository that only the host writes. The folder of a pull request is
kept as one beside a patch is.
"""

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.handoff import Handoff
from symphony.core.installation import Installation
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.tree import list_files, list_folders, size_of_tree
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.review import delete_patch
from symphony.workspace.reviews import GitReviews

PREFIX, SUFFIX = "agent_", ".patch"


class KeptPatches:
    """All patches of an installation."""

    kind = Kind.PATCH

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.patches
        self._reviews = GitReviews(installation)
        self._repository = HostRepository(installation.host_repository)

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  the port's signature
        """Return every patch with its review folder, and folders that have no patch.

        Raises:
            WorkspaceError: the folder is a symlink or cannot be read.
        """
        with explain_disk(f"look into {self._folder}"):
            return await asyncio.to_thread(self._look)

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:
        """Look for its commits, which must stay when it goes, and for comments that were not sent."""
        handoff = delivery.handoff if delivery else None
        if handoff is None or not await asyncio.to_thread(_is_of, handoff, Path(thing.path)):
            return "it is not the latest handoff of its issue"
        try:
            if await self._reviews.comments_of(thing.key):
                return "a person's comments in it were not sent"
            known = handoff.head_commit and await self._repository.resolve(handoff.head_commit)
        except WorkspaceError as error:
            return str(error)
        return "" if known else f"its commits are not in {self._repository.path}"

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Delete the file, then its review folder.

        Raises:
            WorkspaceError: they are still there.
        """
        await asyncio.to_thread(delete_patch, Path(thing.path))

    def _look(self) -> tuple[Stored, ...]:
        patches = {
            file.name: file
            for file in list_files(self._folder)
            if file.name.startswith(PREFIX) and file.name.endswith(SUFFIX)
        }
        folders = {
            f"{folder.name}{SUFFIX}": folder
            for folder in list_folders(self._folder)
            if folder.name.startswith(PREFIX)
            and (
                f"{folder.name}{SUFFIX}" in patches
                or not os.path.lexists(f"{self._folder / folder.name}{SUFFIX}")
            )
        }
        return tuple(
            Stored(
                Kind.PATCH,
                name,
                str(self._folder / name),
                size_of_tree(self._folder / name) + size_of_tree(self._folder / name.removesuffix(SUFFIX)),
                datetime.fromtimestamp((patches.get(name) or folders[name]).modified, UTC),
                name.removeprefix(PREFIX).removesuffix(SUFFIX),
            )
            for name in sorted({*patches, *folders})
        )


def _is_of(handoff: Handoff, patch: Path) -> bool:
    """Say whether what lies there is of this handoff: its patch, or the folder of its pull request."""
    if handoff.kind == "pull_request":
        return not os.path.lexists(patch)
    return handoff.patch is not None and handoff.patch.name == patch.name
