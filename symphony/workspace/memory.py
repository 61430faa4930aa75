"""Workspaces without a disk: trees as mappings, for the engine's tests and for simulation.

Passes the same contract suite as the real ones. It starts no process, uses no thread and no
clock, and the same calls give the same ids. Tests play the agent with `write` and `commit`.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path

from symphony.core.forge import Pushed
from symphony.core.handoff import Completion, Handoff, Imported, Searched
from symphony.core.issue import Issue
from symphony.core.keys import branch_name, workspace_key
from symphony.core.ports import HookResult, Sandbox, Workspace
from symphony.core.provenance import Provenance
from symphony.core.review import UNKNOWN, Background
from symphony.core.safety import SafetyRef
from symphony.core.settings import Settings
from symphony.workspace.branch import check_branch
from symphony.workspace.collection import SAVED_SUBJECT
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.memory_best import MemoryBestStates
from symphony.workspace.memory_checkouts import MemoryCheckouts
from symphony.workspace.memory_faults import FAULTS, Fault
from symphony.workspace.memory_folder import HookRun, MemoryFolder
from symphony.workspace.memory_history import MemoryCommit, MemoryHistory, digest
from symphony.workspace.memory_remote import MemoryRemote
from symphony.workspace.memory_reviews import MemoryReviews
from symphony.workspace.memory_train import MemoryTrain
from symphony.workspace.records import in_the_way
from symphony.workspace.refs import safety_prefix
from symphony.workspace.refusals import (
    NOTHING_CHANGED,
    after_create_failed,
    before_remove_failed,
    branch_taken,
    mode_none_note,
    patch_note,
    workspace_missing,
)

HOME = Path("/memory")
ROOT = HOME / "workspaces"
REPOSITORY = HOME / "host.git"
PATCHES = HOME / "patches"
PROJECT: Mapping[str, bytes] = {"README.md": b"a project\n"}


class MemoryWorkspaces:
    """Implements `core.ports.Workspaces`.

    Args:
        project: the files of the source repository's only commit.

    Attributes:
        hook_runs: every hook, in order.
        patches: the bytes of each patch that was handed over.
        removed: the keys of removed workspaces, in order.
    """

    def __init__(self, project: Mapping[str, bytes] = PROJECT) -> None:
        self.hook_runs: list[HookRun] = []
        self.patches: dict[Path, bytes] = {}
        self.remote = MemoryRemote()
        self.removed: list[str] = []
        self.reviews = MemoryReviews(PATCHES, self.patches)
        self.bests = MemoryBestStates(REPOSITORY)
        self._history = MemoryHistory()
        self._base = self._history.add(MemoryCommit(dict(project), "Start", None))
        self.train = MemoryTrain(self._history, self._base)
        self._folders: dict[str, MemoryFolder] = {}
        self._branches: dict[str, str] = {}
        self._safety: dict[str, SafetyRef] = {}
        self._clones: dict[Path, dict[str, bytes]] = {}
        self._clone_numbers = count(1)
        self._faults: list[Fault] = []
        self._hook_results: dict[str, list[HookResult]] = {}

    def fail(self, fault: Fault, times: int = 1) -> None:
        """Let the next `times` occasions fail in this way."""
        self._faults += [fault] * times

    def answer_hook(self, name: str, exit_status: int | None, output: str = "") -> None:
        """Let the next run of a hook end like this; without an answer it ends well."""
        self._hook_results.setdefault(name, []).append(HookResult(name, exit_status, output, 0.0))

    def write(self, workspace: Workspace, name: str, content: bytes | None) -> None:
        """Write a file as the agent would, or delete it."""
        files = self._folders[workspace.key].files
        if content is None:
            del files[name]
        else:
            files[name] = content

    def commit(self, workspace: Workspace, message: str) -> str:
        """Commit everything as the agent would; return the commit."""
        folder = self._folders[workspace.key]
        folder.head = self._history.add(MemoryCommit(dict(folder.files), message, folder.head))
        return folder.head

    def files_of(self, commit: str) -> Mapping[str, bytes]:
        """Return what a commit holds."""
        return dict(self._history.commits[commit].files)

    def files_at(self, path: Path) -> Mapping[str, bytes] | None:
        """Return what a workspace or a delivered clone holds; None when it is not there."""
        for folder in self._folders.values():
            if folder.workspace.path == path:
                return dict(folder.files)
        return self._clones.get(path)

    async def prepare(
        self, issue: Issue, settings: Settings, environment: Mapping[str, str], delivered: str | None = None
    ) -> Workspace:
        """Return the issue's workspace, made if it is not there; runs `after_create` when made.

        Raises:
            WorkspaceError: `workspace.branch_*`, `workspace.after_create_failed`, and as told.
        """
        await asyncio.sleep(0)
        key = workspace_key(issue.id)
        if key in self._folders:
            return self._folders[key].workspace
        branch = check_branch(issue.branch_name) if issue.branch_name else branch_name(issue.id)
        for other in self._folders.values():
            if in_the_way(other.workspace.branch, branch):
                raise branch_taken(other.workspace.issue_id, branch)
        self._meet(Fault.PREPARE)
        workspace = Workspace(issue.id, key, ROOT / key, branch, "main", self._base)
        start = delivered if delivered in self._history.commits else None
        self._branches.pop(branch, None)
        if start is not None:
            self._branches[branch] = start
        head = start or self._base
        self._folders[key] = MemoryFolder(workspace, dict(self._history.commits[head].files), head)
        hooks = settings.in_state(issue.state).hooks
        if hooks.after_create is not None:
            variables = {
                **environment,
                "SYMPHONY_WORKSPACE": str(workspace.path),
                "SYMPHONY_REPO_DIR": settings.workspace.source,
                "SYMPHONY_BRANCH": branch,
                "SYMPHONY_BASE": self._base,
            }
            result = await self.run_hook(
                "after_create", hooks.after_create, workspace.path, variables, hooks.timeout_ms
            )
            if not result.ok:
                del self._folders[key]
                raise after_create_failed(result)
        return replace(workspace, created=True)

    async def find(self, issue_id: str, settings: Settings) -> Workspace | None:  # noqa: ARG002  the port's signature
        """Return the issue's workspace if it exists."""
        await asyncio.sleep(0)
        folder = self._folders.get(workspace_key(issue_id))
        return None if folder is None else folder.workspace

    async def save(self, workspace: Workspace, why: str, at: datetime) -> SafetyRef | None:
        """Keep what lies in the workspace and nowhere else.

        Raises:
            WorkspaceError: `workspace.missing`, and as told.
        """
        await asyncio.sleep(0)
        folder = self._get(workspace)
        self._meet(Fault.SAVE)
        saved = MemoryCommit(dict(folder.files), why, folder.head)
        imported = self._branches.get(workspace.branch, workspace.base_commit)
        held = {workspace.base_commit, imported, *self._history.since(workspace.base_commit, imported)}
        if saved.tree == self._history.commits[folder.head].tree and folder.head in held:
            return None
        before = self._safety.get(workspace.key)
        if before is not None:
            kept = self._history.commits[before.commit]
            if (kept.tree, kept.parent) == (saved.tree, saved.parent):
                return before
        number = int(before.name.rpartition("/")[2]) + 1 if before else 1
        name = f"{safety_prefix(workspace.key)}{number}"
        self._safety[workspace.key] = SafetyRef(name, REPOSITORY, self._history.add(saved), at, why)
        return self._safety[workspace.key]

    async def newest_safety(self, issue_id: str) -> SafetyRef | None:
        """Return the newest of an issue; None when it has none."""
        await asyncio.sleep(0)
        return self._safety.get(workspace_key(issue_id))

    async def run_hook(
        self,
        name: str,
        script: str,
        cwd: Path,
        environment: Mapping[str, str],
        timeout_ms: int,  # noqa: ARG002  the port's signature
    ) -> HookResult:
        """Note the run and end as told."""
        await asyncio.sleep(0)
        self.hook_runs.append(HookRun(name, script, cwd, dict(environment)))
        answers = self._hook_results.get(name)
        return answers.pop(0) if answers else HookResult(name, 0, "", 0.0)

    async def fingerprint(self, workspace: Workspace) -> str:
        """Return a value that changes when any commit or file in the workspace does."""
        await asyncio.sleep(0)
        folder = self._get(workspace)
        return digest((folder.head.encode(), MemoryCommit(folder.files, "", None).tree.encode()))

    async def collect(self, workspace: Workspace, sandbox: Sandbox | None) -> Imported:
        """Take over the commits when there is a sandbox, and the files in any case.

        Raises:
            WorkspaceError: `workspace.missing`, and as told.
        """
        await asyncio.sleep(0)
        folder = self._get(workspace)
        self._meet(Fault.IMPORT)
        known = self._branches.get(workspace.branch, workspace.base_commit)
        tip = known if sandbox is None else folder.head
        saved = MemoryCommit(dict(folder.files), SAVED_SUBJECT, tip)
        head = tip if saved.tree == self._history.commits[tip].tree else self._history.add(saved)
        self._branches[workspace.branch] = head
        return Imported(
            branch=workspace.branch,
            base_commit=workspace.base_commit,
            head_commit=head,
            head_tree=self._history.commits[head].tree,
            commits=len(list(self._history.since(workspace.base_commit, head))),
            saved_uncommitted=head != tip,
        )

    async def search(self, imported: Imported) -> Searched:
        """Look for secrets in what the branch adds to its base."""
        await asyncio.sleep(0)
        return self._history.search(imported.base_commit, imported.head_commit)

    async def stamp(self, imported: Imported, provenance: Provenance, settings: Settings) -> Imported:
        """Put the trailers on the messages; its commits have neither authors nor times."""
        await asyncio.sleep(0)
        return self._history.stamp(imported, provenance) if settings.handoff.trailers else imported

    async def hand_off(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background = UNKNOWN,  # noqa: ARG002  the port's signature
        url: str = "",
    ) -> Handoff:
        """Keep the patch in `patches`; repeating it gives the same bytes. With a `url` there is none.

        Raises:
            WorkspaceError: as told.
        """
        await asyncio.sleep(0)
        head = imported.head_commit
        if settings.handoff.mode == "none":
            return Handoff("none", mode_none_note(imported, REPOSITORY), head_commit=head)
        if self._history.commits[imported.base_commit].tree == imported.head_tree:
            return Handoff("none", NOTHING_CHANGED, head_commit=head)
        self._meet(Fault.HAND_OFF)
        if url:
            return Handoff("pull_request", self.reviews.propose(workspace), url=url, head_commit=head)
        patch = PATCHES / f"agent_{workspace.key}.patch"
        unread = self.reviews.put(patch, self._history.mailbox(imported, completion))
        note = patch_note(imported.commits, patch, workspace.base, imported.base_commit)
        note = f"{note} {unread}".rstrip()
        return Handoff("patch", note, patch=patch, head_commit=head)

    async def push(self, workspace: Workspace, imported: Imported, settings: Settings) -> Pushed | None:
        """Put the commit on the branch in `remote`, or fail as told."""
        await asyncio.sleep(0)
        if self._history.commits[imported.base_commit].tree == imported.head_tree:
            return None
        self._meet(Fault.PUSH)
        return self.remote.take(workspace, imported, settings.handoff.remote)

    @asynccontextmanager
    async def open_checkouts(self, workspace: Workspace) -> AsyncIterator[MemoryCheckouts]:
        """Hold a place for checkouts, under whose paths `files_at` finds their files."""
        await asyncio.sleep(0)
        self._get(workspace)
        yield MemoryCheckouts(ROOT / f".checking-{workspace.key}", self._clones, self.files_of)

    @asynccontextmanager
    async def delivered_clone(self, imported: Imported) -> AsyncIterator[Path]:
        """Hold a path under which `files_at` finds the delivered files."""
        await asyncio.sleep(0)
        path = HOME / f"delivered-{next(self._clone_numbers)}"
        self._clones[path] = dict(self._history.commits[self._branches[imported.branch]].files)
        try:
            yield path
        finally:
            del self._clones[path]

    async def remove(self, workspace: Workspace, settings: Settings, environment: Mapping[str, str]) -> None:
        """Run `before_remove` and forget the workspace; repeating it does nothing.

        Raises:
            WorkspaceError: `workspace.before_remove_failed` with the workspace gone, and as told
                with the workspace still there.
        """
        await asyncio.sleep(0)
        if workspace.key not in self._folders:
            return
        result: HookResult | None = None
        if settings.hooks.before_remove is not None:
            result = await self.run_hook(
                "before_remove",
                settings.hooks.before_remove,
                workspace.path,
                environment,
                settings.hooks.timeout_ms,
            )
        self._meet(Fault.REMOVE)
        self._folders.pop(workspace.key, None)
        self.removed.append(workspace.key)
        if result is not None and not result.ok:
            raise before_remove_failed(result)

    def _get(self, workspace: Workspace) -> MemoryFolder:
        folder = self._folders.get(workspace.key)
        if folder is None:
            raise workspace_missing(workspace.path)
        return folder

    def _meet(self, fault: Fault) -> None:
        """Fail if this occasion is to fail."""
        if fault in self._faults:
            self._faults.remove(fault)
            code, message = FAULTS[fault]
            raise WorkspaceError(message, code=code)
