"""Workspaces as things on the disk that may go one day; implements `core.ports.Storage`.

Removed at once after a handoff as a rule, so what is found here is unfinished, holds more than its
branch could carry, or could not be removed then. Before one goes its files are compared with what was
handed over, as an import would read them.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.ports import Workspaces
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.core.text import one_line
from symphony.host.tree import size_of_tree
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.folder import folder_exists
from symphony.workspace.guest_files import nested_repositories
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.records import Records
from symphony.workspace.snapshot import take_snapshot

SCRATCH = "tmp-retention"
HOOK_FAILED = "workspace.before_remove_failed"  # the workspace is gone all the same
NESTED_SHOWN = 3
EARLIEST = datetime.min.replace(tzinfo=UTC)


class KeptWorkspaces:
    """All workspaces of an installation.

    Args:
        installation: whose.
        workspaces: removes them, with their hook.
        complain: told of a hook that failed.
    """

    kind = Kind.WORKSPACE

    def __init__(
        self, installation: Installation, workspaces: Workspaces, complain: Callable[[str], None]
    ) -> None:
        self._folder = installation.root / "workspace-records"
        self._records = Records(self._folder)
        self._repository = HostRepository(installation.host_repository)
        self._scratch = installation.root / SCRATCH
        self._workspaces = workspaces
        self._complain = complain

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  each lies where it was made
        """Return every workspace that has a record, whatever `workspace.root` is now."""
        keys = await asyncio.to_thread(self._records.known_keys)
        found = [await asyncio.to_thread(self._stored, key) for key in keys]  # each can be long in coming
        return tuple(thing for thing in found if thing is not None)

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:
        """Compare the files with what was handed over."""
        head = delivery.handoff.head_commit if delivery else None
        if head is None:
            return "nothing says what was handed over of it"
        try:
            nested = await asyncio.to_thread(nested_repositories, Path(thing.path))
            if nested:
                names = ", ".join(one_line(name, 60) for name in nested[:NESTED_SHOWN])
                return f"it holds repositories of its own, which no branch carries: {names}"
            if await self._repository.resolve(head) is None:
                return f"what was handed over of it, {head[:12]}, is not in {self._repository.path}"
            if await self._tree_of_files(Path(thing.path), head) != (await self._repository.facts(head)).tree:
                return "its files are not those that were handed over"
        except (WorkspaceError, OSError) as error:
            return f"it cannot be compared with what was handed over: {one_line(str(error))}"
        return ""

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:
        """Run `before_remove` and delete the workspace.

        Raises:
            WorkspaceError: it is still there, or a part of it.
        """
        record = await asyncio.to_thread(self._records.read, thing.key)
        if record is None:
            return
        workspace = await self._workspaces.find(record.issue_id, settings)
        if workspace is None:
            return
        variables = {
            **environment,
            "SYMPHONY_WORKSPACE": str(workspace.path),
            "SYMPHONY_BRANCH": workspace.branch,
            "SYMPHONY_BASE": workspace.base_commit,
        }
        try:
            await self._workspaces.remove(workspace, settings, variables)
        except WorkspaceError as error:
            if error.code != HOOK_FAILED:
                raise
            self._complain(str(error))

    def _stored(self, key: str) -> Stored | None:
        try:
            record = self._records.read(key)
            if record is None or not folder_exists(record.path):
                return None
        except WorkspaceError as error:
            path = str(self._folder / f"{key}.json")
            return Stored(Kind.WORKSPACE, key, path, 0, EARLIEST, key, one_line(error.message))
        stays = "" if record.ready else "it was not made to its end; the next attempt makes it anew"
        try:
            changed = datetime.fromtimestamp(record.path.lstat().st_mtime, UTC)
        except FileNotFoundError:  # removed just now
            return None
        size = size_of_tree(record.path)
        return Stored(Kind.WORKSPACE, record.issue_id, str(record.path), size, changed, key, stays)

    async def _tree_of_files(self, folder: Path, head: str) -> str:
        tree = (await self._repository.facts(head)).tree
        with explain_disk(f"make a folder in {self._scratch}"):
            await asyncio.to_thread(self._scratch.mkdir, parents=True, exist_ok=True)
            scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._scratch))
        try:
            return await take_snapshot(self._repository.path, folder, tree, scratch)
        finally:
            await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
