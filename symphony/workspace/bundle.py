"""A git bundle from a guest: made by the guest's own git, read here as bytes from a stranger.

The header is parsed here and the pack goes through `git index-pack --strict`: `git fetch` of a
bundle does not check its objects in the git versions of today's distributions.
"""

import asyncio
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.ports import RunResult, Sandbox
from symphony.core.text import one_line
from symphony.workspace.errors import (
    DISK_FULL,
    PERMISSION_DENIED,
    WorkspaceError,
    disk_error,
    explain_disk,
)
from symphony.workspace.git_command import TRANSFER_TIMEOUT, git_failure, git_words, was_killed
from symphony.workspace.guest_files import GuestFile, GuestFolder
from symphony.workspace.host_repository import HostRepository

BUNDLE_NAME = ".symphony.bundle"
BUNDLE_LIMIT = 4 << 30  # bytes; what one issue adds to a history
HEADER_LIMIT = 1 << 20  # bytes; some ten thousand refs
TIPS_LIMIT = 200  # branches, tags and stashes of one issue that are looked at
GUEST_TIMEOUT = 600.0  # seconds for the guest's git; a repack of a big history takes minutes
REFS_SHOWN = 1 << 20  # bytes of the guest's list of refs
CHUNK = 1 << 20
CLAIM = re.compile(r"^([0-9a-f]{40}(?:[0-9a-f]{24})?) (.+)$")
SIGNATURES = (b"# v2 git bundle\n", b"# v3 git bundle\n")


@dataclass(frozen=True, slots=True)
class GuestRefs:
    """What a guest says its refs are: claims, each an object id.

    Attributes:
        head: what is checked out.
        branch: the issue's branch.
    """

    head: str | None = None
    branch: str | None = None

    def or_else(self, others: "GuestRefs") -> "GuestRefs":
        """Return these, and the others where there are none."""
        return GuestRefs(self.head or others.head, self.branch or others.branch)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Objects that have passed the checks and are in the host's repository.

    Attributes:
        refs: what they say, as far as the commits are here.
        tips: all commits that arrived under any name.
    """

    refs: GuestRefs
    tips: tuple[str, ...] = ()


class BadBundle(WorkspaceError):
    """What the guest calls its history is refused."""

    code = "workspace.import_failed"


async def ask_refs(sandbox: Sandbox, branch: str) -> GuestRefs:
    """Ask the guest's git what is checked out and where the branch is."""
    result = await _guest_git(sandbox, "show-ref", "--head", "--heads")
    found: dict[str, str] = {}
    for line in result.stdout.decode("utf-8", "replace").splitlines():
        claim = CLAIM.match(line)
        if claim and claim[2] in ("HEAD", f"refs/heads/{branch}"):
            found[claim[2]] = claim[1]
    return GuestRefs(found.get("HEAD"), found.get(f"refs/heads/{branch}"))


async def make_bundle(sandbox: Sandbox, workspace: Path, base_commit: str, target: Path) -> str | None:
    """Have the guest pack all commits that it has beyond the base, and copy the file out.

    Returns:
        None when the target is written; else why there is none, in words.

    Raises:
        WorkspaceError: `workspace.disk_full` and the like on the host's side; `workspace.git_failed`.
    """
    words = ""
    await asyncio.to_thread(_clear, workspace)
    # a guest that made its repository anew does not have the base
    for exclude in ((f"^{base_commit}",), ()):
        result = await _guest_git(sandbox, "bundle", "create", "--quiet", BUNDLE_NAME, "--all", *exclude)
        if result.exit_status == 0:
            return await asyncio.to_thread(_copy_out, workspace, target)
        words = words or one_line(git_words(result)) or f"git ended with status {result.exit_status}"
        if "empty bundle" in words:
            break
    return words


async def take_in(repository: HostRepository, bundle: Path, branch: str) -> Arrival:
    """Check every object of a bundle and add them to the host's repository.

    Returns:
        What arrived; of refs, those that lead to something new.

    Raises:
        BadBundle: a header, an object or a link between objects is not sound; no ref has
            changed.
    """
    pack = bundle.with_suffix(".pack")
    with explain_disk(f"read {bundle}"):
        refs = await asyncio.to_thread(_split, bundle, pack)
    await add_pack(repository, pack)
    found: dict[str, str] = {}
    for oid, name in refs[:TIPS_LIMIT]:
        commit = await repository.resolve(oid)
        if commit is not None:
            found[name] = commit
    return Arrival(
        GuestRefs(found.get("HEAD"), found.get(f"refs/heads/{branch}")),
        tuple(sorted(set(found.values()))),
    )


async def add_pack(repository: HostRepository, pack: Path) -> None:
    """Check every object of a pack and add them to the host's repository.

    Raises:
        BadBundle: an object or a link between objects is not sound.
        WorkspaceError: `workspace.disk_full`, `workspace.permission_denied`.
    """
    result = await repository.git.ask(
        "index-pack",
        "--strict",
        "--fix-thin",
        f"--max-input-size={BUNDLE_LIMIT}",
        "--stdin",
        stdin_file=pack,
        timeout_s=TRANSFER_TIMEOUT,
    )
    if result.exit_status != 0:
        error = git_failure("The workspace's commits cannot be written", result)
        raise error if error.code in (DISK_FULL, PERMISSION_DENIED) else _refusal(git_words(result))


async def _guest_git(sandbox: Sandbox, *arguments: str) -> RunResult:
    """Run the guest's git on the workspace's own `.git` and on no other that lies around it.

    Raises:
        WorkspaceError: `workspace.git_failed` when it was killed, which says nothing of its commits.
    """
    try:
        result = await sandbox.run(
            ("git", "--git-dir=.git", *arguments), timeout_s=GUEST_TIMEOUT, output_limit=REFS_SHOWN
        )
    except SymphonyError as error:
        return RunResult(127, b"", str(error).encode())
    if was_killed(result):
        raise git_failure(f"`git {arguments[0]}` failed in the workspace", result)
    return result


def _clear(workspace: Path) -> None:
    """Delete what an import that was cut off has left in the workspace."""
    with explain_disk(f"write {workspace}"), GuestFolder(workspace) as folder:
        for name in (BUNDLE_NAME, f"{BUNDLE_NAME}.lock"):
            with suppress(IsADirectoryError, PermissionError):  # a guest's folder: git says so itself
                folder.delete_file(name.encode())


def _copy_out(workspace: Path, target: Path) -> str | None:
    with explain_disk(f"read {workspace}"), GuestFolder(workspace) as folder:
        try:
            found = folder.read(BUNDLE_NAME.encode())
            if not isinstance(found, GuestFile):
                return "the guest said that it had written a bundle, and there is none"
            with found.file:
                if found.size > BUNDLE_LIMIT:
                    raise _refusal(f"it is larger than {BUNDLE_LIMIT >> 30} GiB")
                try:
                    with target.open("wb") as copy:
                        shutil.copyfileobj(found.file, copy, CHUNK)
                except OSError as error:
                    raise disk_error(error, f"write {target}") from error
        finally:
            folder.delete_file(BUNDLE_NAME.encode())
    return None


def _split(bundle: Path, pack: Path) -> list[tuple[str, str]]:
    """Write a bundle's pack to a file of its own and return its refs as (object id, name)."""
    refs: list[tuple[str, str]] = []
    with bundle.open("rb") as file:
        if file.readline(64) not in SIGNATURES:
            raise _refusal("it does not start as a git bundle does")
        while (line := file.readline(HEADER_LIMIT)) != b"\n":
            if not line.endswith(b"\n") or file.tell() > HEADER_LIMIT:
                raise _refusal("its header does not end")
            claim = CLAIM.match(line.decode("utf-8", "replace").rstrip("\n"))
            if claim:
                refs.append((claim[1], claim[2]))
            elif not line.startswith((b"-", b"@")):
                raise _refusal("its header has a line that no bundle has")
        with pack.open("wb") as copy:
            shutil.copyfileobj(file, copy, CHUNK)
    return refs


def _refusal(why: str) -> BadBundle:
    return BadBundle(
        f"The workspace's commits were not imported: {one_line(why, 400)}.",
        remedy="The workspace is kept; look at its history with `git fsck` in a sandbox.",
    )
