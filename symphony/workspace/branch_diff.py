"""What a branch changes, read from the repository that only the host writes; never from a guest's.

Bounded in bytes and in time whatever the agent committed: of a difference that is too large its
beginning is shown, and how to get all of it.
"""

import asyncio
from contextlib import suppress
from typing import Final

from symphony.core.branch import BranchDiff, parse_diff
from symphony.core.keys import branch_name, workspace_key
from symphony.host.process import ProcessError, start_group
from symphony.workspace.branch import check_branch
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import Git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.records import Records
from symphony.workspace.refs import base_ref

SHOWN_BYTES: Final = 2_097_152  # of the text that git prints; nobody reads more on a page
LIST_BYTES: Final = 8_388_608  # of the list of changed files
DIFF_BOUND_S: Final = 10.0  # git needs seconds for hundreds of megabytes
CHUNK: Final = 65_536
PLUMBING: Final = ("--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "-l400", "-r")


class BranchDiffs:
    """Reads branches out of one host repository."""

    def __init__(self, repository: HostRepository, records: Records) -> None:
        self._repository = repository
        self._records = records

    async def of(self, issue_id: str, wished: str | None) -> BranchDiff | None:
        """Return what an issue's branch changed when it was last imported; None when it never was.

        Raises:
            WorkspaceError: `workspace.*`.
        """
        if not await asyncio.to_thread((self._repository.path / "HEAD").exists):
            return None
        await self._repository.open()
        key = workspace_key(issue_id)
        branch = await self._branch(issue_id, key, wished)
        base = await self._repository.resolve(base_ref(key))
        head = await self._repository.resolve(f"refs/heads/{branch}")
        if base is None or head is None:
            return None
        git = self._repository.git.with_options("-c", "core.quotePath=false")
        commits = await git.line("rev-list", "--count", f"{base}..{head}", "--")
        listed, all_listed = await head_of(
            git, LIST_BYTES, "diff-tree", *PLUMBING, "--name-only", "-z", base, head, "--"
        )
        text, complete = await head_of(git, SHOWN_BYTES, "diff-tree", *PLUMBING, "-p", base, head, "--")
        files = parse_diff(text.decode("utf-8", "replace"))
        changed = listed.count(b"\0")
        whole = complete and all_listed and not any(file.left_out for file in files)
        return BranchDiff(branch, base, head, int(commits), changed, files, whole and len(files) >= changed)

    async def _branch(self, issue_id: str, key: str, wished: str | None) -> str:
        record = await asyncio.to_thread(self._records.read, key)
        if record is not None:
            return record.branch
        with suppress(WorkspaceError):
            return check_branch(wished) if wished else branch_name(issue_id)
        return branch_name(issue_id)


async def head_of(git: Git, limit: int, *arguments: str) -> tuple[bytes, bool]:
    """Return at most `limit` bytes of what git prints, in whole lines, and whether that is all.

    Raises:
        WorkspaceError: `workspace.git_not_found`.
    Cancellation: git is ended first.
    """
    try:
        process = await start_group(("git", *git.options, *arguments), cwd=git.folder, env=git.environment)
    except ProcessError as error:
        raise WorkspaceError(
            f"git could not be started: {error.message}",
            code="workspace.git_not_found",
            remedy=error.remedy or "Install git.",
        ) from error
    read = bytearray()
    status: int | None = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(DIFF_BOUND_S):
                await process.close_stdin()
                while len(read) < limit and (chunk := await process.read_stdout(CHUNK)):
                    read += chunk
                if len(read) < limit:
                    status = await process.wait()
    finally:
        await process.kill()
    if status == 0:
        return bytes(read), True
    end = max(read.rfind(b"\n", 0, limit), read.rfind(b"\0", 0, limit))
    return bytes(read[: end + 1]), False
