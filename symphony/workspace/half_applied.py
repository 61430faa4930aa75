"""A fast-forward of the user's branch that was cut off: known by what it left, and taken back.

git moves the files first and the branch last. So one that is killed, or finds the disk full, leaves the
branch where it was, above files of both commits. The commit that it was on its way to is known; by that each
changed file tells whether it is git's doing or a person's. Called by applying.py.
"""

import asyncio
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.core.text import first_of
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git

NAMES_SHOWN = 5
AT_ONCE = 200  # names in one command
LINK = "120000"
SUBMODULE = "160000"
NOTHING = "000000"  # the mode of a file that one of the commits does not have
TAKES_BACK = "`symphony apply` takes back"


@dataclass(frozen=True, slots=True)
class Version:
    """A file as a commit has it; `mode` is six octal digits."""

    mode: str
    blob: str

    @property
    def is_there(self) -> bool:
        """Whether the commit has the file."""
        return self.mode != NOTHING


@dataclass(frozen=True, slots=True)
class Step:
    """What the way from one commit to the other does to a file."""

    name: str
    before: Version
    after: Version


async def in_the_way(git: Git, goal: str) -> list[str]:
    """Return the files, ignored ones too, that are where a fast-forward to `goal` adds some; by name."""
    git, folder = await _at_the_top(git)
    added = [step.name for step in await _steps(git, goal) if not step.before.is_there]
    return await asyncio.to_thread(lambda: sorted(name for name in added if _look(folder, name) is not None))


async def take_back(git: Git, goal: str) -> None:
    """Bring files and index back to HEAD if a fast-forward to `goal` was cut off between the two.

    Nothing was `in_the_way` when it began.

    Args:
        git: in the user's repository.
        goal: the commit that the fast-forward was on its way to.

    Raises:
        WorkspaceError: `apply.cut_off`: git's lock is there, or changes of a person are, and nothing was
            changed; or git could not do it, and the next call begins anew.
    """
    git, folder = await _at_the_top(git)
    ahead = await git.ask("rev-list", "--count", f"HEAD..{goal}", "--")
    behind = await git.ask("merge-base", "--is-ancestor", "HEAD", goal)
    if behind.exit_status != 0 or ahead.stdout.strip() in {b"", b"0"}:
        return
    steps = {step.name: step for step in await _steps(git, goal)}
    changed = await _changed(git, folder, steps)
    hashes = await _hashes(git, folder, [name for name in changed if name in steps])
    by_git = [
        steps[name]
        for name in changed
        if name in steps and await _on_the_way(git, folder, steps[name], hashes)
    ]
    if not by_git:
        return
    lock = Path(await git.line("rev-parse", "--path-format=absolute", "--git-path", "index.lock"))
    half = (
        f"{folder} is half way between two commits, since an earlier `symphony apply` was ended in its middle"
    )
    if await asyncio.to_thread(lock.exists):
        raise WorkspaceError(
            f"{half}, and git's lock {lock} is still there.",
            code="apply.cut_off",
            remedy=f"If no git is at work there, delete it; then {TAKES_BACK} what is half done.",
        )
    if by_a_person := sorted({*changed} - {step.name for step in by_git}):
        raise WorkspaceError(
            f"{half}, and has changes of yours since: {first_of(by_a_person, NAMES_SHOWN)}.",
            code="apply.cut_off",
            remedy="Keep them elsewhere and undo them here (`git restore`, or delete a new file);"
            f" then {TAKES_BACK} the rest.",
        )
    await _bring_back(git, folder, by_git)


async def _at_the_top(git: Git) -> tuple[Git, Path]:
    """Return git in the top folder of its repository's files, and that folder."""
    folder = Path(os.fsdecode((await git.run("rev-parse", "--show-toplevel")).rstrip(b"\n")))
    return replace(git.with_options("-C", str(folder)), folder=folder), folder


async def _bring_back(git: Git, folder: Path, steps: list[Step]) -> None:
    """Bring these files back, in the index and outside it; all others stay as they are."""
    added = [step.name for step in steps if not step.before.is_there]
    others = [step.name for step in steps if step.before.is_there]
    git = git.with_options("-c", "core.hooksPath=/dev/null", GIT_LITERAL_PATHSPECS="1")
    with explain_disk(f"take back what is half done in {folder}"):
        await asyncio.to_thread(_remove, folder, added)
    try:
        await git.run("update-index", "--force-remove", "-z", "--stdin", stdin=_lines(added))
        if others:
            await git.run(
                "checkout", "--quiet", "HEAD", "--pathspec-from-file=-", "--pathspec-file-nul",
                stdin=_lines(others), timeout_s=TRANSFER_TIMEOUT,
            )  # fmt: skip
    except WorkspaceError as error:
        raise WorkspaceError(
            f"{folder} is half way between two commits, and could not be brought back: {error.message}",
            code="apply.cut_off",
            remedy=f"Mend what git names; then {TAKES_BACK} what is half done.",
        ) from error


def _lines(names: list[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)


async def _steps(git: Git, goal: str) -> list[Step]:
    words = (await git.run("diff-tree", "-r", "-z", "--no-renames", "--raw", "HEAD", goal, "--")).split(b"\0")
    steps = []
    for what, name in zip(words[::2], words[1::2], strict=False):
        before, after, old, new, _ = what.decode().lstrip(":").split()
        if SUBMODULE not in (before, after):  # a fast-forward does not touch what is in these
            steps.append(Step(os.fsdecode(name), Version(before, old), Version(after, new)))
    return steps


async def _changed(git: Git, folder: Path, steps: dict[str, Step]) -> list[str]:
    """Return the files that are not as HEAD has them, those among them that git does not know yet."""
    diff = (
        "diff",
        "--name-only",
        "-z",
        "--no-renames",
        "--no-relative",
        "--no-ext-diff",
        "--ignore-submodules",
    )
    known = {os.fsdecode(name) for name in (await git.run(*diff, "HEAD", "--")).split(b"\0") if name}
    added = [name for name, step in steps.items() if not step.before.is_there]
    there = await asyncio.to_thread(lambda: {name for name in added if _look(folder, name) is not None})
    return sorted(known | there)


def _look(folder: Path, name: str) -> os.stat_result | None:
    """Return what is at a name, but for folders; a link on the way there leads elsewhere, so nothing is."""
    path = folder / name
    try:
        if path.parent.resolve() != folder.resolve() / Path(name).parent:
            return None
        found = path.lstat()
    except (OSError, RuntimeError):
        return None
    return None if stat.S_ISDIR(found.st_mode) else found


async def _hashes(git: Git, folder: Path, names: list[str]) -> dict[str, str]:
    """Return the blobs that git would make of these files, of those that are there and no links."""
    there = [name for name in names if (found := _look(folder, name)) and stat.S_ISREG(found.st_mode)]
    hashes: dict[str, str] = {}
    for start in range(0, len(there), AT_ONCE):
        some = there[start : start + AT_ONCE]
        said = await git.run("hash-object", "--", *some)
        hashes |= dict(zip(some, said.decode().split(), strict=True))
    return hashes


async def _on_the_way(git: Git, folder: Path, step: Step, hashes: dict[str, str]) -> bool:
    """Say whether a file is as git may have left it: gone, or one of the versions, or the begin of one."""
    found = await asyncio.to_thread(_look, folder, step.name)
    if found is None:
        return True
    versions = [version for version in (step.after, step.before) if version.is_there]
    if stat.S_ISLNK(found.st_mode):
        target = os.fsencode(await asyncio.to_thread(os.readlink, folder / step.name))
        links = [version for version in versions if version.mode == LINK]
        return any([await git.run("cat-file", "blob", version.blob) == target for version in links])
    files = [version for version in versions if version.mode != LINK]
    if not stat.S_ISREG(found.st_mode):
        return False
    if any(version.blob == hashes.get(step.name) for version in files):
        return True
    content = await asyncio.to_thread((folder / step.name).read_bytes)
    for version in files:
        whole = await git.run("cat-file", "--filters", f"--path={step.name}", version.blob)
        if whole.startswith(content):
            return True
    return False


def _remove(folder: Path, names: list[str]) -> None:
    """Delete these files, and the folders that are empty without them."""
    for name in names:
        (folder / name).unlink(missing_ok=True)
        for parent in (folder / name).parents:
            if parent == folder:
                break
            with suppress(OSError):  # there is something else in it
                parent.rmdir()
