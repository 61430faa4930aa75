"""Per-issue git workspaces and what is handed over from them [CONTRACT 8, 9]."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from symphony.core.best import BestState, Checked
from symphony.core.forge import Pushed
from symphony.core.handoff import Completion, Handoff, Imported, Searched
from symphony.core.issue import Issue
from symphony.core.ports.reviews import Reviews
from symphony.core.ports.sandbox import Sandbox
from symphony.core.ports.train import Train
from symphony.core.provenance import Provenance
from symphony.core.review import UNKNOWN, Background
from symphony.core.safety import SafetyRef
from symphony.core.settings import Settings
from symphony.core.train import TrainMerge

OUTPUT_SHOWN = 500  # characters of a failed hook that fit into a reason


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder in which an agent works on one issue.

    Attributes:
        key: the folder's name under `workspace.root`.
        path: the folder on the host.
        branch: the branch that is checked out in it.
        base, base_commit: what the branch started from.
        created: whether this call made it.
    """

    issue_id: str
    key: str
    path: Path
    branch: str
    base: str
    base_commit: str
    created: bool = False


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook or a check ended.

    Attributes:
        exit_status: None when it was killed at its timeout.
        output: stdout and stderr together, at most 64 KiB, the end kept.
    """

    name: str
    exit_status: int | None
    output: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Say whether it ended with status 0."""
        return self.exit_status == 0

    def failure(self) -> str:
        """Return one sentence on how a hook failed, with the end of its output."""
        how = "was killed at its timeout" if self.exit_status is None else f"exited {self.exit_status}"
        return f"The hook {self.name} {how}: {self.output[-OUTPUT_SHOWN:].strip() or 'no output'}"


class Checkouts(Protocol):
    """Where clean checkouts of one workspace's branch are made, in the reach of its sandbox."""

    @property
    def folder(self) -> Path:
        """The folder that holds them, beside the workspace; the guest sees it at the same path."""
        ...

    def checkout(self, imported: Imported, sandbox: Sandbox) -> AbstractAsyncContextManager[Path]:
        """Hold a clean checkout of an imported commit, which programs of the sandbox own and may change.

        Raises:
            WorkspaceError: on entering, `workspace.*`: it is not there, or the branch is not at that commit.
        """
        ...

    async def show(self, merge: TrainMerge, sandbox: Sandbox) -> bool:
        """Bring what a merge was made onto into the workspace's own repository, as `core.train.GUEST_REF`.

        It is the sandbox's git that takes it; False when that did not.

        Raises:
            WorkspaceError: `workspace.*`: it could not be laid before it.
        """
        ...


class BestStates(Protocol):
    """The best of each issue's work while checks fail on it."""

    async def of(self, issue_id: str) -> BestState | None:
        """Return it, without writing anything; None when there is none.

        Raises:
            WorkspaceError: whatever git says.
        """
        ...

    async def keep(self, issue_id: str, checked: Checked) -> BestState:
        """Note work that checks fail on, which was imported, and keep it if none was better.

        Raises:
            WorkspaceError: whatever git says; nothing has changed.
        """
        ...

    async def forget(self, issue_id: str) -> None:
        """Let go of it; repeating it does nothing.

        Raises:
            WorkspaceError: whatever git says.
        """
        ...


class Workspaces(Protocol):
    """Per-issue git workspaces and what is handed over from them [CONTRACT 8, 9].

    Everything that runs git for the host works in the repository that only the host writes.
    """

    @property
    def bests(self) -> BestStates:
        """The best states of all issues."""
        ...

    @property
    def reviews(self) -> Reviews:
        """What was handed over, as its reviewer sees it."""
        ...

    @property
    def train(self) -> Train:
        """The merge train."""
        ...

    async def prepare(
        self, issue: Issue, settings: Settings, environment: Mapping[str, str], delivered: str | None = None
    ) -> Workspace:
        """Return the issue's workspace, made if it is not there; runs `after_create` when made.

        A new one starts at the base; with a commit that was `delivered` and sent back it starts there,
        and the base stays what the work began from.

        Raises:
            WorkspaceError: `workspace.*`, with the remedy.
        """
        ...

    async def find(self, issue_id: str, settings: Settings) -> Workspace | None:
        """Return the issue's workspace if it exists, without making or changing anything."""
        ...

    async def save(self, workspace: Workspace, why: str, at: datetime) -> SafetyRef | None:
        """Keep what lies in the workspace and nowhere else, before something touches it.

        Files that were changed, staged or are new and not ignored, and commits that were never imported.
        The workspace is only read, as a stranger's.

        Returns:
            The ref that holds it, which is the one before when nothing has changed since; None when
            there is nothing of that kind.

        Raises:
            WorkspaceError: `workspace.*`; the workspace is untouched.
        """
        ...

    async def newest_safety(self, issue_id: str) -> SafetyRef | None:
        """Return the newest safety ref of an issue, without writing anything; None when it has none."""
        ...

    async def run_hook(
        self, name: str, script: str, cwd: Path, environment: Mapping[str, str], timeout_ms: int
    ) -> HookResult:
        """Run one hook to its end or its timeout; never raises for what the script does."""
        ...

    async def fingerprint(self, workspace: Workspace) -> str:
        """Return a value that changes when any commit or file in the workspace does."""
        ...

    async def collect(self, workspace: Workspace, sandbox: Sandbox | None) -> Imported:
        """Bring branch and uncommitted work into the host's repository, as from a stranger.

        Raises:
            WorkspaceError: `workspace.import_failed` and others; the workspace is untouched then.
        """
        ...

    async def search(self, imported: Imported) -> Searched:
        """Look for secrets in what an imported branch adds to its base; nothing is written.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        ...

    async def stamp(self, imported: Imported, provenance: Provenance, settings: Settings) -> Imported:
        """Make what leaves of an imported branch: the same files, in commits that say whose they are.

        Repeating it gives the same commits; those of an earlier handoff stay as they left.

        Raises:
            WorkspaceError: `handoff.not_signed`; `workspace.*`.
        """
        ...

    async def hand_off(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background = UNKNOWN,
        url: str = "",
    ) -> Handoff:
        """Write the patch, and beside it what a reviewer should know; repeating it gives the same result.

        Of work that has become the pull request `url` only the latter is written, and an earlier patch goes.

        Raises:
            WorkspaceError: `handoff.*`.
        """
        ...

    async def push(self, workspace: Workspace, imported: Imported, settings: Settings) -> Pushed | None:
        """Bring the branch to `handoff.remote`; repeating it changes nothing there.

        What others have pushed to the branch stays: the work's own commits are put on top of it.

        Returns:
            None when nothing has changed since the base.

        Raises:
            WorkspaceError: `handoff.push_*`, `handoff.remote_*`, `workspace.*`; the work is as it was.
        """
        ...

    def open_checkouts(self, workspace: Workspace) -> AbstractAsyncContextManager[Checkouts]:
        """Hold an empty folder for checkouts, which goes with all that is in it: leave no program there.

        Raises:
            WorkspaceError: on entering, `workspace.*`.
        """
        ...

    def delivered_clone(self, imported: Imported) -> AbstractAsyncContextManager[Path]:
        """Return a context that holds a checkout of the branch as it leaves, or as it was imported."""
        ...

    async def remove(self, workspace: Workspace, settings: Settings, environment: Mapping[str, str]) -> None:
        """Run `before_remove` and delete the workspace; call only when its work is delivered."""
        ...
