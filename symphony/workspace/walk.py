"""One reading of a workspace's files: which are as the known tree has them, and copies of all others.

Called by `snapshot` alone. Contents are read by `guest_files` and hashed here.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError, disk_error, explain_disk
from symphony.workspace.guest_files import GuestFile, GuestFolder, GuestLink
from symphony.workspace.looks import look_of
from symphony.workspace.tree import EXECUTABLE, GITLINK, LINK, PLAIN, TreeEntry, is_attributes

CHANGED_BYTES_LIMIT = 4 << 30  # bytes of new or changed files; more is a build product, not work
WHOLE_READ = 8 << 20  # bytes up to which a file is read once, hashed and copied from memory
CHUNK = 1 << 20


@dataclass(slots=True)
class Sorted:
    """What a walk over the files found.

    Attributes:
        same: names that hold what the known tree has under them.
        looks: what those of them that were read looked like then; what could not be read, and counts as
            the same for want of better, has none.
        copied: names that were copied and have to be added.
        copied_bytes: their size.
        began_ns: when the walk began, by the clock of the file system.
    """

    same: set[bytes] = field(default_factory=set)
    looks: dict[bytes, bytes] = field(default_factory=dict)
    copied: list[bytes] = field(default_factory=list)
    copied_bytes: int = 0
    began_ns: int = 0


class Walk:
    """One reading of all files, in a thread; `stop` ends it within a chunk."""

    def __init__(
        self,
        workspace: Path,
        known: Mapping[bytes, TreeEntry],
        copies: Path,
        pass_over: Callable[[str], None] | None = None,
    ) -> None:
        """Take the tree that is most likely there, and a folder of the host's for copies."""
        self._workspace = workspace
        self._known = known
        self._copies = copies
        self._pass_over = pass_over
        self._stopped = threading.Event()
        self._found = Sorted()

    def stop(self) -> None:
        """Let the thread end soon; what it returns then is not whole."""
        self._stopped.set()

    def run(self, names: Iterable[bytes]) -> Sorted:
        """Look at every name and sort it into what is unchanged and what is copied."""
        self._copies.mkdir(exist_ok=True)
        self._found.began_ns = self._copies.stat().st_mtime_ns
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
                    self._note_same(name, found.stat)
                else:
                    self._place(name, len(target)).symlink_to(os.fsdecode(target))
            case GuestFile():
                with found.file:
                    self._take_file(found, name, known)

    def _take_file(self, found: GuestFile, name: bytes, known: TreeEntry | None) -> None:
        self._check_size(found.size)
        mode = EXECUTABLE if found.executable else PLAIN
        content = found.file.read(WHOLE_READ + 1)
        whole = len(content) <= WHOLE_READ
        if known is not None and known.mode == mode:
            oid = _blob_id(known, content) if whole else self._stream_id(known, found, content)
            if oid == known.oid:
                self._note_same(name, found.stat)
                # the added files are read by its rules, so that it has to lie beside them
                if is_attributes(name):
                    self._copy(found, content, self._make_place(name), whole=whole)
                return
        self._copy(found, content, self._place(name, found.size), whole=whole)

    def _note_same(self, name: bytes, stat: os.stat_result) -> None:
        self._found.same.add(name)
        self._found.looks[name] = look_of(stat, b"./" + name)

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
