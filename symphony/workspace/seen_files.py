"""What the files of a workspace looked like when the host last knew what is in them.

A file that still looks so holds what it held: its time of change is the kernel's, which no guest can
set. Kept where no guest can write, one file per workspace, and only to save time: without it, every file
is read. Written by `making` for a new clone and by `touched`, which reads it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from symphony.host.durable import write_durably
from symphony.workspace.looks import Looks, changed_ns, name_of
from symphony.workspace.tree import TreeEntry, is_attributes

MAGIC = b"symphony seen files 2"
HEADER_LIMIT = 200  # bytes
# kernels count a file's times in steps of at most 10 ms: within two of them, times do not tell one
# change from the next
STEP_NS = 20 * 10**6


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of the files of one workspace, all of which are those of a tree.

    Attributes:
        tree: of the host's repository, or a commit that has it; empty when nothing is known.
        looks: the tree's entry for a file that looks like this, as `mode oid`.
        rest: the entries of all other names in the tree.
    """

    tree: str = ""
    looks: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    rest: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


class SeenFiles:
    """Where this is kept for one workspace; every method blocks on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def count(self) -> int:
        """Return how many files there are something known of, as far as the beginning tells."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            return sum(map(int, file.readline(HEADER_LIMIT).rsplit(b" ", 2)[1:]))
        return 0

    def load(self) -> Seen:
        """Return what is known; nothing when it cannot be read."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            magic, tree, looks, rest = file.readline(HEADER_LIMIT).rsplit(b" ", 3)
            fields = file.read().split(b"\0")
            many, few = int(looks), int(rest)
            if magic == MAGIC and len(fields) == 2 * (many + few) + 1:
                middle = 2 * many
                return Seen(
                    tree.decode(),
                    dict(zip(fields[:many], fields[many:middle], strict=True)),
                    dict(zip(fields[middle : middle + few], fields[middle + few : -1], strict=True)),
                )
        return Seen()

    def store(self, seen: Seen) -> None:
        """Put this in the place of what was there; nothing is there when that fails."""
        fields = (*seen.looks, *seen.looks.values(), *seen.rest, *seen.rest.values())
        header = b"%s %s %d %d\n" % (MAGIC, seen.tree.encode(), len(seen.looks), len(seen.rest))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._path, header + b"".join(b"%s\0" % each for each in fields))
        except OSError:
            self.forget()

    def forget(self) -> None:
        """Let every file be read the next time."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def note_clone(self, clone: Path, tree: str, entries: Mapping[bytes, TreeEntry], looks: Looks) -> None:
        """Store what the host has just checked out, and nobody else has been at; git wrote the index last."""
        if not looks.whole:
            return self.forget()
        rest = {name: b" ".join(entry) for name, entry in entries.items()}
        seen = {}
        with suppress(OSError):
            settled_before = (clone / ".git" / "index").stat().st_mtime_ns - STEP_NS
            for line in looks.lines:
                name = name_of(line)
                if name in rest and is_told(line, name, settled_before):
                    seen[line] = rest.pop(name)
        return self.store(Seen(tree, seen, rest))


def seen_files(installation: Path, key: str) -> SeenFiles:
    """Return the looks of the files in the workspace with this key."""
    return SeenFiles(installation / "seen-files" / key)


def is_told(line: bytes, name: bytes, settled_before: int) -> bool:
    """Say whether a look will tell of the next change, and the file need not be read until then.

    Args:
        line: the look.
        name: the file's.
        settled_before: ns; of a file that was changed later, the next change may look the same.
    """
    return not is_attributes(name) and changed_ns(line) < settled_before
