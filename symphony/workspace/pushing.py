"""A delivered branch on a remote: pushed, and never over what somebody else has put there.

What was pushed last is kept in the host's repository, before and after, so that a push that was cut
off is known by the next one. A branch on which others have worked is fetched, and only the work's own
commits are put on top of theirs. Called by `workspaces`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from symphony.core.forge import Pushed, repo_of_remote
from symphony.core.handoff import Imported
from symphony.core.ports import RunResult, Workspace
from symphony.core.text import first_of
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, git_failure, host_git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.remote import Remote
from symphony.workspace.scratch import Scratch

TRIES = 3  # others may push meanwhile, again and again
NAMES_SHOWN = 5
MOVED = ("[rejected]", "cannot lock ref", "incorrect old value", "failed to update ref")


@dataclass(frozen=True, slots=True)
class Push:
    """One push.

    Attributes:
        commit: what the branch was put to.
        source: the imported head that it came from; the same unless it was put on others' work.
    """

    commit: str
    source: str


class Pushing:
    """Pushes one imported branch."""

    def __init__(
        self,
        repository: HostRepository,
        scratch: Scratch,
        workspace: Workspace,
        imported: Imported,
        remote: Remote,
        committing: Callable[[Git], Awaitable[Git]],
    ) -> None:
        """Take what it works with; `committing` makes git commit as the user does."""
        self._repository = repository
        self._scratch = scratch
        self._workspace = workspace
        self._imported = imported
        self._remote = remote
        self._committing = committing

    async def run(self) -> Pushed:
        """Bring the work to the remote's branch; repeating it changes nothing there.

        Raises:
            WorkspaceError: `handoff.push_conflict`, `handoff.push_refused`, `handoff.push_not_allowed`,
                `handoff.push_contended`, `handoff.remote_unreadable`, `workspace.*`.
        """
        branch = self._imported.branch
        for _ in range(TRIES):
            tip = await self._fetch_tip()
            last = await self._last_push(tip)
            if tip is not None and await self._is_there(tip, last):
                return self._pushed(tip)
            commit = await self._commit_for(tip, last)
            await self._note(pushing_prefix(self._workspace.key), Push(commit, self._imported.head_commit))
            result = await self._repository.through(self._remote.git).ask(
                "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
                f"--force-with-lease=refs/heads/{branch}:{tip or ''}",
                "--", self._remote.url, f"{commit}:refs/heads/{branch}",
                timeout_s=TRANSFER_TIMEOUT,
            )  # fmt: skip
            if result.exit_status == 0:
                await self._note(pushed_prefix(self._workspace.key), Push(commit, self._imported.head_commit))
                return self._pushed(commit)
            if not _has_moved(result):
                raise self._refused(result)
        raise WorkspaceError(
            f"The branch {branch} of {self._remote.shown} has moved before each of {TRIES} pushes.",
            code="handoff.push_contended",
            remedy="symphony tries again by itself.",
        )

    async def _fetch_tip(self) -> str | None:
        """Return where the branch is on the remote, with its commits brought here."""
        tip = await self._remote.tip(self._imported.branch)
        if tip is None or await self._repository.resolve(tip) is not None:
            return tip
        ref = f"refs/heads/{self._imported.branch}"
        target = theirs_ref(self._workspace.key)
        return await self._repository.fetch(self._remote.git, self._remote.url, ref, target)

    async def _last_push(self, tip: str | None) -> Push | None:
        """Return the last push that arrived; one that was cut off counts if it is on the remote."""
        cut_off = await self._noted(pushing_prefix(self._workspace.key))
        if (
            cut_off is not None
            and tip is not None
            and await self._repository.is_ancestor(cut_off.commit, tip)
        ):
            await self._note(pushed_prefix(self._workspace.key), cut_off)
            return cut_off
        return await self._noted(pushed_prefix(self._workspace.key))

    async def _is_there(self, tip: str, last: Push | None) -> bool:
        """Say whether the remote's branch holds this work, maybe with others' on top."""
        head = self._imported.head_commit
        if last is not None and last.source == head:
            return await self._repository.is_ancestor(last.commit, tip)
        return await self._repository.is_ancestor(head, tip)

    async def _commit_for(self, tip: str | None, last: Push | None) -> str:
        """Return what the branch is to become: the work, on top of what others have put there."""
        head = self._imported.head_commit
        if tip is None or await self._repository.is_ancestor(tip, head):
            return head
        if last is not None and last.commit == last.source == tip:
            return head  # all that is there is this issue's own, from an earlier attempt
        own = self._imported.base_commit
        arrived = last is not None and await self._repository.is_ancestor(last.commit, tip)
        if last is not None and arrived and await self._repository.is_ancestor(last.source, head):
            own = last.source
        return await self._rebase(tip, own)

    async def _rebase(self, onto: str, own: str) -> str:
        """Put the commits of the work since `own` on top of a commit; return the last of them."""
        async with self._scratch.open("rebase") as scratch:
            folder = scratch / "checkout"
            with explain_disk(f"make {folder}"):
                await asyncio.to_thread(folder.mkdir)
            git = await self._committing(host_git(folder))
            await git.run("init", "--quiet", "--template=", "--initial-branch=rebased")
            await asyncio.to_thread(self._repository.lend_objects, folder / ".git")
            await git.run("checkout", "--quiet", "--detach", self._imported.head_commit, "--")
            rebased = await git.ask("rebase", "--quiet", "--onto", onto, own, timeout_s=TRANSFER_TIMEOUT)
            if rebased.exit_status != 0:
                listed = await git.ask("diff", "--name-only", "-z", "--diff-filter=U")
                raise self._conflict(rebased, listed.stdout)
            await self._repository.bring(folder, f"{pushing_prefix(self._workspace.key)}made")
            return await git.line("rev-parse", "HEAD")

    async def _note(self, prefix: str, push: Push) -> None:
        for name, commit in (("commit", push.commit), ("source", push.source)):
            await self._repository.git.run("update-ref", f"{prefix}{name}", commit)

    async def _noted(self, prefix: str) -> Push | None:
        commit = await self._repository.resolve(f"{prefix}commit")
        source = await self._repository.resolve(f"{prefix}source")
        return Push(commit, source) if commit is not None and source is not None else None

    def _pushed(self, commit: str) -> Pushed:
        base = self._workspace.base
        return Pushed(
            self._remote.shown,
            repo_of_remote(self._remote.url),
            self._imported.branch,
            base.removeprefix(f"{self._remote.name}/"),
            commit,
        )

    def _conflict(self, result: RunResult, listed: bytes) -> WorkspaceError:
        branch, shown = self._imported.branch, self._remote.shown
        names = [name.decode("utf-8", "replace") for name in listed.split(b"\0") if name]
        if not names:
            return git_failure(f"The work could not be put on the branch {branch} of {shown}", result)
        return WorkspaceError(
            f"Others have pushed to the branch {branch} of {shown}, and the work does not fit on theirs."
            f" In conflict: {first_of(names, NAMES_SHOWN)}. Nothing was pushed.",
            code="handoff.push_conflict",
            remedy="Move or delete that branch on the remote, or take the work over by its patch.",
        )

    def _refused(self, result: RunResult) -> WorkspaceError:
        said = result.stdout + b"\n" + result.stderr
        return self._remote.failure(
            f"refused the branch {self._imported.branch}",
            RunResult(result.exit_status, b"", said),
            "handoff.push_refused",
        )


def _has_moved(result: RunResult) -> bool:
    """Say whether a push was refused since the branch is not where it was."""
    said = (result.stdout + result.stderr).decode("utf-8", "replace")
    return any(sign in said for sign in MOVED)


def pushed_prefix(key: str) -> str:
    """Return the folder of refs of the last push of an issue's branch."""
    return f"refs/symphony/pushed/{key}/"


def pushing_prefix(key: str) -> str:
    """Return the folder of refs of a push that was begun."""
    return f"refs/symphony/pushing/{key}/"


def theirs_ref(key: str) -> str:
    """Return the ref of what others have pushed to an issue's branch."""
    return f"refs/symphony/theirs/{key}"
