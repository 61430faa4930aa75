"""What the files of a workspace looked like when the host last knew what is in them.

A file that still looks so holds what it held: its time of change is the kernel's, which no guest can
set. Kept where no guest can write, one file per workspace, and only to save time: without it, every file
is read. Written by `making` for a new clone and by `snapshot`, which reads it.
"""

import os
import stat
import struct
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from symphony.host.durable import write_durably
from symphony.workspace.guest_files import GuestFolder
from symphony.workspace.tree import TreeEntry

MAGIC = b"symphony seen files 1"
HEADER_LIMIT = 100  # bytes
# kernels count a file's times in steps of at most 10 ms: within two of them, times do not tell one
# change from the next
STEP_NS = 20 * 10**6
FACTS = struct.Struct("<IQQqq")


class SeenFiles:
    """The looks of one workspace's files; every method blocks on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[bytes, bytes]:
        """Return the looks by name; none when they cannot be read."""
        with suppress(OSError, ValueError), self._path.open("rb") as file:
            magic, count, length = file.readline(HEADER_LIMIT).rsplit(b" ", 2)
            looks, names = file.read(int(count) * int(length)), file.read().split(b"\0")
            if magic == MAGIC and len(names) == int(count):
                step = int(length)
                return {name: looks[at * step : (at + 1) * step] for at, name in enumerate(names)}
        return {}

    def store(self, looks: Mapping[bytes, bytes]) -> None:
        """Put these in the place of what was there; nothing is there when that fails.

        Args:
            looks: by name, all of one length.
        """
        if not looks:
            return self.forget()
        length = len(next(iter(looks.values())))
        content = b"%s %d %d\n" % (MAGIC, len(looks), length)
        content += b"".join(looks.values()) + b"\0".join(looks)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._path, content)
        except OSError:
            self.forget()

    def forget(self) -> None:
        """Let every file be read the next time."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def note_clone(self, clone: Path, entries: Mapping[bytes, TreeEntry]) -> None:
        """Store what the host has just checked out, and nobody else has been at; git wrote the index last."""
        looks = {}
        with suppress(OSError), GuestFolder(clone) as folder:
            settled_before = (clone / ".git" / "index").stat().st_mtime_ns - STEP_NS
            for name, entry in entries.items():
                found = folder.look(name)
                if found and stat.S_ISREG(found.st_mode) and found.st_ctime_ns < settled_before:
                    looks[name] = looks_of(found, entry)
        self.store(looks)


def seen_files(installation: Path, key: str) -> SeenFiles:
    """Return the looks of the files in the workspace with this key."""
    return SeenFiles(installation / "seen-files" / key)


def looks_of(found: os.stat_result, entry: TreeEntry) -> bytes:
    """Return what tells whether a file is still the one that held what a tree has under its name."""
    facts = FACTS.pack(found.st_mode, found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
    return facts + entry.mode + entry.oid
