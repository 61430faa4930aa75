"""What a delivered branch becomes: a patch that was tried before it is written, or a branch on a remote.

[CONTRACT 9]

Called by `workspaces`. Every step may be repeated and gives the same bytes.
"""

import asyncio
from functools import partial
from pathlib import Path

from symphony.core.forge import Pushed
from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.installation import Installation
from symphony.core.ports import Workspace
from symphony.core.preflight import Preflight
from symphony.core.review import UNKNOWN, Background
from symphony.core.settings import Settings
from symphony.host.durable import write_durably
from symphony.workspace.errors import explain_disk
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.patch import PatchMaker
from symphony.workspace.preflight import Preflights
from symphony.workspace.pushing import Pushing
from symphony.workspace.reading import begun
from symphony.workspace.refusals import NOTHING_CHANGED, mode_none_note, patch_note
from symphony.workspace.remote import open_remote
from symphony.workspace.review import ReviewFolder, delete_patch
from symphony.workspace.reviews import GitReviews
from symphony.workspace.scratch import Scratch
from symphony.workspace.signing import committing
from symphony.workspace.source import Source


class Handing:
    """Hands over the branches of one installation."""

    def __init__(self, installation: Installation, repository: HostRepository, scratch: Scratch) -> None:
        self._installation = installation
        self._repository = repository
        self._scratch = scratch
        self._folders = ReviewFolder(installation, repository, scratch)
        self._reviews = GitReviews(installation)

    async def over(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background = UNKNOWN,
        url: str = "",
    ) -> Handoff:
        """Write patch and review folder, and say whether it still merges with the base.

        Of work that has become the pull request `url` there is only the folder, and an earlier patch goes.

        Raises:
            WorkspaceError: `handoff.unverifiable`, `handoff.too_large`, `workspace.*`.
        """
        if settings.handoff.mode == "none":
            note = mode_none_note(imported, self._repository.path)
            return Handoff("none", note, head_commit=imported.head_commit)
        base = await self._repository.facts(imported.base_commit)
        if base.tree == imported.head_tree:
            return Handoff("none", NOTHING_CHANGED, head_commit=imported.head_commit)
        if url:
            return await self._review(workspace, imported, completion, settings, background, url)
        async with (
            begun(self._preflight(workspace, imported, settings)) as trying,
            self._scratch.open("patch") as scratch,
        ):
            mailbox = await PatchMaker(self._repository, imported, scratch).make(completion)
            preflight = await trying
        patch = self._installation.patch(workspace.key)
        unread = await self._reviews.keep_unread(workspace.issue_id)
        await self._folders.write(workspace, imported, completion, background, preflight, mailbox)
        with explain_disk(f"write {patch}"):
            await asyncio.to_thread(_write, patch, mailbox)
        number = mailbox.count(b"\nSubject: [PATCH")
        note = patch_note(number, patch, workspace.base, imported.base_commit)
        if preflight.moved or preflight.unknown:
            note = f"{note} {preflight}"
        note = f"{note} {unread}".rstrip()
        return Handoff("patch", note, patch=patch, head_commit=imported.head_commit)

    async def _review(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background,
        url: str,
    ) -> Handoff:
        preflight = await self._preflight(workspace, imported, settings)
        unread = await self._reviews.keep_unread(workspace.issue_id)
        # a folder that cannot be replaced must not be taken for that of the newer work
        await asyncio.to_thread(delete_patch, self._installation.patch(workspace.key))
        await self._folders.write(workspace, imported, completion, background, preflight, b"", url)
        return Handoff("pull_request", unread, url=url, head_commit=imported.head_commit)

    async def push(self, workspace: Workspace, imported: Imported, settings: Settings) -> Pushed | None:
        """Push the branch to the source repository's remote; None when nothing has changed.

        Raises:
            WorkspaceError: `handoff.push_*`, `handoff.remote_*`, `workspace.*`.
        """
        base = await self._repository.facts(imported.base_commit)
        if base.tree == imported.head_tree:
            return None
        source = await self._source(settings)
        remote = await open_remote(source, settings.handoff.remote)
        signed = settings.handoff.sign == "auto"

        as_user = partial(committing, source=source, signed=signed)
        return await Pushing(self._repository, self._scratch, workspace, imported, remote, as_user).run()

    async def _source(self, settings: Settings) -> Source:
        home = self._installation.root.parent
        return await asyncio.to_thread(Source, settings.workspace.source, home)

    async def _preflight(self, workspace: Workspace, imported: Imported, settings: Settings) -> Preflight:
        source = await self._source(settings)
        return await Preflights(self._repository, source).of(
            workspace.key,
            settings.workspace.base,
            workspace.base,
            imported.base_commit,
            imported.head_commit,
        )


def _write(patch: Path, mailbox: bytes) -> None:
    patch.parent.mkdir(parents=True, exist_ok=True)
    write_durably(patch, mailbox)
