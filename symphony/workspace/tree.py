"""What a tree of the host's repository holds, and what two of them differ in.

Called by `snapshot`, `touched` and `making`.
"""

import os
from collections.abc import Collection
from typing import NamedTuple

from symphony.workspace.git_command import Git, git_failure

GITLINK = b"160000"
LINK = b"120000"
PLAIN = b"100644"
EXECUTABLE = b"100755"
ATTRIBUTES = b".gitattributes"
NAMED = 65_536  # bytes of names on one command line


class TreeEntry(NamedTuple):
    """One entry of a tree, as bytes from git; there may be a million of them."""

    mode: bytes
    oid: bytes


async def entries_of(git: Git, tree: str, names: Collection[bytes] = ()) -> dict[bytes, TreeEntry]:
    """Return the files of a tree or of a commit's tree by name, with links and submodules.

    Args:
        git: in the host's repository.
        tree: its id.
        names: of files that it has, or nothing for all.

    Raises:
        WorkspaceError: whatever git says.
    """
    few = names if sum(map(len, names)) + len(names) < NAMED else ()
    listing = await git.with_options("--literal-pathspecs").run(
        "ls-tree", "-r", "-z", "--full-tree", tree, "--", *map(os.fsdecode, few)
    )
    entries = {}
    for line in filter(None, listing.split(b"\0")):
        facts, _, name = line.partition(b"\t")
        mode, _, oid = facts.split(b" ")
        entries[name] = TreeEntry(mode, oid)
    return {name: entries[name] for name in names if name in entries} if names else entries


async def changes_between(git: Git, before: str, after: str) -> dict[bytes, TreeEntry | None] | None:
    """Return what the second of two trees, or commits, has under each name in which they differ.

    None when the first is not there.

    Raises:
        WorkspaceError: whatever git says.
    """
    arguments = ("diff-tree", "-r", "-z", "--no-renames", "--raw", before, after, "--")
    result = await git.ask(*arguments)
    if result.exit_status != 0:
        if (await git.ask("cat-file", "-e", before)).exit_status != 0:
            return None
        raise git_failure("`git diff-tree` failed", result)
    said = result.stdout.split(b"\0")
    changes: dict[bytes, TreeEntry | None] = {}
    for facts, name in zip(said[::2], said[1::2], strict=False):
        _, mode, _, oid, status = facts.split(b" ")
        changes[name] = None if status == b"D" else TreeEntry(mode, oid)
    return changes


def is_attributes(name: bytes) -> bool:
    """Say whether git takes rules for other files from a file of this name."""
    return name.rpartition(b"/")[2] == ATTRIBUTES
