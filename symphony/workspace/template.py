"""A clone of the base that new workspaces are copied from, where the file system lets files share blocks.

On XFS and Btrfs such a copy takes next to no room, and it is the guest's alone all the same: the file system
makes a block of its own for whatever either of them writes. Elsewhere each workspace is a clone. Called by
`making`.
"""

import asyncio
import fcntl
import hashlib
import tempfile
from pathlib import Path

from symphony.host.process import run_group
from symphony.workspace.clone import make_clone
from symphony.workspace.errors import explain_disk
from symphony.workspace.folder import delete_folder
from symphony.workspace.git_command import TRANSFER_TIMEOUT, closed_environment, host_git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.source import Person

BRANCH = "symphony-template"
MAKING = "making"
FICLONE = 0x40049409  # Linux's request to let one file share another's blocks
BLOCK = 4096  # bytes


class Templates:
    """The one template of an installation: that of the base as it was last asked for."""

    def __init__(self, folder: Path, repository: HostRepository) -> None:
        self._folder = folder
        self._repository = repository
        self._copying = asyncio.Lock()
        self._shared: dict[int, bool] = {}

    async def copy(self, ref: str, commit: str, target: Path, branch: str, person: Person) -> bool:
        """Make at `target` what `make_clone` makes, from blocks that are shared.

        Args:
            ref: of the host's repository; it names the commit.
            commit: the base.
            target: does not exist.
            branch: the only one.
            person: who commits there.

        Returns:
            False when the file system does not do it; nothing is at the target then.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        if not await self.is_shared(target.parent):
            return False
        async with self._copying:
            template = await self._template(ref, commit, person)
            copied = await run_group(
                ("cp", "--archive", "--reflink=always", "--", str(template), str(target)),
                cwd=self._folder,
                env=closed_environment(),
                timeout_s=TRANSFER_TIMEOUT,
            )
        if copied.exit_status != 0:  # a full disk among others, of which the clone will tell
            await asyncio.to_thread(delete_folder, target)
            return False
        git = host_git(target)
        await git.run("branch", "--move", BRANCH, branch)
        await git.ask("update-index", "-q", "--refresh")  # copies are files of their own to git
        return True

    async def is_shared(self, root: Path) -> bool:
        """Say whether files in a folder can share blocks with the template's.

        Raises:
            WorkspaceError: `workspace.disk_full` and others.
        """
        with explain_disk(f"make {self._folder}"):
            return await asyncio.to_thread(self._shares_with, root)

    async def _template(self, ref: str, commit: str, person: Person) -> Path:
        tags = await self._repository.git.line(
            "for-each-ref", "--format=%(objectname)%(refname)", "refs/tags"
        )
        wanted = "\0".join((commit, person.name, person.email, tags))
        template = self._folder / hashlib.sha256(wanted.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        if await asyncio.to_thread(template.is_dir):
            return template
        await asyncio.to_thread(self._clear)
        making = self._folder / MAKING
        await make_clone(making, self._repository.path, ref, BRANCH, person)
        with explain_disk(f"make {template}"):
            await asyncio.to_thread(making.rename, template)
        return template

    def _clear(self) -> None:
        with explain_disk(f"read {self._folder}"):
            old = [*self._folder.iterdir()]
        for path in old:
            delete_folder(path)

    def _shares_with(self, root: Path) -> bool:
        self._folder.mkdir(parents=True, exist_ok=True)
        device = root.stat().st_dev
        if device not in self._shared:
            with tempfile.TemporaryFile(dir=self._folder) as ours, tempfile.TemporaryFile(dir=root) as theirs:
                ours.write(bytes(BLOCK))
                ours.flush()
                try:
                    fcntl.ioctl(theirs, FICLONE, ours.fileno())
                    self._shared[device] = True
                except OSError:
                    self._shared[device] = False
        return self._shared[device]
