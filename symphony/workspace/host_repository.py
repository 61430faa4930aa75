"""The bare repository that only the host writes: bases, imported branches, what is kept.

Its refs are named in `refs`. Nothing is ever collected as garbage here. Called by the other modules of
this room.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.workspace.errors import explain_disk
from symphony.workspace.git_command import OBJECT_ID, TRANSFER_TIMEOUT, Git, check_version, host_git
from symphony.workspace.locks import Locks
from symphony.workspace.reading import begun
from symphony.workspace.refs import base_ref, kept_prefix
from symphony.workspace.repository_files import RepositoryFiles

FACTS_FORMAT = "--format=%H %T @%ct +0000"
FACTS_KEPT = 512  # commits whose facts are remembered, since they cannot change


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """What the host needs of a commit: full ids, and its committer's time in a form that git reads.

    Without the `@` git takes times before 1973 and after 2100 for something else.
    """

    id: str
    tree: str
    committed: str


class HostRepository:
    """The one repository of an installation in which the host runs git on what agents made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = RepositoryFiles(path)
        self._locks = Locks(path)
        self.git = replace(host_git(Path("/"), f"--git-dir={path}"), locks=self._locks)
        self._opening = asyncio.Lock()
        self._fetching = asyncio.Lock()
        self._open = False
        self._version = ""
        self._facts: dict[str, CommitFacts] = {}

    async def open(self) -> None:
        """Make the repository at its first use, and clear what a dead or killed git left in it.

        Raises:
            WorkspaceError: `workspace.disk_full`, `workspace.permission_denied`, and others.
        """
        async with self._opening:
            await self._locks.clear()
            if self._open:
                return
            check_version(await self.git_version())
            if not await asyncio.to_thread(self.files.is_whole):
                await asyncio.to_thread(self.files.make_place)
                git = replace(host_git(self.path.parent), locks=self._locks)
                await git.run(
                    "init", "--quiet", "--bare", "--template=", "--initial-branch=symphony", str(self.path)
                )
            await asyncio.to_thread(self.files.harden)
            self._open = True

    async def git_version(self) -> str:
        """Return what `git version` says, asked once."""
        if not self._version:
            self._version = await self.git.line("version")
        return self._version

    async def fetch_base(self, trusted: Git, source: str, ref: str, key: str) -> str:
        """Bring a ref of the user's source repository in, with its tags; return its commit.

        Objects are not checked here: the source is the user's own, and many old histories
        hold harmless objects that strict checks refuse.

        Raises:
            WorkspaceError: whatever git says.
        """
        return await self.fetch(trusted, source, ref, base_ref(key))

    async def fetch(self, trusted: Git, source: str, ref: str, target: str) -> str:
        """Bring a ref of the user's source repository in under another name; return its commit.

        Raises:
            WorkspaceError: whatever git says.
        """
        reader = self.through(trusted).with_options(
            "-c",
            "fetch.fsckObjects=false",
            "-c",
            "transfer.fsckObjects=false",
            "-c",
            "protocol.allow=user",
            "-c",
            "core.hooksPath=/dev/null",
        )
        # two fetches into one repository fail on each other's locks
        async with self._fetching:
            await reader.run(
                "fetch",
                "--quiet",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--no-auto-maintenance",
                "--update-shallow",
                "--",
                source,
                f"+{ref}:{target}",
                timeout_s=TRANSFER_TIMEOUT,
            )
            tip = await self.tip(target) if ref.startswith("refs/heads/") else None
            return tip or await self._peel(target)

    async def _peel(self, ref: str) -> str:
        """Let a ref name the commit that its tag is of, if it names one; return the commit."""
        there, commit = (await self.git.line("rev-parse", ref, f"{ref}^{{commit}}")).split()
        if there != commit:
            await self.git.run("update-ref", ref, commit)
        return commit

    def through(self, git: Git) -> Git:
        """Return the same git, which works in this repository."""
        return replace(git, locks=self._locks).with_options(f"--git-dir={self.path}")

    async def bring(self, checkout: Path, target: str) -> None:
        """Bring what the host has made in a checkout of its own in, under a name.

        Raises:
            WorkspaceError: whatever git says.
        """
        async with self._fetching:
            await self.git.run(
                "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
                "--", str(checkout), f"+HEAD:{target}",
            )  # fmt: skip

    async def tip(self, ref: str) -> str | None:
        """Return the id that a ref holds, or None when there is no such ref; no program is started.

        Raises:
            WorkspaceError: `workspace.git_failed`.
        """
        return await asyncio.to_thread(self.files.tip, ref)

    async def resolve(self, name: str) -> str | None:
        """Return the commit that a ref or an object id names here, or None."""
        if name in self._facts:
            return name
        arguments = ("--end-of-options", f"{name}^{{commit}}")
        if not OBJECT_ID.match(name):
            result = await self.git.ask("rev-parse", "--verify", "--quiet", *arguments)
            return result.stdout.decode().strip() if result.exit_status == 0 else None
        result = await self.git.ask("show", "--no-patch", FACTS_FORMAT, *arguments)
        return self._remember(result.stdout).id if result.exit_status == 0 else None

    async def facts(self, commit: str) -> CommitFacts:
        """Return what is needed of a commit that is here, given by its full id."""
        if commit not in self._facts:
            self._remember(await self.git.run("show", "--no-patch", FACTS_FORMAT, commit, "--"))
        return self._facts[commit]

    def _remember(self, said: bytes) -> CommitFacts:
        if len(self._facts) >= FACTS_KEPT:
            self._facts.clear()
        facts = CommitFacts(*said.decode().strip().split(" ", 2))
        self._facts[facts.id] = facts
        return facts

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """Say whether `newer` contains `older`; a commit contains itself."""
        if older == newer:
            return True
        return (await self.git.ask("merge-base", "--is-ancestor", older, newer)).exit_status == 0

    async def keep(self, key: str, commit: str) -> None:
        """Make sure that a commit of this issue can always be found again."""
        await self.git.run("update-ref", f"{kept_prefix(key)}{commit}", commit)

    async def move_branch(self, key: str, branch: str, commit: str) -> None:
        """Point an issue's branch at a commit; what it pointed to before is kept."""
        ref = f"refs/heads/{branch}"
        before = await self.tip(ref)
        if before == commit:
            return
        if before is not None and not await self.is_ancestor(before, commit):
            await self.keep(key, before)
        await self.git.run("update-ref", ref, commit)

    async def _retire(self, key: str, branch: str, earlier: str) -> None:
        """Forget what an issue's branch held in an earlier life; its commits are kept."""
        await self.keep(key, earlier)
        await self.git.run("update-ref", "-d", f"refs/heads/{branch}", earlier)

    async def begin(
        self, trusted: Git, source: str, ref: str, key: str, branch: str, delivered: str | None
    ) -> tuple[str, str]:
        """Return the ref that a new workspace starts from, and its base commit.

        It is the base as it is now, or a commit that was `delivered` and is gone on with, if that is here.

        Raises:
            WorkspaceError: whatever git says.
        """
        base = await self.resolve(base_ref(key)) if delivered else None
        if delivered is not None and base is not None and await self.resolve(delivered) is not None:
            await self.move_branch(key, branch, delivered)
            return f"refs/heads/{branch}", base
        async with begun(self.tip(f"refs/heads/{branch}")) as asking:
            commit = await self.fetch_base(trusted, source, ref, key)
            earlier = await asking
        if earlier is not None:
            await self._retire(key, branch, earlier)
        return base_ref(key), commit

    def lend_objects(self, git_folder: Path) -> None:
        """Let a repository of the host's read the objects that are here; blocks on the disk."""
        borrow(git_folder, [self.objects_folder], self.path / "shallow")

    @property
    def objects_folder(self) -> Path:
        """Where the objects are."""
        return self.path.resolve() / "objects"


def borrow(git_folder: Path, objects: Sequence[Path], shallow: Path) -> None:
    """Let a repository of the host's read the objects of others; blocks on the disk.

    Args:
        git_folder: its `.git`.
        objects: the others' folders of objects.
        shallow: where the history of these is cut off, if there is such a file.
    """
    with explain_disk(f"write {git_folder}"):
        alternates = git_folder / "objects" / "info" / "alternates"
        alternates.parent.mkdir(parents=True, exist_ok=True)
        alternates.write_text("".join(f"{path}\n" for path in objects))
        if shallow.exists():
            (git_folder / "shallow").write_bytes(shallow.read_bytes())
