"""Locks that a killed git left in the repository that only the host writes.

git has no way to tell a lock of its own from one whose owner is dead, and refuses to work for ever.
Every command that may lock something passes through here, so that it is known when none runs: a lock
that is there then has no owner. Called by `host_repository` and `git_command`.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil

from symphony.core.ports import RunResult
from symphony.host.process_tree import end_all
from symphony.workspace.errors import explain_disk

LOCK = ".lock"


class Locks:
    """The locks of one repository."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self._gate = asyncio.Lock()
        self._running = 0
        self._left_by_dead_run = True
        self._doubtful = True

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[None]:
        """Hold the repository for one command; nothing is cleared meanwhile."""
        async with self._gate:
            self._running += 1
        try:
            yield
        except BaseException:  # it was cancelled, and so killed
            self._doubtful = True
            raise
        finally:
            self._running -= 1

    def note(self, result: RunResult) -> None:
        """Take from how a command ended whether it left, or met, a lock."""
        killed = result.exit_status is None or result.exit_status < 0
        self._doubtful = self._doubtful or killed or LOCK.encode() in result.stderr

    async def clear(self) -> None:
        """Delete what nobody holds, if there may be any and no command runs; else the next call does.

        Raises:
            WorkspaceError: `workspace.permission_denied` and others.
        """
        async with self._gate:
            if not self._doubtful or self._running:
                return
            if self._left_by_dead_run:
                await end_all(self._find_commands)
                self._left_by_dead_run = False
            await asyncio.to_thread(self._delete)
            self._doubtful = False

    def _find_commands(self) -> Sequence[psutil.Process]:
        """Return the commands of a dead run that still work in the repository."""
        mark, found = f"--git-dir={self._repository}", []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _delete(self) -> None:
        with explain_disk(f"delete the locks in {self._repository}"):
            for folder, pattern in (
                (self._repository, f"*{LOCK}"),
                (self._repository / "refs", f"**/*{LOCK}"),
            ):
                for lock in folder.glob(pattern):
                    lock.unlink(missing_ok=True)
