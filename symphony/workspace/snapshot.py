"""The files of a workspace as a tree in the host's repository, whatever its `.git` says.

Names come from git in the host's repository, with the workspace as its work tree, so that
`.gitignore` counts and nothing that the guest configured does. Contents are read by
`guest_files`, hashed here, and only what differs from the known tree is copied to a folder of
the host, where git adds it: attributes such as line endings hold, filters do not exist.

A repository inside the workspace would be reduced by git to a commit id; its files are taken as
plain files, except where the known tree already has a submodule at that place.
"""

import asyncio
import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError, disk_error, explain_disk
from symphony.workspace.git_command import git_failure, host_git
from symphony.workspace.guest_files import GuestFile, GuestFolder, GuestLink
from symphony.workspace.reading import in_thread

FILE_LIMIT = 1_000_000  # names; far beyond the largest repositories, and still a few 100 MB here
CHANGED_BYTES_LIMIT = 4 << 30  # bytes of new or changed files; more is a build product, not work
NESTING_LIMIT = 8  # repositories within repositories
WHOLE_READ = 8 << 20  # bytes up to which a file is read once, hashed and copied from memory
CHUNK = 1 << 20
GITLINK = b"160000"
LINK = b"120000"
PLAIN = b"100644"
EXECUTABLE = b"100755"
ATTRIBUTES = b".gitattributes"
CLOSED_FOLDER = re.compile(r"^warning: could not open directory '(.*?)/?': (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a tree, as bytes from git."""

    mode: bytes
    oid: bytes


@dataclass(slots=True)
class Sorted:
    """What a walk over the files found.

    Attributes:
        same: entries of the known tree that hold unchanged, as lines for `--index-info`.
        copied: names that were copied and have to be added.
        copied_bytes: their size.
    """

    same: list[bytes] = field(default_factory=list)
    copied: list[bytes] = field(default_factory=list)
    copied_bytes: int = 0


async def take_snapshot(
    repository: Path,
    workspace: Path,
    known_tree: str,
    scratch: Path,
    pass_over: Callable[[str], None] | None = None,
) -> str:
    """Return the tree of all files in the workspace that are tracked or not ignored.

    Args:
        repository: the host's.
        workspace: the folder; its `.git` is not looked at.
        known_tree: what is most likely there; its files count also where they are ignored.
        scratch: an empty folder of the host, for copies and for the index.
        pass_over: told of each file that cannot be read, which then counts as unchanged; without
            it such a file is an error.

    Raises:
        WorkspaceError: `workspace.unreadable_file`, `workspace.too_large`, ….
    """
    index = {"GIT_INDEX_FILE": str(scratch / "index")}
    git = host_git(scratch, f"--git-dir={repository}", **index)
    listing = await git.run("ls-tree", "-r", "-z", "--full-tree", known_tree)
    known = dict(_parse_entries(listing))
    closed: dict[str, str] = {}
    names = await _list_files(repository, workspace, scratch, known, closed, depth=0)
    for folder, why in closed.items():
        if pass_over is None:
            raise _unreadable("folder", folder, workspace, why)
        pass_over(folder)
    if len(names) > FILE_LIMIT:
        raise WorkspaceError(
            f"The workspace {workspace} holds more than {FILE_LIMIT} files that git does not ignore.",
            code="workspace.too_large",
            remedy="Add what is built or downloaded to .gitignore.",
        )
    copies = scratch / "copies"
    walk = Walk(workspace, known, copies, pass_over)
    found = await in_thread(lambda: walk.run(names | known.keys()), walk.stop)
    await git.run("update-index", "-z", "--index-info", stdin=b"".join(found.same))
    if found.copied:
        adder = host_git(copies, f"--git-dir={repository}", f"--work-tree={copies}", **index)
        await adder.run("update-index", "--add", "-z", "--stdin", stdin=b"\0".join(found.copied) + b"\0")
    return await git.line("write-tree")


class Walk:
    """One reading of all files, in a thread; `stop` ends it within a chunk."""

    def __init__(
        self,
        workspace: Path,
        known: dict[bytes, TreeEntry],
        copies: Path,
        pass_over: Callable[[str], None] | None = None,
    ) -> None:
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
                self._found.same.append(_index_line(known, name))
                return
            found = folder.read(name)
        except OSError as error:
            shown = one_line(name.decode("utf-8", "replace"))
            if self._pass_over is not None:
                self._pass_over(shown)
                if known is not None:
                    self._found.same.append(_index_line(known, name))
                return
            raise _unreadable("file", shown, self._workspace, error.strerror or str(error)) from error
        match found:
            case None:
                return
            case GuestLink(target=target):
                if known == TreeEntry(LINK, _blob_id(known, target)):
                    self._found.same.append(_index_line(known, name))
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
                self._found.same.append(_index_line(known, name))
                # the added files are read by its rules, so that it has to lie beside them
                if name.rpartition(b"/")[2] == ATTRIBUTES:
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


async def _list_files(
    repository: Path,
    folder: Path,
    scratch: Path,
    known: dict[bytes, TreeEntry],
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


def _unreadable(what: str, name: str, workspace: Path, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"The {what} {name} in {workspace} cannot be read: {why}.",
        code="workspace.unreadable_file",
        remedy="Make it readable or delete it; nothing is handed over without it.",
    )


def _is_real_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _parse_entries(listing: bytes) -> Iterable[tuple[bytes, TreeEntry]]:
    for line in filter(None, listing.split(b"\0")):
        facts, _, name = line.partition(b"\t")
        mode, _, oid = facts.split(b" ")
        yield name, TreeEntry(mode, oid)


def _index_line(entry: TreeEntry, name: bytes) -> bytes:
    return entry.mode + b" " + entry.oid + b"\t" + name + b"\0"


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
