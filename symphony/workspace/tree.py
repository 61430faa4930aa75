"""What a tree of the host's repository holds, and what two of them differ in.

Called by `snapshot`, `touched`, `making`, `patch` and `way`.
"""

import os
from collections.abc import Collection, Iterator
from typing import NamedTuple

from symphony.workspace.git_command import Git, git_failure

GITLINK = b"160000"
LINK = b"120000"
PLAIN = b"100644"
EXECUTABLE = b"100755"
NOTHING = b"000000"  # the mode of what one of two trees does not have
ATTRIBUTES = b".gitattributes"
NAMED = 65_536  # bytes of names on one command line


class TreeEntry(NamedTuple):
    """One entry of a tree, as bytes from git; there may be a million of them."""

    mode: bytes
    oid: bytes

    @property
    def is_there(self) -> bool:
        """Whether the tree has it."""
        return self.mode != NOTHING


class Change(NamedTuple):
    """A name in which two trees differ."""

    name: bytes
    before: TreeEntry
    after: TreeEntry


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
    changes = read_changes(result.stdout)
    return {change.name: change.after if change.after.is_there else None for change in changes}


def read_changes(listing: bytes) -> Iterator[Change]:
    """Read what git lists with `--raw -z` and without renames: facts and name in turn."""
    fields = iter(filter(None, listing.split(b"\0")))
    for facts in fields:
        before_mode, after_mode, before, after, _ = facts.lstrip(b":\n").split(b" ")
        yield Change(next(fields), TreeEntry(before_mode, before), TreeEntry(after_mode, after))


def is_attributes(name: bytes) -> bool:
    """Say whether git takes rules for other files from a file of this name."""
    return name.rpartition(b"/")[2] == ATTRIBUTES
