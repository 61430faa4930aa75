"""The merge train's branch in the user's repository: read, and moved from one commit to the next.

Nothing else of that repository is touched: no file, no index, no other ref, and no hook runs. Called by
`train` and by `symphony train`.
"""

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from symphony.core.text import one_line
from symphony.core.train import TrainStopped
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, ending, git_words
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.source import Base, Source

WORDS_SHOWN = 300


class TrainBranch:
    """One branch of one source repository.

    Attributes:
        name: the branch.
        ref: in full.
    """

    def __init__(self, source: Source, name: str) -> None:
        self._source = source
        self.name = name
        self.ref = f"refs/heads/{name}"

    async def open(self, wanted_base: str | None) -> Base:
        """Return what work starts from, once it is sure that there can be a train beside it.

        Raises:
            TrainStopped: `train.source_is_remote`, `train.is_base`.
            WorkspaceError: `workspace.source_*`, `workspace.base_not_found`.
        """
        if self._source.folder is None:
            raise TrainStopped(
                f"The merge train needs a repository on this machine, and workspace.source is"
                f" {self._source.shown}.",
                code="train.source_is_remote",
                remedy="Set workspace.source to a clone of it, or merge_train.branch to null.",
            )
        await self._source.open()
        base = await self._source.find_base(wanted_base)
        if base.ref == self.ref:
            raise TrainStopped(
                f"The merge train's branch {self.name} is what work starts from.",
                code="train.is_base",
                remedy="Set workspace.base, or check out the base in the source repository.",
            )
        return base

    async def seen(self) -> str:
        """Return where the branch stands; empty when there is none.

        Raises:
            WorkspaceError: whatever git says.
        """
        found = await self._git.ask("rev-parse", "--verify", "--quiet", f"{self.ref}^{{commit}}")
        return found.stdout.decode().strip() if found.exit_status == 0 else ""

    async def fetch(self, repository: HostRepository, target: str) -> str:
        """Bring the branch into the host's repository under a name; return its commit.

        Raises:
            WorkspaceError: whatever git says.
        """
        return await repository.fetch(self._source.git, self._source.url, self.ref, target)

    async def take(self, repository: HostRepository, ref: str) -> None:
        """Bring the objects of a ref of the host's repository into the source, without any name for them.

        Raises:
            WorkspaceError: whatever git says.
        """
        await self._git.run(
            "-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--no-auto-maintenance", "--refmap=", "--", str(repository.path), ref,
            timeout_s=TRANSFER_TIMEOUT,
        )  # fmt: skip

    async def move(self, new: str, old: str, why: str) -> bool:
        """Move the branch to a commit that is in the source, if it stands where it is thought to.

        Args:
            new: a full object id.
            old: where it stands; empty for nowhere.
            why: for the branch's reflog.

        Raises:
            TrainStopped: `train.refused`: git does not move it.
            WorkspaceError: whatever ended git, which leaves no lock on the branch.
        """
        lock = await self._lock()
        held = await asyncio.to_thread(os.path.lexists, lock)  # by somebody else
        left: tuple[str, ...] = (new,)  # what a git that was asked to end may not have taken away
        try:
            moved = await self._git.ask("update-ref", "-m", f"symphony: {why}", self.ref, new, old)
            left = ("", new) if (moved.exit_status or 0) < 0 else ()
        except WorkspaceError as error:
            if error.code == "workspace.git_failed":  # killed, maybe before it wrote
                left = ("", new)
            raise
        finally:
            if left and not held:
                _unlock(lock, left)
        if moved.exit_status == 0:
            return True
        if await self.seen() != old:
            return False
        said = f"it {ending(moved.exit_status or 0)}"
        raise TrainStopped(
            f"git does not move {self.name}: {one_line(git_words(moved) or said, WORDS_SHOWN)}",
            code="train.refused",
            remedy="Mend what git names, or set merge_train.branch to another name.",
        )

    async def check_free(self) -> None:
        """Make sure that the branch is checked out nowhere: files there would not follow it.

        Raises:
            TrainStopped: `train.checked_out`.
        """
        listing = await self._git.run("worktree", "list", "--porcelain", "-z")
        for entry in listing.decode("utf-8", "surrogateescape").split("\0\0"):
            lines = entry.split("\0")
            if f"branch {self.ref}" in lines and "bare" not in lines:
                folder = lines[0].removeprefix("worktree ")
                raise TrainStopped(
                    f"The merge train's branch {self.name} is checked out in {folder}.",
                    code="train.checked_out",
                    remedy=f"Check out another branch there: `git -C {folder} switch -`.",
                )

    async def _lock(self) -> Path:
        """Return the file that git makes while it moves the branch."""
        said = await self._git.run("rev-parse", "--git-path", f"{self.ref}.lock")
        return (self._source.folder or Path()) / os.fsdecode(said.rstrip(b"\n"))

    @property
    def _git(self) -> Git:
        return self._source.own_git.with_options("-c", "core.hooksPath=/dev/null")


def _unlock(lock: Path, contents: Collection[str]) -> None:
    """Delete a lock that holds nothing else than what the git that left it was to write."""
    with suppress(OSError):
        if lock.read_bytes().decode("utf-8", "replace").strip() in contents:
            lock.unlink()
