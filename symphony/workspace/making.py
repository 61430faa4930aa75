"""Making a workspace where none is: its place, its record, its clone.

Every step may be repeated after a crash: the workspace counts as made once its record says so. Called by
`workspaces`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from symphony.core.issue import Issue
from symphony.core.keys import branch_name, workspace_key
from symphony.workspace.branch import check_branch
from symphony.workspace.clone import fill_clone, make_clone, make_empty
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.folder import MAKING, delete_folder, folder_exists, hidden_name
from symphony.workspace.guest_git import Reader
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.looks import look_over
from symphony.workspace.reading import begun, to_end
from symphony.workspace.records import Record, Records
from symphony.workspace.refs import base_ref
from symphony.workspace.refusals import branch_taken
from symphony.workspace.seen_files import clock_of, seen_files
from symphony.workspace.source import Base, Person, Source
from symphony.workspace.template import Templates
from symphony.workspace.tree import TreeEntry, entries_of


class Maker:
    """Makes workspaces of one installation."""

    def __init__(self, installation: Path, repository: HostRepository, records: Records) -> None:
        self._installation = installation
        self._repository = repository
        self._records = records
        self._templates = Templates(installation / "template", repository)

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
        making = hidden_name(root, self._installation, MAKING, key)
        async with begun(_find(source, base)) as finding:
            await asyncio.to_thread(self._claim_place, root / key, making, key, branch)
            found = await finding
        await self._repository.open()
        async with _deleted_on_failure(making), begun(source.person()) as asking:
            async with begun(self._begin_clone(making)) as beginning:
                start, commit = await self._repository.begin(
                    source.git, source.url, found.ref, key, branch, delivered
                )
                empty, person = await beginning, await asking
            record = Record(issue.id, key, str(root), branch, found.name, commit)
            at = commit if start == base_ref(key) else str(delivered)
            async with (
                begun(entries_of(self._repository.git, at)) as listing,
                begun(to_end(lambda: self._records.write(record))) as recording,
            ):
                await self._clone(record, start, person, making, empty=empty)
                await recording  # whoever finds a folder without a record takes it for somebody else's
                clock, packs = await asyncio.to_thread(_put, making, record.path)
                await self._note_files(record, at, await listing, clock)
        return replace(record, packs=packs)

    async def _note_files(
        self, record: Record, commit: str, entries: Mapping[bytes, TreeEntry], clock: int
    ) -> None:
        """Remember what the clone's files look like, which hold what the commit has."""
        looks = await look_over(record.path, len(entries))
        seen = seen_files(self._installation, record.key)
        await asyncio.to_thread(seen.note_clone, commit, entries, looks, clock)

    async def _begin_clone(self, making: Path) -> bool:
        """Make an empty repository beside the place, unless all may come from the template; say whether."""
        if await self._templates.is_shared(making.parent):
            return False
        await make_empty(making)
        return True

    async def _clone(self, record: Record, start: str, person: Person, making: Path, *, empty: bool) -> None:
        """Make the clone beside its place."""
        branch, path = record.branch, self._repository.path
        if empty:
            await fill_clone(making, path, start, branch, person)
        elif start != base_ref(record.key) or not await self._templates.copy(
            start, record.base_commit, making, branch, person
        ):
            await make_clone(making, path, start, branch, person)

    def _claim_place(self, path: Path, making: Path, key: str, branch: str) -> None:
        """Make sure that the folders and the branch are free, or left by a dead attempt to make them."""
        owner = self._records.owner_of_branch(branch, key)
        if owner is not None:
            raise branch_taken(owner, branch)
        delete_folder(making)
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


async def _find(source: Source, base: str | None) -> Base:
    await source.open()
    return await source.find_base(base)


@asynccontextmanager
async def _deleted_on_failure(making: Path) -> AsyncIterator[None]:
    """Leave nothing there when the block fails; one that does not has moved it away."""
    try:
        yield
    except BaseException:
        await asyncio.to_thread(delete_folder, making)
        raise


def _put(making: Path, path: Path) -> tuple[int, tuple[str, ...]]:
    """Rename a finished clone into its place; return the time there as of `clock_of`, and its packs."""
    with explain_disk(f"make {path}"):
        making.rename(path)
    return clock_of(path / ".git"), Reader(path).packs()
