"""The files of a workspace's `.git`, read and copied as a stranger's bytes; nothing of it is believed.

Called by `guest_history` alone. It follows no link, bounds all that it reads, and passes over what
cannot be read: a damaged `.git` still gives what is left of it.
"""

import re
import threading
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from symphony.workspace.bundle import BUNDLE_LIMIT, TIPS_LIMIT
from symphony.workspace.errors import disk_error, explain_disk
from symphony.workspace.guest_files import GuestFile, GuestFolder
from symphony.workspace.staged import INDEX_LIMIT

OBJECTS_LOOKED_AT = 500_000  # loose objects; git itself packs them long before
REFS_LOOKED_AT = 10_000  # files and folders below refs
REF_LIMIT = 1 << 20  # bytes of one ref, of packed-refs, or of the end of a log
PARSED_LIMIT = 64 << 20  # bytes of a commit, tree or tag, which git holds in memory
HEADER_READ = 1 << 12  # compressed bytes that surely hold an object's header
CHUNK = 1 << 20
OBJECT_NAME = re.compile(rb"^[0-9a-f]{40}$")
PACK_NAME = re.compile(rb"^pack-[0-9a-f]{40}\.pack$")
PARSED = frozenset({b"commit", b"tree", b"tag"})


@dataclass(slots=True)
class Claims:
    """What the files of a `.git` say; nothing of it is checked.

    Attributes:
        head: the object id that is checked out.
        before: what was checked out before, the latest first.
        tips: all other ids that have a name.
        index: the index's bytes.
        loose: the ids of all loose objects.
        packs: the names of all packs.
    """

    head: str = ""
    before: list[str] = field(default_factory=list)
    tips: list[str] = field(default_factory=list)
    index: bytes = b""
    loose: list[bytes] = field(default_factory=list)
    packs: list[bytes] = field(default_factory=list)


class Reader:
    """One reading of a `.git` in a thread; `stop` ends it within a chunk."""

    def __init__(self, workspace: Path) -> None:
        self._workspace = workspace
        self._stopped = threading.Event()
        self._left = BUNDLE_LIMIT

    def stop(self) -> None:
        """Let the thread end soon; what it returns then is not whole."""
        self._stopped.set()

    def claims(self) -> Claims:
        """Return what names and lists say; what cannot be read is left out."""
        claims = Claims()
        with explain_disk(f"read {self._workspace}"), GuestFolder(self._workspace) as folder:
            refs = self._refs(folder)
            head = self._text(folder, b".git/HEAD").strip()
            branch = (
                head.removeprefix("ref: ").encode("utf-8", "replace") if head.startswith("ref: ") else None
            )
            claims.head = refs.get(branch, "") if branch else _id(head)
            stashes = _log(self._text(folder, b".git/logs/refs/stash", end=True))
            claims.before = _log(self._text(folder, b".git/logs/HEAD", end=True))
            claims.tips = list(dict.fromkeys([*refs.values(), *stashes]))[:TIPS_LIMIT]
            claims.index = self._read(folder, b".git/index", INDEX_LIMIT)
            claims.packs = self._packs(folder)
            for number in range(256):
                fan = b"%02x" % number
                for name in self._names(folder, b".git/objects/" + fan):
                    if OBJECT_NAME.match(fan + name) and len(claims.loose) < OBJECTS_LOOKED_AT:
                        claims.loose.append(fan + name)
        return claims

    def packs(self) -> tuple[str, ...]:
        """Return the names of all packs."""
        with explain_disk(f"read {self._workspace}"), GuestFolder(self._workspace) as folder:
            return tuple(name.decode() for name in self._packs(folder))

    def copy_objects(self, names: Iterable[bytes], target: Path) -> int:
        """Copy loose objects; return how many could not be."""
        passed_over = 0
        with explain_disk(f"read {self._workspace}"), GuestFolder(self._workspace) as folder:
            for name in names:
                path = b".git/objects/" + name[:2] + b"/" + name[2:]
                place = target / name[:2].decode() / name[2:].decode()
                if self._stopped.is_set():
                    break
                passed_over += not self._copy(folder, path, place, is_object=True)
        return passed_over

    def copy_pack(self, name: bytes, target: Path) -> bool:
        """Copy one pack; say whether it could be."""
        with explain_disk(f"read {self._workspace}"), GuestFolder(self._workspace) as folder:
            return self._copy(folder, b".git/objects/pack/" + name, target, is_object=False)

    def _copy(self, folder: GuestFolder, path: bytes, target: Path, *, is_object: bool) -> bool:
        found = self._open(folder, path)
        if found is None:
            return False
        with found.file:
            if found.size > self._left:
                return False
            self._left -= found.size
            try:
                chunk = found.file.read(HEADER_READ if is_object else CHUNK)
                if is_object and not _is_bearable(chunk):
                    return False
                with _placed(target).open("wb") as copy:
                    while chunk and not self._stopped.is_set():
                        copy.write(chunk)
                        chunk = found.file.read(CHUNK)
            except OSError as error:
                raise disk_error(error, f"copy {self._workspace}/.git") from error
        return True

    def _packs(self, folder: GuestFolder) -> list[bytes]:
        return [name for name in self._names(folder, b".git/objects/pack") if PACK_NAME.match(name)]

    def _refs(self, folder: GuestFolder) -> dict[bytes, str]:
        refs: dict[bytes, str] = {}
        for line in self._text(folder, b".git/packed-refs").splitlines():
            oid, _, name = line.partition(" ")
            if _id(oid):
                refs[name.encode("utf-8", "replace")] = oid
        open_folders, looked_at = [b"refs"], 0
        while open_folders and looked_at < REFS_LOOKED_AT:
            opened = open_folders.pop()
            below = [opened + b"/" + entry for entry in self._names(folder, b".git/" + opened)]
            looked_at += 1 + len(below)
            for path in below[:REFS_LOOKED_AT]:
                if oid := _id(self._text(folder, b".git/" + path).strip()):
                    refs[path] = oid
                else:
                    open_folders.append(path)
        return refs

    def _text(self, folder: GuestFolder, path: bytes, *, end: bool = False) -> str:
        return self._read(folder, path, REF_LIMIT, end=end).decode("utf-8", "replace")

    def _read(self, folder: GuestFolder, path: bytes, limit: int, *, end: bool = False) -> bytes:
        found = self._open(folder, path)
        if found is None:
            return b""
        with found.file:
            try:
                if end and found.size > limit:
                    found.file.seek(found.size - limit)
                return found.file.read(limit)
            except OSError:
                return b""

    def _open(self, folder: GuestFolder, path: bytes) -> GuestFile | None:
        try:
            found = folder.read(path)
        except OSError:
            return None
        return found if isinstance(found, GuestFile) else None

    def _names(self, folder: GuestFolder, path: bytes) -> tuple[bytes, ...]:
        try:
            return folder.names(path)
        except OSError:
            return ()


def _is_bearable(beginning: bytes) -> bool:
    """Say whether a loose object is what git writes, and not one that needs gigabytes to be looked at."""
    try:
        header = zlib.decompressobj().decompress(beginning, 64).partition(b"\0")[0]
    except zlib.error:
        return False
    kind, _, size = header.partition(b" ")
    if not size.isdigit() or len(size) > 12:
        return False
    return int(size) <= (PARSED_LIMIT if kind in PARSED else BUNDLE_LIMIT)


def _placed(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _id(text: str) -> str:
    return text if OBJECT_NAME.match(text.encode("utf-8", "replace")) else ""


def _log(text: str) -> list[str]:
    """Return the ids that a log says something became, the latest first."""
    ids = [_id(line.partition(" ")[2].partition(" ")[0]) for line in text.splitlines()]
    return [oid for oid in reversed(ids) if oid]
