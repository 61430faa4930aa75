"""Safety refs: what lies in a workspace and nowhere else, committed before something touches it.

Called before each attempt on a workspace that exists, and before one is discarded. The workspace is
only read, and no git runs with its `.git`. A safety commit is the files as they lie there; its first
parent is what was checked out, then what was staged and is neither in that commit nor in the files,
then every other commit that no imported branch holds. Of each issue the newest `KEPT` refs stay.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.ports import Workspace
from symphony.core.safety import SafetyRef
from symphony.core.text import one_line
from symphony.workspace.errors import explain_disk
from symphony.workspace.guest_history import GuestHistory
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import TRAIN_REFS, kept_prefix, safety_prefix
from symphony.workspace.seen_files import SeenFiles
from symphony.workspace.snapshot import take_snapshot
from symphony.workspace.staged import StagedFile, parse_index
from symphony.workspace.touched import find_touched

KEPT = 20  # safety refs of one issue; the commits of older ones stay in the repository without a name
NAMED = 20  # files that are named in a message
STAGED_MESSAGE = b"What was staged\n\nIt is neither in the commit that was checked out nor in the files.\n"
FORMAT = "%(refname)%09%(objectname)%09%(committerdate:unix)%09%(contents:subject)"


class SafetyRefs:
    """The safety refs in one host repository."""

    def __init__(self, repository: HostRepository) -> None:
        self._repository = repository
        self._newest: dict[str, SafetyRef | None] = {}

    async def newest(self, key: str) -> SafetyRef | None:
        """Return an issue's newest safety ref; None when it has none. Nothing is written."""
        if key not in self._newest:
            there = await asyncio.to_thread((self._repository.path / "HEAD").exists)
            refs = await self._list(key) if there else []
            self._newest[key] = refs[-1] if refs else None
        return self._newest[key]

    async def add(self, key: str, commit: str) -> SafetyRef:
        """Name a commit as the newest of its issue, and let go of the oldest names."""
        before = await self._list(key)
        number = _number(before[-1]) + 1 if before else 1
        await self._repository.git.run("update-ref", f"{safety_prefix(key)}{number}", commit, "")
        refs = await self._list(key)
        self._newest[key] = refs[-1]
        gone = "".join(f"delete {ref.name}\n" for ref in refs[:-KEPT])
        if gone:
            await self._repository.git.run("update-ref", "--stdin", stdin=gone.encode())
        return refs[-1]

    async def _list(self, key: str) -> list[SafetyRef]:
        """Return an issue's safety refs, oldest first."""
        said = await self._repository.git.run("for-each-ref", f"--format={FORMAT}", safety_prefix(key))
        refs = []
        for line in said.decode("utf-8", "replace").splitlines():
            name, commit, at, why = line.split("\t", 3)
            refs.append(
                SafetyRef(name, self._repository.path, commit, datetime.fromtimestamp(int(at), UTC), why)
            )
        return sorted(refs, key=_number)


class Safety:
    """One saving of one workspace."""

    def __init__(
        self,
        repository: HostRepository,
        refs: SafetyRefs,
        workspace: Workspace,
        packs: Sequence[str],
        scratch: Path,
        record: SeenFiles,
    ) -> None:
        """Take the host's repository, and the packs in the workspace that are known to hold the base."""
        self._repository = repository
        self._refs = refs
        self._workspace = workspace
        self._scratch = scratch
        self._record = record
        self._unread: list[str] = []
        self._notes: list[str] = []
        self.history = GuestHistory(repository, workspace.path, scratch / "history.git", packs)

    async def run(self, why: str, at: datetime) -> SafetyRef | None:
        """Save what lies in the workspace and nowhere else.

        Returns:
            The ref that holds it, which is the one before when nothing has changed since; None when
            all is in what was imported.

        Raises:
            WorkspaceError: `workspace.disk_full`, `workspace.too_large`, …; the workspace is untouched.
        """
        repository, workspace = self._repository, self._workspace
        imported = await repository.resolve(f"refs/heads/{workspace.branch}")
        held = [workspace.base_commit, *([imported] if imported else [])]
        await self.history.take_in(held)
        checked_out = self.history.head or imported or workspace.base_commit
        tree = await self._snapshot(checked_out)
        loose = await self._not_held([*self.history.tips], held)
        staged = await self._staged(checked_out, tree)
        if tree == (await repository.facts(checked_out)).tree and not loose and staged is None:
            return None
        parents = [checked_out, *([staged] if staged else []), *await self._heads(checked_out, loose)]
        before = await self._refs.newest(workspace.key)
        if before is not None and await self._holds(before.commit, tree, parents):
            return before
        return await self._refs.add(workspace.key, await self._commit(tree, parents, why, at))

    async def _snapshot(self, commit: str) -> str:
        with explain_disk("make a folder for the files"):
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._scratch))
        facts = await self._repository.facts(commit)
        touched = await find_touched(self._workspace.path, self._record)
        return await take_snapshot(
            self._repository.path, self._workspace.path, facts.tree, folder, self._unread.append, touched
        )

    async def _not_held(self, commits: list[str], held: list[str]) -> list[str]:
        """Return the commits that neither the base nor anything imported, kept or shown contains."""
        kept = f"--glob={kept_prefix(self._workspace.key)}*"

        async def missing(some: list[str]) -> bool:
            listed = await self._repository.git.run(
                "rev-list", "--max-count=1", *some, "--not", *held, kept, TRAIN_REFS, "--"
            )
            return bool(listed.strip())

        if not commits or not await missing(commits):
            return []
        return [commit for commit in commits if await missing([commit])]

    async def _heads(self, checked_out: str, loose: list[str]) -> list[str]:
        """Return the loose commits that no other of them contains, without the one that is checked out."""
        others = [commit for commit in loose if commit != checked_out]
        if not others:
            return []
        said = await self._repository.git.run("merge-base", "--independent", checked_out, *others)
        return sorted(set(said.decode().split()) - {checked_out})

    async def _staged(self, checked_out: str, tree: str) -> str | None:
        """Return a commit of what is staged and neither checked out nor in the files; None without any."""
        if not self.history.index:
            return None
        try:
            files = parse_index(self.history.index)
        except ValueError as error:
            self._notes.append(f"What was staged could not be read: {error}.")
            return None
        there = {*await self._lines(checked_out), *await self._lines(tree)}
        alone = [file for file in files if file.line not in there]
        return await self._staged_commit(checked_out, alone) if alone else None

    async def _staged_commit(self, checked_out: str, files: list[StagedFile]) -> str | None:
        facts = await self._repository.facts(checked_out)
        git = self.history.git.with_options(
            GIT_INDEX_FILE=str(self._scratch / "staged-index"),
            GIT_AUTHOR_DATE=facts.committed,
            GIT_COMMITTER_DATE=facts.committed,
        )
        await git.run("read-tree", facts.tree)
        lines = b"".join(file.line for file in files)
        added = await git.ask("update-index", "-z", "--index-info", stdin=lines)
        written = await git.ask("write-tree")
        if added.exit_status != 0 or written.exit_status != 0:
            self._notes.append("What was staged could not be read: its files are not all there.")
            return None
        tree = written.stdout.decode().strip()
        commit = await git.line("commit-tree", tree, "-p", checked_out, "-F", "-", stdin=STAGED_MESSAGE)
        return commit if await self.history.bring(commit, [checked_out]) else None

    async def _lines(self, tree: str) -> set[bytes]:
        listing = await self._repository.git.run("ls-tree", "-r", "-z", "--full-tree", tree)
        return {line.replace(b" blob ", b" ", 1) + b"\0" for line in filter(None, listing.split(b"\0"))}

    async def _holds(self, commit: str, tree: str, parents: list[str]) -> bool:
        said = await self._repository.git.line("show", "--no-patch", "--format=%T %P", commit, "--")
        return said.split() == [tree, *parents]

    async def _commit(self, tree: str, parents: list[str], why: str, at: datetime) -> str:
        if self.history.trouble:
            self._notes.append(f"Commits in it could not all be read: {one_line(self.history.trouble, 400)}.")
        if self._unread:
            named = one_line(", ".join(self._unread[:NAMED]))
            self._notes.append(f"Files that could not be read, {len(self._unread)} in all: {named}.")
        lines = [
            one_line(why),
            "",
            f"symphony saved the workspace of issue {one_line(self._workspace.issue_id)}, on",
            f"{self._workspace.branch}, before anything touched it. The first parent was checked",
            "out; further ones hold what was staged, and commits that no imported branch holds.",
            f"The newest {KEPT} such refs of an issue are kept.",
            *(f"\n{note}" for note in self._notes),
        ]
        moment = f"{int(at.timestamp())} +0000"
        git = self._repository.git.with_options(GIT_AUTHOR_DATE=moment, GIT_COMMITTER_DATE=moment)
        options = [option for parent in parents for option in ("-p", parent)]
        message = "\n".join([*lines, ""]).encode("utf-8", "replace")
        return await git.line("commit-tree", tree, *options, "-F", "-", stdin=message)


def _number(ref: SafetyRef) -> int:
    number = ref.name.rpartition("/")[2]
    return int(number) if number.isdigit() else 0
