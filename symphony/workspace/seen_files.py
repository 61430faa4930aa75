"""What the files of a workspace looked like when the host last knew what is in them.

A file that still looks so holds what it held: its time of change is the kernel's, which no guest can
set. Kept where no guest can write, one file per workspace, and only to save time: without it, every file
is read. Written by `making` for a new clone and by `touched`, which reads it.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from symphony.host.durable import write_durably
from symphony.workspace.errors import explain_disk
from symphony.workspace.listing import lines_of, listing_of
from symphony.workspace.looks import Looks, changed_before
from symphony.workspace.tree import TreeEntry, is_attributes

MAGIC = b"symphony seen files 2"
HEADER_LIMIT = 200  # bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the files of one workspace, all of which are those of a tree.

    Attributes:
        tree: of the host's repository, or a commit that has it; empty when nothing is known.
        looks: a list of those of files that hold what the tree has under their names.
        rest: the tree's entries under all other names, as `mode oid`.
    """

    tree: str = ""
    looks: bytes = field(default=b"", repr=False)
    rest: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


class SeenFiles:
    """Where this is kept for one workspace; every method blocks on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Seen:
        """Return what is known; nothing when it cannot be read."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            magic, tree, length, count = file.readline(HEADER_LIMIT).rsplit(b" ", 3)
            looks, rest = file.read(int(length)), lines_of(file.read())
            if magic == MAGIC and len(looks) == int(length) and len(rest) == 2 * int(count):
                return Seen(tree.decode(), looks, dict(zip(rest[::2], rest[1::2], strict=True)))
        return Seen()

    def store(self, seen: Seen) -> None:
        """Put this in the place of what was there; nothing is there when that fails."""
        header = b"%s %s %d %d\n" % (MAGIC, seen.tree.encode(), len(seen.looks), len(seen.rest))
        rest = listing_of(field for entry in seen.rest.items() for field in entry)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._path, header + seen.looks + rest)
        except OSError:
            self.forget()

    def forget(self) -> None:
        """Let every file be read the next time."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def note_clone(
        self, tree: str, entries: Mapping[bytes, TreeEntry], looks: Looks, settled_before: int
    ) -> None:
        """Store what the host has just checked out, and nobody else has been at.

        Args:
            tree: it, or a commit that has it.
            entries: what is in it.
            looks: of the clone.
            settled_before: ns; of a file that was changed later, the next change may look the same.
        """
        if not looks.whole:
            return self.forget()
        told = told_by(lines_of(looks.listing), settled_before)
        told = {name: look for name, look in told.items() if name in entries}
        rest = {name: b" ".join(entry) for name, entry in entries.items() if name not in told}
        return self.store(Seen(tree, listing_of(told.values()), rest))


def seen_files(installation: Path, key: str) -> SeenFiles:
    """Return the looks of the files in the workspace with this key."""
    return SeenFiles(installation / "seen-files" / key)


def clock_of(folder: Path) -> int:
    """Return the time that the file system of a folder of the host's gives to a change now, in ns.

    It goes in steps, of a few milliseconds mostly: what has an earlier time is told from any later change.
    """
    with explain_disk(f"write {folder}"), tempfile.NamedTemporaryFile(dir=folder) as file:
        return os.fstat(file.fileno()).st_ctime_ns


def told_by(looks: Iterable[bytes], settled_before: int) -> dict[bytes, bytes]:
    """Return the looks that will tell of a file's next change, by its name: it need not be read until then.

    Args:
        looks: one for each file.
        settled_before: ns; of a file that was changed later, the next change may look the same.
    """
    return {name: look for name, look in changed_before(looks, settled_before) if not is_attributes(name)}
