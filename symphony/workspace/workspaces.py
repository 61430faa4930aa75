"""The Workspaces port on git: prepare, run hooks, import, hand over, remove.

Each step may be repeated after a crash at any point: a workspace counts as made once its record
says so, an import moves its ref last, a patch is renamed into place, and a removal begins with
renaming the folder away.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from symphony.core.branch import BranchDiff
from symphony.core.forge import Pushed
from symphony.core.handoff import Completion, Handoff, Imported, Searched
from symphony.core.installation import Installation
from symphony.core.issue import Issue
from symphony.core.keys import workspace_key
from symphony.core.labels import label_variables
from symphony.core.ports import HookResult, Sandbox, Workspace
from symphony.core.provenance import Provenance
from symphony.core.review import UNKNOWN, Background
from symphony.core.safety import SafetyRef
from symphony.core.settings import Settings
from symphony.workspace.best import GitBestStates
from symphony.workspace.branch_diff import BranchDiffs
from symphony.workspace.checkouts import GitCheckouts
from symphony.workspace.clone import make_clone
from symphony.workspace.collection import Collection
from symphony.workspace.conflicts import GitConflicts
from symphony.workspace.errors import explain_disk
from symphony.workspace.fingerprint import take_fingerprint
from symphony.workspace.folder import (
    REMOVING,
    check_root,
    clear_leftovers,
    clear_stale_locks,
    delete_folder,
    folder_exists,
    hidden_name,
)
from symphony.workspace.handing import Handing
from symphony.workspace.hooks import run_script
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.making import Maker
from symphony.workspace.reading import to_end
from symphony.workspace.records import Records
from symphony.workspace.refs import delivered_ref
from symphony.workspace.refusals import (
    after_create_failed,
    before_remove_failed,
    workspace_missing,
)
from symphony.workspace.reviews import GitReviews
from symphony.workspace.safety import Safety, SafetyRefs
from symphony.workspace.scratch import Scratch
from symphony.workspace.search import search_branch
from symphony.workspace.seen_files import seen_files
from symphony.workspace.source import FALLBACK_EMAIL, FALLBACK_NAME, Person, Source
from symphony.workspace.stamping import Stamping
from symphony.workspace.train import GitTrain


class GitWorkspaces:
    """Workspaces of one installation; implements `core.ports.Workspaces`."""

    def __init__(self, installation: Installation, labels: Mapping[str, str] = MappingProxyType({})) -> None:
        """Take the installation's folder, and the labels that hooks carry."""
        self._marks = label_variables(labels)
        self._installation = installation.root
        self._home = installation.root.parent
        self._scratch = Scratch(installation.root / "tmp")
        self._records = Records(installation.root / "workspace-records")
        self._repository = HostRepository(installation.host_repository)
        self._maker = Maker(self._installation, self._repository, self._records)
        self._handing = Handing(installation, self._repository, self._scratch)
        self._safety_refs = SafetyRefs(self._repository)
        self.reviews = GitReviews(installation)
        self.bests = GitBestStates(self._repository)
        self.conflicts = GitConflicts(self._home, self._repository)
        self.train = GitTrain(self._home, self._repository)
        self._opening = asyncio.Lock()
        self._cleared: set[Path] = set()

    async def prepare(
        self, issue: Issue, settings: Settings, environment: Mapping[str, str], delivered: str | None = None
    ) -> Workspace:
        """Return the issue's workspace, made if it is not there; runs `after_create` when made.

        A new one starts at the base, or at a commit that was `delivered` and sent back. A delivered
        commit that is not here any more is as none.

        Raises:
            WorkspaceError: `workspace.source_*`, `workspace.base_not_found`, `workspace.not_ours`,
                `workspace.branch_*`, `workspace.after_create_failed`, `workspace.disk_full`, ….
        Cancellation: what was half made is made again by the next call.
        """
        key = workspace_key(issue.id)
        record = await asyncio.to_thread(self._records.read, key)
        if record is not None and record.ready and await asyncio.to_thread(folder_exists, record.path):
            await asyncio.to_thread(clear_stale_locks, record.path)
            return record.workspace(created=False)
        root, source = await asyncio.to_thread(self._places, settings)
        await self._clear_once(root)
        record = await self._maker.make(issue, root, source, settings.workspace.base, delivered)
        workspace = record.workspace(created=True)
        variables = {
            **environment,
            "SYMPHONY_WORKSPACE": str(workspace.path),
            "SYMPHONY_REPO_DIR": source.shown,
            "SYMPHONY_BRANCH": workspace.branch,
            "SYMPHONY_BASE": workspace.base_commit,
        }
        await self._after_create(workspace, settings.in_state(issue.state), variables)
        ready = record.completed()
        await to_end(lambda: self._records.write(ready))
        return workspace

    async def find(self, issue_id: str, settings: Settings) -> Workspace | None:  # noqa: ARG002  the record knows
        """Return the issue's workspace if it exists, without making or changing anything."""
        record = await asyncio.to_thread(self._records.read, workspace_key(issue_id))
        if record is None or not record.ready:
            return None
        exists = await asyncio.to_thread(folder_exists, record.path)
        return record.workspace(created=False) if exists else None

    async def save(self, workspace: Workspace, why: str, at: datetime) -> SafetyRef | None:
        """Commit what lies in the workspace and nowhere else to a safety ref; it is only read.

        Raises:
            WorkspaceError: `workspace.missing`, `workspace.disk_full`, `workspace.too_large`, ….
        """
        if not await asyncio.to_thread(folder_exists, workspace.path):
            raise workspace_missing(workspace.path)
        await self._repository.open()
        record = await asyncio.to_thread(self._records.read, workspace.key)
        packs = () if record is None else tuple(record.packs)
        async with self._scratch.open("save") as scratch:
            seen = seen_files(self._installation, workspace.key)
            safety = Safety(self._repository, self._safety_refs, workspace, packs, scratch, seen)
            saved = await safety.run(why, at)
        if record is not None and safety.history.packs != packs:
            await asyncio.to_thread(self._records.write, replace(record, packs=safety.history.packs))
        return saved

    async def newest_safety(self, issue_id: str) -> SafetyRef | None:
        """Return the newest safety ref of an issue, without writing anything; None when it has none."""
        return await self._safety_refs.newest(workspace_key(issue_id))

    async def run_hook(
        self, name: str, script: str, cwd: Path, environment: Mapping[str, str], timeout_ms: int
    ) -> HookResult:
        """Run one hook to its end or its timeout; never raises for what the script does."""
        return await run_script(name, script, cwd, {**environment, **self._marks}, timeout_ms)

    async def fingerprint(self, workspace: Workspace) -> str:
        """Return a value that changes when any commit or file in the workspace does."""
        return await asyncio.to_thread(take_fingerprint, workspace.path)

    async def collect(self, workspace: Workspace, sandbox: Sandbox | None) -> Imported:
        """Bring branch and uncommitted work into the host's repository, as from a stranger.

        Raises:
            WorkspaceError: `workspace.missing`; `workspace.import_failed`, and the files were saved
                on `refs/symphony/rescue/<key>`; `workspace.unreadable_file`, `workspace.too_large`.
        """
        if not await asyncio.to_thread(folder_exists, workspace.path):
            raise workspace_missing(workspace.path)
        await self._repository.open()
        async with self._scratch.open("import") as scratch:
            seen = seen_files(self._installation, workspace.key)
            return await Collection(self._repository, workspace, scratch, seen).run(sandbox)

    async def search(self, imported: Imported) -> Searched:
        """Look for secrets in every line, message and file name that the branch adds to its base.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        async with self._scratch.open("search") as scratch:
            return await search_branch(self._repository, imported, scratch)

    async def stamp(self, imported: Imported, provenance: Provenance, settings: Settings) -> Imported:
        """Make what leaves of an imported branch; repeating it gives the same commits.

        Raises:
            WorkspaceError: `handoff.not_signed`; `workspace.*`.
        """
        handoff = settings.handoff
        signed = handoff.sign == "auto" and handoff.wants_pull_request
        source = await asyncio.to_thread(Source, settings.workspace.source, self._home)
        await source.open()
        return await Stamping(self._repository, source, handoff).stamp(imported, provenance, signed=signed)

    async def hand_off(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background = UNKNOWN,
        url: str = "",
    ) -> Handoff:
        """Write the patch and its review folder; repeating it gives the same.

        Of work that has become the pull request `url` there is only the folder, and an earlier patch goes.

        Raises:
            WorkspaceError: `handoff.unverifiable`, `handoff.too_large`, `workspace.*`.
        """
        return await self._handing.over(workspace, imported, completion, settings, background, url)

    async def push(self, workspace: Workspace, imported: Imported, settings: Settings) -> Pushed | None:
        """Push the branch to the source repository's remote, never over another's commits.

        Raises:
            WorkspaceError: `handoff.push_*`, `handoff.remote_*`, `workspace.*`.
        """
        return await self._handing.push(workspace, imported, settings)

    @asynccontextmanager
    async def open_checkouts(self, workspace: Workspace) -> AsyncIterator[GitCheckouts]:
        """Hold an empty folder for checkouts, beside the workspace; it is deleted on leaving.

        Raises:
            WorkspaceError: on entering, `workspace.*`.
        """
        await self._repository.open()
        await self._clear_once(workspace.path.parent)
        checkouts = GitCheckouts(self._repository, self._installation, workspace)
        try:
            await checkouts.open()
            yield checkouts
        finally:
            await checkouts.close()

    @asynccontextmanager
    async def delivered_clone(self, imported: Imported) -> AsyncIterator[Path]:
        """Hold a checkout of the delivered branch made by the host; it is removed on leaving.

        Raises:
            WorkspaceError: on entering, `workspace.*`.
        """
        await self._repository.open()
        async with self._scratch.open("delivered") as scratch:
            target = scratch / "clone"
            person = Person(FALLBACK_NAME, FALLBACK_EMAIL)
            ref = delivered_ref(imported.branch)
            if await self._repository.resolve(ref) != imported.head_commit:
                ref = f"refs/heads/{imported.branch}"
            await make_clone(target, self._repository.path, ref, imported.branch, person)
            yield target

    async def branch_diff(self, issue_id: str, wished: str | None) -> BranchDiff | None:
        """Return what an issue's branch changed when it was last imported; None when it never was.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        return await BranchDiffs(self._repository, self._records).of(issue_id, wished)

    async def remove(self, workspace: Workspace, settings: Settings, environment: Mapping[str, str]) -> None:
        """Run `before_remove` and delete the workspace; call only when its work is delivered.

        Raises:
            WorkspaceError: `workspace.before_remove_failed` when only the hook failed and the
                workspace is gone; `workspace.permission_denied` and others when it is not.
        """
        failure: HookResult | None = None
        script = settings.hooks.before_remove
        exists = await asyncio.to_thread(folder_exists, workspace.path)
        if exists and script is not None:
            result = await self.run_hook(
                "before_remove", script, workspace.path, environment, settings.hooks.timeout_ms
            )
            failure = None if result.ok else result
        await asyncio.to_thread(self._delete, workspace)
        if failure is not None:
            raise before_remove_failed(failure)

    def _places(self, settings: Settings) -> tuple[Path, Source]:
        """Return where a new workspace goes, and what it is made from."""
        root = check_root(self._home / settings.workspace.root, self._repository.path)
        return root, Source(settings.workspace.source, self._home)

    async def _clear_once(self, root: Path) -> None:
        """Delete what dead processes left beside the workspaces, before anything here is put there."""
        async with self._opening:
            if root not in self._cleared:
                await asyncio.to_thread(clear_leftovers, root, self._installation)
                self._cleared.add(root)

    async def _after_create(
        self, workspace: Workspace, settings: Settings, variables: Mapping[str, str]
    ) -> None:
        script = settings.hooks.after_create
        if script is None:
            return
        result = await self.run_hook(
            "after_create", script, workspace.path, variables, settings.hooks.timeout_ms
        )
        if not result.ok:
            await asyncio.to_thread(self._delete, workspace)
            raise after_create_failed(result)

    def _delete(self, workspace: Workspace) -> None:
        """Take the folder out of sight in one step, forget it, then delete what is in it."""
        hidden = hidden_name(workspace.path.parent, self._installation, REMOVING, workspace.key)
        delete_folder(hidden)
        if folder_exists(workspace.path):
            with explain_disk(f"remove {workspace.path}"):
                workspace.path.rename(hidden)
        self._records.delete(workspace.key)
        seen_files(self._installation, workspace.key).forget()
        delete_folder(hidden)
