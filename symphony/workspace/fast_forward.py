"""The fast-forward by which a patch reaches the user's branch and files: as a whole, or not at all.

What is begun is written down first. When git is killed or fails in its middle, what it did is taken back at
once; when symphony dies as well, by the next `symphony apply`. Called by applying.py.
"""

import asyncio
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from symphony.core.text import first_of, one_line
from symphony.host.durable import write_durably
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, git_words
from symphony.workspace.half_applied import NAMES_SHOWN, take_back
from symphony.workspace.way import in_the_way

ARRIVED = "refs/symphony/applied"  # keeps what is to be reached until it is
WORDS_SHOWN = 300  # characters of what git said
OR_BRANCH = "or give `--branch NAME`, which leaves your files alone."


@dataclass(frozen=True, slots=True)
class Begun:
    """A fast-forward that may not have ended.

    Attributes:
        onto, goal: the commits that it leads from and to.
        log_bytes: how long HEAD's log was; once it has grown, the branch has a later story.
    """

    onto: str
    goal: str
    log_bytes: int


class FastForward:
    """Moves the branch that is checked out in a folder, and its files."""

    def __init__(self, git: Git, folder: Path, records: Path) -> None:
        """Take git in the top folder of the user's files, that folder, and where to write what is begun."""
        self._git = git
        self._folder = folder
        self._record = records / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"

    async def recover(self) -> None:
        """Take back what one that was cut off has left; nothing if the branch has moved since.

        Raises:
            WorkspaceError: `apply.cut_off`.
        """
        begun = await asyncio.to_thread(self._read)
        if begun is not None:
            known = await self._git.ask("cat-file", "-e", f"{begun.goal}^{{commit}}")
            here = Begun(await self._head(), begun.goal, await self._log_bytes())
            if known.exit_status == 0 and here == begun:
                await take_back(self._git, self._folder, begun.goal, just_now=False)
            await self._forget()

    async def go(self, goal: str) -> None:
        """Bring the branch and the files to a commit that is ahead of them, and that `ARRIVED` names.

        The files have no changes when it begins.

        Raises:
            WorkspaceError: `apply.in_the_way`, `apply.refused` or git's end, and nothing was changed;
                `apply.cut_off`: it could not be taken back yet.
        Cancellation: what git has done is taken back first.
        """
        if names := await in_the_way(self._git, self._folder, goal):
            await self._forget()
            raise WorkspaceError(
                f"{self._folder} has files that no commit has, where the patch adds some: "
                f"{first_of(names, NAMES_SHOWN)}.",
                code="apply.in_the_way",
                remedy=f"Move them out of the way, {OR_BRANCH}",
            )
        locks = await self._free_locks()
        await self._begin(goal)
        refused = f"{self._folder} could not be brought to {goal[:12]}, and nothing was changed"
        try:
            moved = await self._git.ask(
                "merge", "--ff-only", "--no-squash", "--no-overwrite-ignore", "--quiet", goal,
                timeout_s=TRANSFER_TIMEOUT,
            )  # fmt: skip
        except (WorkspaceError, asyncio.CancelledError) as error:
            await asyncio.to_thread(_delete, locks)  # whoever held them is gone, and was this git
            if await self._undo(goal):
                return
            if not isinstance(error, WorkspaceError):
                raise
            raise WorkspaceError(
                f"{refused}: {error.message}", code=error.code, remedy=error.remedy
            ) from error
        if moved.exit_status == 0:
            await self._forget()
        elif not await self._undo(goal):
            raise WorkspaceError(
                f"{refused}: {one_line(git_words(moved), WORDS_SHOWN)}",
                code="apply.refused",
                remedy=f"Mend what git names, {OR_BRANCH}",
            )

    async def _undo(self, goal: str) -> bool:
        """Take back what a git that has ended did; return whether it had reached its goal instead."""
        reached = await self._head() == goal
        if not reached:
            await take_back(self._git, self._folder, goal, just_now=True)
        await self._forget()
        return reached

    async def _head(self) -> str:
        return await self._git.line("rev-parse", "--verify", "HEAD^{commit}")

    async def _log_bytes(self) -> int:
        log = await self._git.path("logs/HEAD")
        with explain_disk(f"look at {log}"):
            return await asyncio.to_thread(lambda: log.stat().st_size if log.exists() else -1)

    async def _free_locks(self) -> list[Path]:
        """Return the locks that a git which moves the branch takes, those that nobody holds."""
        branch = (await self._git.ask("symbolic-ref", "--quiet", "HEAD")).stdout.decode().strip()
        names = ["index.lock", "HEAD.lock", *([f"{branch}.lock"] if branch else [])]
        locks = [await self._git.path(name) for name in names]
        return await asyncio.to_thread(lambda: [lock for lock in locks if not lock.exists()])

    async def _begin(self, goal: str) -> None:
        begun = Begun(await self._head(), goal, await self._log_bytes())
        with explain_disk(f"write {self._record}"):
            await asyncio.to_thread(self._record.parent.mkdir, parents=True, exist_ok=True)
            await asyncio.to_thread(write_durably, self._record, json.dumps(asdict(begun)).encode())

    def _read(self) -> Begun | None:
        try:
            with explain_disk(f"read {self._record}"):
                if not self._record.exists():
                    return None
                return Begun(**json.loads(self._record.read_bytes()))
        except (ValueError, TypeError):
            return None

    async def _forget(self) -> None:
        await self._git.ask("update-ref", "-d", ARRIVED)
        with explain_disk(f"delete {self._record}"):
            await asyncio.to_thread(self._record.unlink, missing_ok=True)


def _delete(locks: list[Path]) -> None:
    for lock in locks:
        lock.unlink(missing_ok=True)
