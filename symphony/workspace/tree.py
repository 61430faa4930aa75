"""What a tree of the host's repository holds. Called by `snapshot` and `workspaces`."""

from typing import NamedTuple

from symphony.workspace.git_command import Git

GITLINK = b"160000"
LINK = b"120000"
PLAIN = b"100644"
EXECUTABLE = b"100755"


class TreeEntry(NamedTuple):
    """One entry of a tree, as bytes from git; there may be a million of them."""

    mode: bytes
    oid: bytes


async def entries_of(git: Git, tree: str) -> dict[bytes, TreeEntry]:
    """Return all files of a tree or of a commit's tree by name, with links and submodules.

    Raises:
        WorkspaceError: whatever git says.
    """
    listing = await git.run("ls-tree", "-r", "-z", "--full-tree", tree)
    entries = {}
    for line in filter(None, listing.split(b"\0")):
        facts, _, name = line.partition(b"\t")
        mode, _, oid = facts.split(b" ")
        entries[name] = TreeEntry(mode, oid)
    return entries
