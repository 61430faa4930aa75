"""Bringing an issue's work into the host's repository, as from a stranger [DESIGN Trust].

Which commit is delivered, when the guest did not simply stay on its branch:

- What is checked out and the branch are the same, or one contains the other: the one that
  contains the other. An agent that went on with a detached HEAD or on a branch of its own is
  followed, one that looked at an older commit is not.
- They have diverged: what is checked out, since that is what was tested last.
- Neither is known, because `.git` is gone or broken or there is no sandbox: what was imported
  before, else the base.

Commits that arrived and are in none of these are kept on refs. Files that differ from what is
checked out are then committed on top as work that was not committed; when the delivered commit
is not the one that is checked out they are kept on a ref of their own, because as a commit on
top they would undo the commits between.
"""

import asyncio
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.core.handoff import Imported
from symphony.core.ports import Sandbox, Workspace
from symphony.core.text import one_line
from symphony.workspace.bundle import Arrival, BadBundle, GuestRefs, ask_refs, make_bundle, take_in
from symphony.workspace.errors import explain_disk
from symphony.workspace.guest_files import nested_repositories
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.reading import begun
from symphony.workspace.refs import TRAIN_REFS, rescue_ref
from symphony.workspace.seen_files import SeenFiles
from symphony.workspace.snapshot import take_snapshot
from symphony.workspace.touched import Touched, find_touched

SAVED_SUBJECT = "Save uncommitted work"


@dataclass(frozen=True, slots=True)
class Tip:
    """The commit to deliver.

    Attributes:
        commit: its id.
        checked_out: what the files have to be compared with.
    """

    commit: str
    checked_out: str


class Collection:
    """One import of one workspace."""

    def __init__(
        self, repository: HostRepository, workspace: Workspace, scratch: Path, record: SeenFiles
    ) -> None:
        self._repository = repository
        self._workspace = workspace
        self._scratch = scratch
        self._record = record
        self._lost_history = ""
        self._notes: list[str] = []
        self._arrived: tuple[str, ...] = ()

    async def run(self, sandbox: Sandbox | None) -> Imported:
        """Import commits and files, move the branch, and say what it holds now.

        Raises:
            WorkspaceError: `workspace.import_failed` after the files were saved on the rescue
                ref; `workspace.unreadable_file`, `workspace.disk_full` and others.
        """
        workspace = self._workspace
        async with begun(find_touched(workspace.path, self._record)) as looking:
            try:
                arrival = await self._receive(sandbox)
            except BadBundle:
                await self._rescue(await looking)
                raise
            touched = await looking
        self._arrived = arrival.tips
        tip = await self._choose(arrival.refs)
        head = await self._save_files(tip, touched)
        for commit in arrival.tips:
            if not await self._repository.is_ancestor(commit, head) and not await self._is_of_train(commit):
                await self._keep(commit, "commits that are not on the delivered branch")
        span = f"{workspace.base_commit}..{head}"
        async with begun(self._repository.git.line("rev-list", "--count", span, "--")) as counting:
            await self._repository.move_branch(workspace.key, workspace.branch, head)
            commits = int(await counting)
        facts = await self._repository.facts(head)
        if nested := await self._nested(touched):
            names = one_line(", ".join(nested))
            self._notes.append(
                f"The workspace {workspace.path} is kept: what was committed in the repositories inside it "
                f"({names}) is not in the handoff."
            )
        if self._lost_history:
            self._notes.append(f"The agent's own commits could not be read: {one_line(self._lost_history)}.")
        return Imported(
            branch=workspace.branch,
            base_commit=workspace.base_commit,
            head_commit=head,
            head_tree=facts.tree,
            commits=commits,
            saved_uncommitted=head != tip.commit,
            notes=tuple(self._notes),
            keep_workspace=bool(nested),
        )

    async def _nested(self, touched: Touched) -> tuple[str, ...]:
        if touched.whole:
            return tuple(map(os.fsdecode, touched.nested))
        return await asyncio.to_thread(nested_repositories, self._workspace.path)

    async def _receive(self, sandbox: Sandbox | None) -> Arrival:
        if sandbox is None:
            self._lost_history = "there was no sandbox to run the workspace's own git in"
            return Arrival(GuestRefs())
        workspace = self._workspace
        bundle = self._scratch / "guest.bundle"
        failure = await make_bundle(sandbox, workspace.path, workspace.base_commit, bundle)
        arrival = Arrival(GuestRefs())
        if failure is None:
            arrival = await take_in(self._repository, bundle, workspace.branch)
            if arrival.refs.head and arrival.refs.branch:
                return arrival
        # a bundle does not name what was there before
        claimed = await ask_refs(sandbox, workspace.branch)
        if failure is not None and (claimed.head is None or not await self._is_known(claimed.head)):
            self._lost_history = failure
        return replace(arrival, refs=arrival.refs.or_else(claimed))

    async def _is_of_train(self, commit: str) -> bool:
        """Say whether the agent was shown this commit as what others have done."""
        listed = await self._repository.git.run(
            "rev-list", "--max-count=1", commit, "--not", TRAIN_REFS, "--"
        )
        return not listed.strip()

    async def _is_known(self, commit: str) -> bool:
        """Say whether a guest may name this commit although no bundle brought it."""
        workspace = self._workspace
        if await self._repository.resolve(commit) is None:
            return False
        if await self._repository.is_ancestor(commit, workspace.base_commit):
            return True
        before = await self._repository.resolve(f"refs/heads/{workspace.branch}")
        return before is not None and await self._repository.is_ancestor(commit, before)

    async def _choose(self, refs: GuestRefs) -> Tip:
        repository = self._repository
        head = refs.head if refs.head and await self._is_usable(refs.head) else None
        branch = refs.branch if refs.branch and await self._is_usable(refs.branch) else None
        if head is None and branch is None:
            known = await repository.resolve(f"refs/heads/{self._workspace.branch}")
            commit = known or self._workspace.base_commit
            return Tip(commit, commit)
        if head is None or branch is None or head == branch:
            commit = head or branch or self._workspace.base_commit
            return Tip(commit, commit)
        if await repository.is_ancestor(head, branch):
            return Tip(branch, head)
        return Tip(head, head)

    async def _is_usable(self, commit: str) -> bool:
        return commit in self._arrived or await self._is_known(commit)

    async def _save_files(self, tip: Tip, touched: Touched) -> str:
        """Commit what differs from the checked-out commit; return the new head."""
        repository = self._repository
        tree = await self._snapshot(tip.checked_out, touched)
        if tree == (await repository.facts(tip.checked_out)).tree:
            return tip.commit
        saved = await self._commit(tree, tip.checked_out)
        if tip.checked_out == tip.commit:
            return saved
        await self._keep(saved, "uncommitted work on a commit that is not the delivered one")
        return tip.commit

    async def _keep(self, commit: str, what: str) -> None:
        await self._repository.keep(self._workspace.key, commit)
        place = f"{self._repository.path} as {commit[:12]}"
        self._notes.append(f"Not in the handoff, and kept in {place}: {what}.")

    async def _snapshot(self, commit: str, touched: Touched) -> str:
        with explain_disk("make a folder for the import"):
            folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._scratch))
        facts = await self._repository.facts(commit)
        return await take_snapshot(
            self._repository.path, self._workspace.path, facts.tree, folder, touched=touched
        )

    async def _commit(self, tree: str, parent: str) -> str:
        """Make the commit for uncommitted work; the same files give the same commit."""
        facts = await self._repository.facts(parent)
        issue = one_line(self._workspace.issue_id)
        message = (
            f"{SAVED_SUBJECT}\n\nsymphony found these changes in the workspace of issue {issue};"
            "\nthe agent had not committed them.\n"
        )
        if self._lost_history:
            message += (
                "\nThe agent's own commits could not be read, so that their changes are in this"
                f"\ncommit as well: {one_line(self._lost_history)}.\n"
            )
        git = self._repository.git.with_options(
            GIT_AUTHOR_DATE=facts.committed, GIT_COMMITTER_DATE=facts.committed
        )
        return await git.line("commit-tree", tree, "-p", parent, "-F", "-", stdin=message.encode())

    async def _rescue(self, touched: Touched) -> None:
        """Save the files alone, when the commits are refused."""
        known = await self._repository.resolve(f"refs/heads/{self._workspace.branch}")
        parent = known or self._workspace.base_commit
        self._lost_history = self._lost_history or "they did not pass git's checks"
        saved = await self._commit(await self._snapshot(parent, touched), parent)
        await self._repository.git.run("update-ref", rescue_ref(self._workspace.key), saved)
