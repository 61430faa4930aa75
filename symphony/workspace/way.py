"""The way from HEAD to a later commit: what it does to each file, and what is at their names now.

Called by fast_forward.py and half_applied.py.
"""

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from symphony.workspace.errors import explain_disk
from symphony.workspace.git_command import Git
from symphony.workspace.tree import GITLINK, TreeEntry, read_changes


@dataclass(frozen=True, slots=True)
class Step:
    """What the way from one commit to the other does to a file."""

    name: str
    before: TreeEntry
    after: TreeEntry

    @property
    def in_files(self) -> bool:
        """Whether the files are concerned; of a submodule only the index is."""
        return GITLINK not in (self.before.mode, self.after.mode)


@dataclass(frozen=True, slots=True)
class Found:
    """What is at a file's name, or on the way there if that is no folder."""

    name: str
    state: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.state.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.state.st_mode)

    @property
    def is_regular(self) -> bool:
        """Whether it is a file with content."""
        return stat.S_ISREG(self.state.st_mode)

    @property
    def is_executable(self) -> bool:
        """Whether its owner may execute it."""
        return bool(self.state.st_mode & stat.S_IXUSR)


def look(folder: Path, name: str) -> Found | None:
    """Look at a name.

    Raises:
        WorkspaceError: it cannot be seen.
    """
    found: Found | None = None
    place = ""
    with explain_disk(f"look at {folder / name}"):
        for part in Path(name).parts:
            if found is not None and not found.is_folder:
                break
            place = os.path.join(place, part)  # noqa: PTH118  a name as git says it
            try:
                found = Found(place, (folder / place).lstat())
            except FileNotFoundError:
                return None
    return found


async def in_the_way(git: Git, folder: Path, goal: str) -> list[str]:
    """Return the files, ignored ones too, that are where a fast-forward to `goal` adds some; by name."""
    added = [step.name for step in await steps_to(git, goal) if step.in_files and not step.before.is_there]
    found = await asyncio.to_thread(lambda: {name: look(folder, name) for name in added})
    return sorted(
        shown(name) for name, each in found.items() if each and each.name == name and not each.is_folder
    )


async def steps_to(git: Git, goal: str) -> list[Step]:
    """Return what the way to a commit does to each file."""
    return read_steps(await git.run("diff-tree", "-r", "-z", "--no-renames", "--raw", "HEAD", goal, "--"))


def read_steps(listing: bytes) -> list[Step]:
    """Return what git lists with `--raw -z`."""
    return [Step(os.fsdecode(name), before, after) for name, before, after in read_changes(listing)]


def shown(name: str) -> str:
    """Return a file's name with the bytes that are no text written out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
