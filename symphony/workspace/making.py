"""Making a workspace where none is: its place, its record, its clone.

Every step may be repeated after a crash: the workspace counts as made once its record says so. Called by
`workspaces`.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

from symphony.core.issue import Issue
from symphony.core.keys import branch_name, workspace_key
from symphony.workspace.branch import check_branch
from symphony.workspace.clone import make_in_place
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.folder import MAKING, delete_folder, folder_exists, hidden_name
from symphony.workspace.guest_git import Reader
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.records import Record, Records
from symphony.workspace.refusals import branch_taken
from symphony.workspace.seen_files import seen_files
from symphony.workspace.source import Source
from symphony.workspace.tree import entries_of


class Maker:
    """Makes workspaces of one installation."""

    def __init__(self, installation: Path, repository: HostRepository, records: Records) -> None:
        self._installation = installation
        self._repository = repository
        self._records = records

    async def make(
        self, issue: Issue, root: Path, source: Source, base: str | None, delivered: str | None
    ) -> Record:
        """Put a clone of the base, or of a commit that was `delivered`, under `root`; return its record.

        The record says that it is not ready, since hooks have yet to run.

        Raises:
            WorkspaceError: `workspace.source_*`, `workspace.base_not_found`, `workspace.not_ours`,
                `workspace.branch_*`, `workspace.disk_full`, ….
        """
        key = workspace_key(issue.id)
        branch = check_branch(issue.branch_name) if issue.branch_name else branch_name(issue.id)
        await asyncio.to_thread(self._claim_place, root / key, key, branch)
        await source.open()
        found = await source.find_base(base)
        await self._repository.open()
        start, commit = await self._repository.begin(
            source.git, source.url, found.ref, key, branch, delivered
        )
        record = Record(issue.id, key, str(root), branch, found.name, commit)
        await asyncio.to_thread(self._records.write, record)
        making = hidden_name(root, self._installation, MAKING, key)
        await make_in_place(record.path, making, self._repository.path, start, branch, await source.person())
        entries = await entries_of(self._repository.git, start)
        await asyncio.to_thread(seen_files(self._installation, key).note_clone, record.path, entries)
        return replace(record, packs=await asyncio.to_thread(Reader(record.path).packs))

    def _claim_place(self, path: Path, key: str, branch: str) -> None:
        """Make sure that the folder and the branch are free, or left by a dead attempt to make them."""
        owner = self._records.owner_of_branch(branch, key)
        if owner is not None:
            raise branch_taken(owner, branch)
        if not folder_exists(path):
            return
        record = self._records.read(key)
        if record is None or record.path != path or record.ready:
            raise WorkspaceError(
                f"{path} exists and was not made by this symphony.",
                code="workspace.not_ours",
                remedy="Look what is in it and move it away, then retry the issue.",
            )
        delete_folder(path)
