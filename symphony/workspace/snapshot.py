"""The files of a workspace as a tree in the host's repository, whatever its `.git` says.

Names come from git in the host's repository, with the workspace as its work tree, so that
`.gitignore` counts and nothing that the guest configured does. Contents are read by
`guest_files`, hashed here, and only what differs from the known tree is copied to a folder of
the host, where git adds it: attributes such as line endings hold, filters do not exist.

A repository inside the workspace would be reduced by git to a commit id; its files are taken as
plain files, except where the known tree already has a submodule at that place.
"""

import asyncio
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import git_failure, host_git
from symphony.workspace.reading import in_thread
from symphony.workspace.touched import Touched
from symphony.workspace.tree import GITLINK, TreeEntry, entries_of
from symphony.workspace.walk import Walk, unreadable

FILE_LIMIT = 1_000_000  # names; far beyond the largest repositories, and still a few 100 MB here
NESTING_LIMIT = 8  # repositories within repositories
CLOSED_FOLDER = re.compile(r"^warning: could not open directory '(.*?)/?': (.*)$", re.MULTILINE)


async def take_snapshot(
    repository: Path,
    workspace: Path,
    known_tree: str,
    scratch: Path,
    pass_over: Callable[[str], None] | None = None,
    touched: Touched | None = None,
) -> str:
    """Return the tree of all files in the workspace that are tracked or not ignored.

    Args:
        repository: the host's.
        workspace: the folder; its `.git` is not looked at.
        known_tree: what is most likely there; its files count also where they are ignored.
        scratch: an empty folder of the host, for copies and for the index.
        pass_over: told of each file that cannot be read, which then counts as unchanged; without
            it such a file is an error.
        touched: the files that may differ from what was known; without it every file is read.

    Raises:
        WorkspaceError: `workspace.unreadable_file`, `workspace.too_large`, ….
    """
    index = {"GIT_INDEX_FILE": str(scratch / "index")}
    git = host_git(scratch, f"--git-dir={repository}", **index)
    suspects = await touched.suspects(git, known_tree) if touched else None
    known = await entries_of(git, known_tree) if suspects is None else suspects.known
    names = {*known}
    if suspects is None or suspects.unknown:
        closed: dict[str, str] = {}
        listed = await _list_files(repository, workspace, scratch, known, closed, depth=0)
        _check_listed(workspace, listed, closed, pass_over)
        names |= listed if suspects is None else listed & suspects.unknown
    walk = Walk(workspace, known, scratch / "copies", pass_over)
    found = await in_thread(lambda: walk.run(names), walk.stop)
    if touched and suspects:
        await asyncio.to_thread(touched.note_more, known_tree, suspects, found.looks, found.began_ns)
    elif touched:
        await asyncio.to_thread(touched.note, known_tree, known, found.looks, found.began_ns)
    gone = known.keys() - found.same
    if not gone and not found.copied:
        return known_tree
    await git.run("read-tree", known_tree)
    if gone:
        nothing = b"0" * len(known_tree)
        removed = b"".join(b"0 %s\t%s\0" % (nothing, name) for name in gone)
        await git.run("update-index", "-z", "--index-info", stdin=removed)
    if found.copied:
        copies = scratch / "copies"
        adder = host_git(copies, f"--git-dir={repository}", f"--work-tree={copies}", **index)
        await adder.run("update-index", "--add", "-z", "--stdin", stdin=b"\0".join(found.copied) + b"\0")
    return await git.line("write-tree")


def _check_listed(
    workspace: Path, listed: set[bytes], closed: Mapping[str, str], pass_over: Callable[[str], None] | None
) -> None:
    """Make sure that the list of names is whole, and no more than can be held.

    Raises:
        WorkspaceError: `workspace.unreadable_file`, `workspace.too_large`.
    """
    for folder, why in closed.items():
        if pass_over is None:
            raise unreadable("folder", folder, workspace, why)
        pass_over(folder)
    if len(listed) > FILE_LIMIT:
        raise WorkspaceError(
            f"The workspace {workspace} holds more than {FILE_LIMIT} files that git does not ignore.",
            code="workspace.too_large",
            remedy="Add what is built or downloaded to .gitignore.",
        )


async def _list_files(
    repository: Path,
    folder: Path,
    scratch: Path,
    known: Mapping[bytes, TreeEntry],
    closed: dict[str, str],
    *,
    depth: int,
) -> set[bytes]:
    """Return the names of all files that are not ignored, those of nested repositories included.

    Folders that git cannot look into are added to `closed` with the reason: it ends well all the same.
    """
    git = host_git(
        folder,
        f"--git-dir={repository}",
        f"--work-tree={folder}",
        GIT_INDEX_FILE=str(scratch / "no-index"),
    )
    listed = await git.ask("ls-files", "--others", "--exclude-standard", "-z")
    if listed.exit_status != 0:
        raise git_failure(f"`git ls-files` failed in {folder}", listed)
    said = listed.stderr.decode("utf-8", "replace")
    closed.update((one_line(name), one_line(why)) for name, why in CLOSED_FOLDER.findall(said))
    names: set[bytes] = set()
    for name in filter(None, listed.stdout.split(b"\0")):
        if not name.endswith(b"/"):
            names.add(name)
            continue
        nested = name.rstrip(b"/")
        entry = known.get(nested)
        if depth < NESTING_LIMIT and (entry is None or entry.mode != GITLINK):
            inner = folder / os.fsdecode(nested)
            if not await asyncio.to_thread(_is_real_folder, inner):
                continue
            below = await _list_files(repository, inner, scratch, {}, closed, depth=depth + 1)
            names.update(name + path for path in below)
    return names


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
