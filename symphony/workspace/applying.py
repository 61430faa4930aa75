"""A delivered patch, applied to the user's own repository: all of it or nothing.

The mailbox is applied in a checkout of the host's that borrows objects and changes nothing. Only what
came through there reaches the user's repository, as a fast-forward of the branch that is checked out,
or as a branch of its own. Called by `symphony apply`.
"""

import asyncio
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.core.text import first_of
from symphony.workspace.branch import check_branch
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.fast_forward import ARRIVED, OR_BRANCH, FastForward
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git, git_failure, host_git
from symphony.workspace.host_repository import HostRepository, borrow
from symphony.workspace.signing import committing
from symphony.workspace.source import Source

NAMES_SHOWN = 5
UNFINISHED = {
    "rebase-apply": "`git am` or rebase",
    "rebase-merge": "rebase",
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
    "BISECT_LOG": "bisect",
}
FAILED_FILE = re.compile(r"^error: (?:patch failed: (.+):\d+|(.+): does not (?:exist in index|match index)"
                         r"|(.+): already exists in (?:index|working directory))$", re.MULTILINE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a patch in the user's repository.

    Attributes:
        branch: the branch that has the commits now; empty when none is checked out.
        onto: the commit that they were put on.
        commits: how many; 0 when the branch had the same files already.
        created: whether the branch was made for them, in which case no file was touched.
    """

    branch: str
    onto: str
    head_commit: str
    commits: int
    created: bool


class Applying:
    """Applies patches to one source repository."""

    def __init__(self, source: Source, repository: HostRepository, scratch: Path, records: Path) -> None:
        """Take the user's repository, the host's, an empty folder to work in, and one for what is begun."""
        self._source = source
        self._repository = repository
        self._scratch = scratch
        self._records = records

    async def apply(self, patch: Path, *, branch: str | None, three_way: bool) -> Applied:
        """Put a mailbox's commits on the current branch, or on a new one named `branch`.

        Args:
            patch: as a handoff wrote it.
            branch: with it neither files nor the current branch change.
            three_way: let git merge where the lines around a change differ.

        Raises:
            WorkspaceError: `apply.*`, and nothing was changed; `workspace.*`.
        """
        git, folder = await self._user_git()
        forward: FastForward | None = None
        if branch is not None:
            await self._check_new(git, branch)
        else:
            await self._check_files(git, folder)
            forward = await self._fast_forward(git)
            await forward.recover()
            await self._check_clean(git, folder)
        onto = await self._head(git, folder)
        current = (await git.ask("symbolic-ref", "--quiet", "--short", "HEAD")).stdout.decode().strip()
        checkout = await self._checkout(git, onto)
        await self._am(checkout, patch, current or onto[:12], three_way=three_way)
        head = await checkout.line("rev-parse", "HEAD")
        commits = int(await checkout.line("rev-list", "--count", f"{onto}..{head}", "--"))
        # what a run that was killed has left there is replaced; a branch of the user's never
        mark, target = ("", f"refs/heads/{branch}") if branch is not None else ("+", ARRIVED)
        await git.run(
            "-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--no-recurse-submodules", "--", str(checkout.folder), f"{mark}HEAD:{target}",
            timeout_s=TRANSFER_TIMEOUT,
        )  # fmt: skip
        if forward is not None:
            await forward.go(head)
        return Applied(branch or current, onto, head, commits, created=branch is not None)

    async def _user_git(self) -> tuple[Git, Path]:
        """Return git in the user's own checkout, and its folder."""
        if self._source.folder is None:
            raise WorkspaceError(
                f"workspace.source {self._source.shown} is not a folder on this machine.",
                code="apply.source_is_remote",
                remedy="Apply the patch in a clone of it with `git am`.",
            )
        await self._source.open()
        folder = self._source.folder
        return self._source.own_git, folder

    async def _check_new(self, git: Git, branch: str) -> None:
        check_branch(branch)
        taken = await git.ask("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        if taken.exit_status == 0:
            raise WorkspaceError(
                f"There is a branch {branch} already.",
                code="apply.branch_exists",
                remedy=f"Give --branch another name, or delete it: `git branch -D {branch}`.",
            )

    async def _fast_forward(self, git: Git) -> FastForward:
        """Return what moves the user's branch, from a folder that stays even if the source's goes."""
        top = Path(os.fsdecode((await git.run("rev-parse", "--show-toplevel")).rstrip(b"\n")))
        return FastForward(
            replace(self._source.git.with_options("-C", str(top)), folder=top), top, self._records
        )

    async def _check_files(self, git: Git, folder: Path) -> None:
        inside = await git.ask("rev-parse", "--is-inside-work-tree")
        if inside.stdout.strip() != b"true":
            raise WorkspaceError(
                f"{folder} has no files: it is a bare repository.",
                code="apply.no_work_tree",
                remedy="Give `--branch NAME`, which makes a branch and needs no files.",
            )
        control = Path(await git.line("rev-parse", "--absolute-git-dir"))
        for name, what in UNFINISHED.items():
            if await asyncio.to_thread((control / name).exists):
                raise WorkspaceError(
                    f"{folder} is in the middle of a {what}.",
                    code="apply.unfinished",
                    remedy=f"Finish or abort it first, {OR_BRANCH}",
                )

    async def _check_clean(self, git: Git, folder: Path) -> None:
        listing = await git.run("status", "--porcelain=v1", "-z", "--untracked-files=no", "--no-renames")
        changed = [entry[3:].decode("utf-8", "replace") for entry in listing.split(b"\0") if entry]
        if changed:
            raise WorkspaceError(
                f"{folder} has changes that are not committed: {first_of(changed, NAMES_SHOWN)}.",
                code="apply.not_clean",
                remedy=f"Commit or stash them first, {OR_BRANCH}",
            )

    async def _head(self, git: Git, folder: Path) -> str:
        result = await git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        if result.exit_status != 0:
            raise WorkspaceError(
                f"{folder} has no commit that is checked out.",
                code="apply.no_commit",
                remedy="Check out the branch that the patch is meant for.",
            )
        return result.stdout.decode().strip()

    async def _checkout(self, user: Git, onto: str) -> Git:
        """Make a checkout of the user's commit that borrows the objects of both repositories."""
        folder = self._scratch / "checkout"
        with explain_disk(f"make {folder}"):
            await asyncio.to_thread(folder.mkdir)
        git = await committing(host_git(folder), self._source, signed=True)
        await git.run("init", "--quiet", "--template=", "--initial-branch=applied")
        objects = [await user.path("objects")]
        if await asyncio.to_thread(self._repository.objects_folder.is_dir):
            objects.append(self._repository.objects_folder)
        shallow = await user.path("shallow")
        await asyncio.to_thread(borrow, folder / ".git", objects, shallow)
        await git.run("checkout", "--quiet", "--detach", onto, "--", timeout_s=TRANSFER_TIMEOUT)
        return git

    async def _am(self, checkout: Git, patch: Path, onto: str, *, three_way: bool) -> None:
        words = ("--3way",) if three_way else ()
        applied = await checkout.ask("am", "--keep-cr", *words, str(patch), timeout_s=TRANSFER_TIMEOUT)
        if applied.exit_status == 0:
            return
        listed = await checkout.ask("diff", "--name-only", "-z", "--diff-filter=U")
        files = [name.decode("utf-8", "replace") for name in listed.stdout.split(b"\0") if name]
        if not files:
            said = FAILED_FILE.findall(applied.stderr.decode("utf-8", "replace"))
            files = list(dict.fromkeys(name for groups in said for name in groups if name))
        if not files:
            raise git_failure(
                f"The patch does not apply to {onto}, and nothing was changed", applied, code="apply.failed"
            )
        merged = (
            "Retry the issue, so that its agent works on what is there now; or apply it by hand."
            if three_way
            else "Try --three-way, with which git merges what it can; or retry the issue."
        )
        raise WorkspaceError(
            f"The patch does not apply to {onto}, and nothing was changed."
            f" In conflict: {first_of(files, NAMES_SHOWN)}.",
            code="apply.conflict",
            remedy=merged,
        )
