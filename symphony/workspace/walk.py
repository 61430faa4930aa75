"""One reading of a workspace's files: which are as the known tree has them, and copies of all others.

Called by `snapshot` alone. Contents are read by `guest_files` and hashed here; a file that looks as it
did when it was last found unchanged is not read again.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError, disk_error, explain_disk
from symphony.workspace.guest_files import GuestFile, GuestFolder, GuestLink
from symphony.workspace.seen_files import looks_of
from symphony.workspace.tree import EXECUTABLE, GITLINK, LINK, PLAIN, TreeEntry

CHANGED_BYTES_LIMIT = 4 << 30  # bytes of new or changed files; more is a build product, not work
WHOLE_READ = 8 << 20  # bytes up to which a file is read once, hashed and copied from memory
CHUNK = 1 << 20
# a file that a program still holds mapped may change without a change of its times, until the kernel has
# written its pages, which takes it half a minute
SETTLED_NS = 60 * 10**9
ATTRIBUTES = b".gitattributes"


@dataclass(slots=True)
class Sorted:
    """What a walk over the files found.

    Attributes:
        same: names that hold what the known tree has under them.
        copied: names that were copied and have to be added.
        copied_bytes: their size.
        looks: what unchanged files look like that need not be read again while they do.
    """

    same: set[bytes] = field(default_factory=set)
    copied: list[bytes] = field(default_factory=list)
    copied_bytes: int = 0
    looks: dict[bytes, bytes] = field(default_factory=dict)


class Walk:
    """One reading of all files, in a thread; `stop` ends it within a chunk."""

    def __init__(
        self,
        workspace: Path,
        known: Mapping[bytes, TreeEntry],
        copies: Path,
        pass_over: Callable[[str], None] | None = None,
        seen: Mapping[bytes, bytes] = MappingProxyType({}),
    ) -> None:
        """Take the tree that is most likely there, an empty folder for copies, and what was seen before."""
        self._workspace = workspace
        self._known = known
        self._copies = copies
        self._pass_over = pass_over
        self._seen = seen
        self._settled_before = 0
        self._stopped = threading.Event()
        self._found = Sorted()

    def stop(self) -> None:
        """Let the thread end soon; what it returns then is not whole."""
        self._stopped.set()

    def run(self, names: Iterable[bytes]) -> Sorted:
        """Look at every name and sort it into what is unchanged and what is copied."""
        self._copies.mkdir(exist_ok=True)
        self._settled_before = self._copies.stat().st_mtime_ns - SETTLED_NS
        with explain_disk(f"read {self._workspace}"), GuestFolder(self._workspace) as folder:
            for name in sorted(names):
                if self._stopped.is_set():
                    break
                self._take(folder, name)
        return self._found

    def _take(self, folder: GuestFolder, name: bytes) -> None:
        known = self._known.get(name)
        try:
            if known is not None and known.mode == GITLINK and folder.holds_folder(name):
                self._found.same.add(name)
                return
            if known is not None and self._is_seen(folder, name, known):
                return
            found = folder.read(name)
        except OSError as error:
            shown = one_line(name.decode("utf-8", "replace"))
            if self._pass_over is not None:
                self._pass_over(shown)
                if known is not None:
                    self._found.same.add(name)
                return
            raise unreadable("file", shown, self._workspace, error.strerror or str(error)) from error
        match found:
            case None:
                return
            case GuestLink(target=target):
                if known == TreeEntry(LINK, _blob_id(known, target)):
                    self._found.same.add(name)
                else:
                    self._place(name, len(target)).symlink_to(os.fsdecode(target))
            case GuestFile():
                with found.file:
                    self._take_file(found, name, known)

    def _is_seen(self, folder: GuestFolder, name: bytes, known: TreeEntry) -> bool:
        """Say whether a file looks as it did when it was last found to be what the known tree has."""
        before = self._seen.get(name)
        if before is None or is_attributes(name):
            return False
        stat = folder.look(name)
        if stat is None or looks_of(stat, known) != before:
            return False
        self._found.same.add(name)
        self._found.looks[name] = before
        return True

    def _take_file(self, found: GuestFile, name: bytes, known: TreeEntry | None) -> None:
        self._check_size(found.size)
        mode = EXECUTABLE if found.executable else PLAIN
        content = found.file.read(WHOLE_READ + 1)
        whole = len(content) <= WHOLE_READ
        if known is not None and known.mode == mode:
            oid = _blob_id(known, content) if whole else self._stream_id(known, found, content)
            if oid == known.oid:
                self._found.same.add(name)
                if found.stat.st_ctime_ns < self._settled_before:
                    self._found.looks[name] = looks_of(found.stat, known)
                # the added files are read by its rules, so that it has to lie beside them
                if is_attributes(name):
                    self._copy(found, content, self._make_place(name), whole=whole)
                return
        self._copy(found, content, self._place(name, found.size), whole=whole)

    def _copy(self, found: GuestFile, content: bytes, place: Path, *, whole: bool) -> None:
        try:
            with place.open("wb") as copy:
                copy.write(content)
                if not whole:
                    found.file.seek(len(content))
                    while not self._stopped.is_set() and (chunk := found.file.read(CHUNK)):
                        copy.write(chunk)
            place.chmod(0o755 if found.executable else 0o644)
        except OSError as error:
            raise disk_error(error, "copy changed files out of the workspace") from error

    def _stream_id(self, known: TreeEntry, found: GuestFile, beginning: bytes) -> bytes:
        hashing = _hash_of(known, found.size)
        hashing.update(beginning)
        while not self._stopped.is_set() and (chunk := found.file.read(CHUNK)):
            hashing.update(chunk)
        return hashing.hexdigest().encode()

    def _place(self, name: bytes, size: int) -> Path:
        self._found.copied.append(name)
        self._found.copied_bytes += size
        self._check_size(self._found.copied_bytes)
        return self._make_place(name)

    def _check_size(self, size: int) -> None:
        if size > CHANGED_BYTES_LIMIT:
            raise WorkspaceError(
                f"The workspace {self._workspace} holds more than {CHANGED_BYTES_LIMIT >> 30} GiB of changed"
                " files that git does not ignore.",
                code="workspace.too_large",
                remedy="Add what is built or downloaded to .gitignore.",
            )

    def _make_place(self, name: bytes) -> Path:
        place = self._copies / os.fsdecode(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def unreadable(what: str, name: str, workspace: Path, why: str) -> WorkspaceError:
    """Return the error for a file or folder that the host cannot look into."""
    return WorkspaceError(
        f"The {what} {name} in {workspace} cannot be read: {why}.",
        code="workspace.unreadable_file",
        remedy="Make it readable or delete it; nothing is handed over without it.",
    )


def is_attributes(name: bytes) -> bool:
    """Say whether git takes rules for other files from a file of this name."""
    return name.rpartition(b"/")[2] == ATTRIBUTES


def _hash_of(known: TreeEntry, size: int) -> "hashlib._Hash":
    """Return git's hash for a blob of this size, in the repository's object format."""
    hashing = hashlib.sha256() if len(known.oid) == 64 else hashlib.sha1(usedforsecurity=False)
    hashing.update(b"blob %d\0" % size)
    return hashing


def _blob_id(known: TreeEntry | None, content: bytes) -> bytes:
    if known is None:
        return b""
    hashing = _hash_of(known, len(content))
    hashing.update(content)
    return hashing.hexdigest().encode()
