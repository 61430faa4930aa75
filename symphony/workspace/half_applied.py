"""A fast-forward that was cut off: what it left in the files and the index, and how that is brought back.

git moves the files first and the branch last, so that one which is killed, or fails in its middle, leaves
files of both commits above the old branch. Each file that it was to change is compared with both versions.
What is neither is a person's, and then nothing is brought back. Called by fast_forward.py.
"""

import asyncio
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from symphony.core.text import first_of
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import TRANSFER_TIMEOUT, Git
from symphony.workspace.staged import StagedFile
from symphony.workspace.tree import EXECUTABLE, LINK, TreeEntry
from symphony.workspace.way import Found, Step, look, read_steps, shown, steps_to

CUT_OFF = "apply.cut_off"
NAMES_SHOWN = 5
AT_ONCE = 200  # names in one command
TAKES_BACK = "`symphony apply` takes back"


class By(Enum):
    """Who made a file as it is."""

    NOBODY = "it is as the branch has it"
    GIT = "the fast-forward"
    PERSON = "somebody else"


async def take_back(git: Git, folder: Path, goal: str, *, just_now: bool) -> None:
    """Bring files and index back to HEAD where a fast-forward to `goal` has changed them.

    Args:
        git: in the top folder of the files.
        folder: that folder, in which nothing was `in_the_way` when the fast-forward began.
        goal: the commit that it was on its way to.
        just_now: this process saw it begin; the beginning of a version is then git's as well.

    Raises:
        WorkspaceError: `apply.cut_off`: git's lock is there, or changes of a person are, and nothing was
            changed; or git could not do it, and the next call begins anew.
    """
    git = git.with_options("-c", "core.hooksPath=/dev/null", "-c", "submodule.recurse=false")
    half = f"{folder} is half way between two commits, since a `symphony apply` was ended in its middle"
    try:
        await _take_back(git, folder, goal, half, just_now=just_now)
    except WorkspaceError as error:
        if error.code == CUT_OFF:
            raise
        raise WorkspaceError(
            f"{half}, and could not be brought back: {error.message}",
            code=CUT_OFF,
            remedy=f"Mend what git names; then {TAKES_BACK} what is half done.",
        ) from error


async def _take_back(git: Git, folder: Path, goal: str, half: str, *, just_now: bool) -> None:
    steps = await steps_to(git, goal)
    makers = await _makers(git, folder, steps, just_now=just_now)
    if By.GIT not in makers.values():
        return
    lock = await git.path("index.lock")
    if await asyncio.to_thread(lock.exists):
        raise WorkspaceError(
            f"{half}, and git's lock {lock} is still there.",
            code=CUT_OFF,
            remedy=f"If no git is at work there, delete it; then {TAKES_BACK} what is half done.",
        )
    if by_a_person := sorted(shown(name) for name, by in makers.items() if by is By.PERSON):
        raise WorkspaceError(
            f"{half}, and there are changes of yours in it: {first_of(by_a_person, NAMES_SHOWN)}.",
            code=CUT_OFF,
            remedy="Keep them elsewhere and undo them here (`git restore`, or delete what is new);"
            f" then {TAKES_BACK} the rest.",
        )
    await _bring_back(git, folder, [step for step in steps if makers[step.name] is By.GIT])


async def _makers(git: Git, folder: Path, steps: list[Step], *, just_now: bool) -> dict[str, By]:
    """Say of each file who made it as it is, in the files and in the index."""
    files = {step.name: step for step in steps if step.in_files}
    found = await asyncio.to_thread(lambda: {name: look(folder, name) for name in files})
    regular = [name for name, each in found.items() if each and each.name == name and each.is_regular]
    blobs = await _blobs(git, regular)
    bits = (await git.ask("config", "--type=bool", "core.fileMode")).stdout.strip() != b"false"
    makers = dict.fromkeys((step.name for step in steps), By.NOBODY)
    for name, step in files.items():
        if (each := found[name]) is None or each.name == name:
            judge = _Judge(git, folder, step, bits=bits, just_now=just_now)
            makers[name] = await judge.maker(each, blobs.get(name))
    for name, step in files.items():
        if (each := found[name]) is not None and each.name != name:
            on_the_way = makers.get(each.name, By.PERSON)
            gone = By.GIT if step.before.is_there else By.NOBODY
            makers[name] = By.PERSON if on_the_way is By.PERSON else gone
    for name in await asyncio.to_thread(_strangers, folder, files, makers):
        makers[name] = By.PERSON
    raw = ("diff-index", "--cached", "--raw", "-z", "--no-renames", "--ignore-submodules=none", "HEAD", "--")
    goals = {step.name: step.after for step in steps}
    for staged in read_steps(await git.run(*raw)):
        if staged.name in goals and makers[staged.name] is not By.PERSON:
            makers[staged.name] = By.GIT if staged.after == goals[staged.name] else By.PERSON
    return makers


async def _blobs(git: Git, names: list[str]) -> dict[str, bytes]:
    """Return what git would store of these files, but for those that a filter of the user's changes."""
    said = await git.run("check-attr", "-z", "--stdin", "filter", stdin=_lines(names))
    words = said.split(b"\0")
    plain = [
        os.fsdecode(name)
        for name, value in zip(words[::3], words[2::3], strict=False)
        if value == b"unspecified"
    ]
    blobs: dict[str, bytes] = {}
    for start in range(0, len(plain), AT_ONCE):
        some = plain[start : start + AT_ONCE]
        hashed = await git.run("hash-object", "--", *some)
        blobs |= dict(zip(some, hashed.split(), strict=True))
    return blobs


@dataclass(frozen=True, slots=True)
class _Judge:
    """Says who made one file as it is."""

    git: Git
    folder: Path
    step: Step
    bits: bool
    just_now: bool

    async def maker(self, found: Found | None, blob: bytes | None) -> By:
        before, after = self.step.before, self.step.after
        if found is None or found.is_folder:  # what is in a folder, `_strangers` finds
            return By.GIT if before.is_there else By.NOBODY
        try:
            for version, by in ((before, By.NOBODY), (after, By.GIT)):
                if version.is_there and await self._is(version, found, blob):
                    return by
            if self.just_now and found.is_regular:
                there = await self._there(found)
                for version in (after, before):
                    if version.is_there and (await self._content(version)).startswith(there):
                        return By.GIT
        except WorkspaceError as error:
            if error.code != "workspace.too_large":
                raise
            return By.GIT if self.just_now else By.PERSON
        return By.PERSON

    async def _is(self, version: TreeEntry, found: Found, blob: bytes | None) -> bool:
        if found.is_regular and version.mode != LINK:
            if self.bits and found.is_executable != (version.mode == EXECUTABLE):
                return False
            if blob is not None:
                return blob == version.oid
        elif version.mode != LINK or not (found.is_link or found.is_regular):
            return False  # where links cannot be made, git writes them as files
        return await self._content(version) == await self._there(found)

    async def _content(self, version: TreeEntry) -> bytes:
        """Return a version as it is in the files."""
        if version.mode == LINK:
            return await self.git.run("cat-file", "blob", version.oid.decode())
        return await self.git.run("cat-file", "--filters", f"--path={self.step.name}", version.oid.decode())

    async def _there(self, found: Found) -> bytes:
        path = self.folder / self.step.name
        with explain_disk(f"read {path}"):
            if found.is_link:
                return os.fsencode(await asyncio.to_thread(os.readlink, path))
            return await asyncio.to_thread(path.read_bytes)


def _strangers(folder: Path, files: Mapping[str, Step], makers: Mapping[str, By]) -> list[str]:
    """Return the files of the branch in whose place is a folder with anything but what git made there."""
    strangers = []
    for name, step in files.items():
        place = folder / name
        if step.before.is_there and place.is_dir() and not place.is_symlink():
            inside = (Path(above) / each for above, _, names in os.walk(place) for each in names)
            if any(makers.get(str(path.relative_to(folder))) is not By.GIT for path in inside):
                strangers.append(name)
    return strangers


async def _bring_back(git: Git, folder: Path, steps: list[Step]) -> None:
    """Bring these files back, in the index and outside it; no other file is touched."""
    files = [step for step in steps if step.in_files]
    with explain_disk(f"take back what is half done in {folder}"):
        await asyncio.to_thread(_remove, folder, files)
    # an entry whose mode is nothing's is one that goes
    index = b"".join(
        StagedFile(step.before.mode, step.before.oid, os.fsencode(step.name)).line for step in steps
    )
    await git.run("update-index", "-z", "--index-info", stdin=index)
    there = _lines(step.name for step in files if step.before.is_there)
    # without --force nothing that is there is overwritten
    await git.run("checkout-index", "-z", "-u", "--stdin", stdin=there, timeout_s=TRANSFER_TIMEOUT)


def _remove(folder: Path, steps: list[Step]) -> None:
    """Delete these files, and the folders that only those of the way were in."""
    for step in steps:
        found = look(folder, step.name)
        if found is not None and found.name == step.name and not found.is_folder:
            (folder / step.name).unlink()
    for step in steps:
        place = folder / step.name
        with suppress(OSError):  # nothing is there, or something is in it
            place.rmdir()
        if not step.before.is_there:
            _remove_empty(place.parent, folder)


def _remove_empty(place: Path, top: Path) -> None:
    while place != top:
        try:
            place.rmdir()
        except OSError:
            return
        place = place.parent


def _lines(names: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(name) + b"\0" for name in names)
