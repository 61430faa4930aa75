"""The commits of a workspace taken in as a stranger's files: no git runs with its `.git` [DESIGN Trust].

Called where no sandbox is open and nothing may touch the workspace. Names and objects are copied as
bytes into a repository that the host makes for it and that borrows the host's objects. What the names
lead to there is packed and goes through the same checks as a bundle.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from symphony.core.ports import RunResult
from symphony.workspace.bundle import BUNDLE_LIMIT, BadBundle, add_pack
from symphony.workspace.errors import DISK_FULL, PERMISSION_DENIED
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, git_failure, host_git
from symphony.workspace.guest_git import Reader
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.reading import in_thread

TIPS_ALONE = 20  # names that are tried one by one when they cannot be taken in together


class GuestHistory:
    """One workspace's history while it is taken in.

    Attributes:
        head: the commit that is checked out, once it is in the host's repository.
        tips: all commits that arrived or were there and have a name, `head` included.
        index: the index's bytes.
        packs: the names of the packs that are known now.
        trouble: why something could not be read, in words; empty when all could.
    """

    def __init__(
        self, repository: HostRepository, workspace: Path, folder: Path, packs: Sequence[str] = ()
    ) -> None:
        """Take the host's repository, the workspace, a folder to be made, and packs that hold the base."""
        self._repository = repository
        self._workspace = workspace
        self._folder = folder
        self._git = host_git(folder, f"--git-dir={folder}")
        self.head: str | None = None
        self.tips: tuple[str, ...] = ()
        self.index = b""
        self.packs = tuple(packs)
        self.trouble = ""

    async def take_in(self, held: Iterable[str]) -> None:
        """Bring all named commits that are not held into the host's repository.

        Raises:
            WorkspaceError: `workspace.disk_full` and the like on the host's side.
        """
        reader = Reader(self._workspace)
        claims = await in_thread(reader.claims, reader.stop)
        self.index = claims.index
        await host_git(self._folder.parent).run("init", "--quiet", "--bare", "--template=", str(self._folder))
        await asyncio.to_thread(self._repository.lend_objects, self._folder)
        await self._copy_loose(claims.loose)
        names = [claims.head, *claims.tips]
        known = {name.encode() for name in self.packs}
        found = await self._resolve(names)
        # a pack that came with the clone is read only when something is missing without it
        for packs in ([name for name in claims.packs if name not in known], claims.packs):
            if packs and (packs is not claims.packs or len(found) < len({*filter(None, names)})):
                await self._copy_packs(packs)
                found = await self._resolve(names)
        if claims.head not in found:
            self.trouble = self.trouble or "what is checked out cannot be read"
            for name in claims.before[:TIPS_ALONE]:
                if fallback := await self._resolve([name]):
                    claims.head, found = name, found | fallback
                    break
        await self._bring(tuple(dict.fromkeys(found.values())), tuple(held))
        self.head = found.get(claims.head) if found.get(claims.head) in self.tips else None
        self.packs = tuple(name.decode() for name in claims.packs)

    async def bring(self, commit: str, held: Iterable[str]) -> bool:
        """Bring one commit that was made in the borrowed repository into the host's."""
        await self._bring((commit,), tuple(held))
        return commit in self.tips

    @property
    def git(self) -> Git:
        """Git in the repository that holds the copies and borrows the host's objects."""
        return self._git

    async def _copy_loose(self, names: Sequence[bytes]) -> None:
        if not names:
            return
        said = await self._repository.git.run("cat-file", "--batch-check", stdin=b"\n".join(names) + b"\n")
        missing = [line[:-8] for line in said.splitlines() if line.endswith(b" missing")]
        reader = Reader(self._workspace)
        copy = partial(reader.copy_objects, missing, self._folder / "objects")
        passed_over = await in_thread(copy, reader.stop)
        if passed_over:
            self.trouble = f"{passed_over} of its objects cannot be read"

    async def _copy_packs(self, names: Sequence[bytes]) -> None:
        for name in names:
            copy = self._folder / "guest.pack"
            reader = Reader(self._workspace)
            if not await in_thread(partial(reader.copy_pack, name, copy), reader.stop):
                self.trouble = "a pack of its objects cannot be read"
                continue
            result = await self._git.ask(
                "index-pack",
                "--fix-thin",
                f"--max-input-size={BUNDLE_LIMIT}",
                "--stdin",
                stdin_file=copy,
                timeout_s=TRANSFER_TIMEOUT,
            )
            if result.exit_status != 0:
                self._note(result)

    async def _resolve(self, names: Sequence[str]) -> dict[str, str]:
        """Return the commit for each of the names that leads to one here."""
        wanted = list(dict.fromkeys(filter(None, names)))
        if not wanted:
            return {}
        lines = "".join(f"{name}^{{commit}}\n" for name in wanted).encode()
        result = await self._git.ask("cat-file", "--batch-check", stdin=lines)
        said = result.stdout.decode().splitlines()
        return {
            name: line.split(" ")[0]
            for name, line in zip(wanted, said, strict=False)
            if " commit " in f"{line} "
        }

    async def _bring(self, commits: tuple[str, ...], held: tuple[str, ...]) -> None:
        if await self._pack_and_add(commits, held):
            self.tips += commits
            return
        for commit in commits[:TIPS_ALONE]:
            if await self._pack_and_add((commit,), held):
                self.tips += (commit,)

    async def _pack_and_add(self, commits: tuple[str, ...], held: tuple[str, ...]) -> bool:
        """Say whether these commits are in the host's repository now, with all that they lead to."""
        if not commits:
            return True
        wanted = "".join(f"{commit}\n" for commit in commits) + "".join(f"^{commit}\n" for commit in held)
        result = await self._git.ask(
            "pack-objects",
            "--revs",
            "--non-empty",
            "--quiet",
            str(self._folder / "out"),
            stdin=wanted.encode(),
            timeout_s=TRANSFER_TIMEOUT,
        )
        if result.exit_status != 0:
            self._note(result)
            return False
        for name in result.stdout.decode().split():
            try:
                await add_pack(self._repository, self._folder / f"out-{name}.pack")
            except BadBundle as error:
                self.trouble = error.message
                return False
        return True

    def _note(self, result: RunResult) -> None:
        """Keep what git said as trouble of the workspace's, unless the trouble is the host's.

        Raises:
            WorkspaceError: `workspace.disk_full`, `workspace.permission_denied`.
        """
        error = git_failure("The workspace's commits cannot be copied", result)
        if error.code in (DISK_FULL, PERMISSION_DENIED):
            raise error
        self.trouble = error.message
