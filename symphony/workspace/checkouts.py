"""Clean checkouts of imported branches, in the reach of a sandbox and out of the workspace.

Called by `workspaces`. The host makes each one where no guest can write, from what it has imported,
and moves it as a whole into the folder that the guest sees; git never runs there for the host. What
programs do to it is theirs alone: nothing of it is ever read again.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.handoff import Imported
from symphony.core.ports import Sandbox, Workspace
from symphony.core.train import GUEST_REF, TrainMerge
from symphony.workspace.clone import make_clone
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.folder import MAKING, delete_folder, hidden_name
from symphony.workspace.git_command import TRANSFER_TIMEOUT, host_git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import shown_ref
from symphony.workspace.source import FALLBACK_EMAIL, FALLBACK_NAME, Person

CHECKING = "checking"
BUNDLE = "train.bundle"
SHOW_TIMEOUT = 600.0  # seconds for the sandbox's git to take what it is shown, on a slow machine
CLEAR_TIMEOUT = 60.0  # seconds for the sandbox to delete a checkout; what is left goes with the folder


class GitCheckouts:
    """The checkouts of one workspace; a `core.ports.Checkouts`."""

    def __init__(self, repository: HostRepository, installation: Path, workspace: Workspace) -> None:
        self._repository = repository
        parent, key = workspace.path.parent, workspace.key
        self._base = workspace.base_commit
        self._making = hidden_name(parent, installation, f"{CHECKING}-{MAKING}", key)
        self.folder = hidden_name(parent, installation, CHECKING, key)

    async def open(self) -> None:
        """Make the folder, empty.

        Raises:
            WorkspaceError: `workspace.disk_full` and others.
        """
        await self.close()
        with explain_disk(f"make the folder {self.folder}"):
            await asyncio.to_thread(self.folder.mkdir)

    async def close(self) -> None:
        """Delete the folder with all that is in it; repeating it does nothing."""
        await asyncio.to_thread(delete_folder, self._making)
        await asyncio.to_thread(delete_folder, self.folder)

    @asynccontextmanager
    async def checkout(self, imported: Imported, sandbox: Sandbox) -> AsyncIterator[Path]:
        """Hold a clean checkout of an imported commit, which programs of the sandbox own and may change.

        Raises:
            WorkspaceError: on entering, `workspace.branch_moved`; `workspace.disk_full` and others.
        Cancellation: it stays until `close`.
        """
        await asyncio.to_thread(delete_folder, self._making)
        person = Person(FALLBACK_NAME, FALLBACK_EMAIL)
        branch, ref = imported.branch, imported.ref or f"refs/heads/{imported.branch}"
        await make_clone(self._making, self._repository.path, ref, branch, person)
        head = await host_git(self._making).line("rev-parse", "--verify", "HEAD^{commit}")
        if head != imported.head_commit:
            raise WorkspaceError(
                f"The branch {branch} is at {head[:12]}, not at {imported.head_commit[:12]} any more.",
                code="workspace.branch_moved",
                remedy="symphony tries again by itself.",
            )
        target = await self._lay_before(sandbox)
        yield target
        await self._clear(target, sandbox)

    async def show(self, merge: TrainMerge, sandbox: Sandbox) -> bool:
        """Bring what a merge was made onto into the workspace's own repository, by the sandbox's git.

        Raises:
            WorkspaceError: `workspace.*`: it could not be laid before it.
        """
        await asyncio.to_thread(delete_folder, self._making)
        with explain_disk(f"make the folder {self._making}"):
            await asyncio.to_thread(self._making.mkdir)
        ref = shown_ref(merge.onto)
        git = self._repository.git
        await git.run("update-ref", ref, merge.onto)
        bundle = self._making / BUNDLE
        await git.run(
            "bundle", "create", "--quiet", str(bundle), ref, f"^{self._base}", timeout_s=TRANSFER_TIMEOUT
        )
        target = await self._lay_before(sandbox)
        words = ("git", "--git-dir=.git", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head")
        try:
            fetched = await sandbox.run(
                (*words, str(target / BUNDLE), f"+{ref}:{GUEST_REF}"), timeout_s=SHOW_TIMEOUT
            )
        except SymphonyError:
            return False
        finally:
            await self._clear(target, sandbox)
        return fetched.exit_status == 0

    async def _lay_before(self, sandbox: Sandbox) -> Path:
        """Move what was made into the folder that the sandbox sees; return its place."""
        target = self.folder / uuid.uuid4().hex[:12]  # a guest cannot know it, and has nothing of it cached
        await sandbox.lend(self._making)
        with explain_disk(f"make {target}"):
            await asyncio.to_thread(self._making.rename, target)
        return target

    async def _clear(self, target: Path, sandbox: Sandbox) -> None:
        with suppress(SymphonyError):
            await sandbox.run(("rm", "-rf", "--", str(target)), timeout_s=CLEAR_TIMEOUT)
