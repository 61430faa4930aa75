"""How all files of a workspace look now, without a read of any.

Called by `touched`. A look is one line of bytes that holds a file's path and what its file system says of
it; as long as it stays the same, so does the file. Small folders are looked through here, large ones by
GNU find in several processes at once, where this machine has it: both follow no link, say the same of
every file, and pass over folders, the `.git` of the workspace and what is inside any other `.git`.
"""

import asyncio
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

from symphony.host.process import ProcessError, run_group
from symphony.workspace.errors import explain_disk
from symphony.workspace.git_command import GIT_TIMEOUT, OUTPUT_LIMIT, closed_environment
from symphony.workspace.guest_files import DEEPEST, OPEN_FOLDER
from symphony.workspace.listing import listing_of
from symphony.workspace.reading import begun, in_thread
from symphony.workspace.repository_files import BUNDLES

SMALL = 3000  # files that are looked at in less time than a program needs to start
FILES_LOOKED_AT = 1_000_000  # of a folder without GNU find; beyond it, every file is read
PROCESSES = 4  # at most
NAMES_AT_ONCE = 2000  # names in the workspace's own folder that are shared out among processes
FORMAT = "%i %s %T@ %C@ %p\\0"
ROOT = Path("/")  # a folder that no guest changes, to try a find on
GIT = ".git"
PASSED_OVER = {GIT, *BUNDLES}  # of what comes and goes, find would complain
LOOK_INSIDE = (
    *("-ignore_readdir_race", "-path", "./.git", "-prune"),
    *("-o", "-name", GIT, "-printf", FORMAT, "-prune"),
    *("-o", "!", "-type", "d", "-printf", FORMAT),
)
NESTED_END = b"/.git"


@dataclass(frozen=True, slots=True)
class Looks:
    """What a folder's files look like.

    Attributes:
        listing: a line for each file, link, pipe and socket, and for each repository inside; in the same
            order as long as the folders stay the same.
        whole: whether nothing was left out.
    """

    listing: bytes = field(default=b"", repr=False)
    whole: bool = False


def look_of(found: os.stat_result, path: bytes) -> bytes:
    """Return the look of what lies at a path, as GNU find writes one; a file's path begins with `./`."""
    modified, changed = _time(found.st_mtime_ns), _time(found.st_ctime_ns)
    return b"%d %d %b %b %b" % (found.st_ino, found.st_size, modified, changed, path)


def _time(ns: int) -> bytes:
    return b"%d.%09d0" % divmod(ns, 10**9)


def name_of(line: bytes) -> bytes:
    """Return the path in a look, relative to the workspace."""
    return line.split(b" ", 4)[4][2:]


def nested_in(lines: Iterable[bytes]) -> tuple[bytes, ...]:
    """Return the folders that hold a repository of their own, in order, by looks of them."""
    return tuple(sorted(name_of(line)[: -len(NESTED_END)] for line in lines if line.endswith(NESTED_END)))


def changed_before(lines: Iterable[bytes], ns: int) -> Iterator[tuple[bytes, bytes]]:
    """Give the name and the look of each file that was last changed before a time, in ns of its kernel."""
    limit = _time(ns)
    for line in lines:
        _, _, _, changed, path = line.split(b" ", 4)
        if len(changed) < len(limit) or (changed < limit and len(changed) == len(limit)):
            yield path[2:], line


async def look_over(folder: Path, expected: int = 0) -> Looks:
    """Look at every file in a folder that a guest may be changing.

    Args:
        folder: the workspace.
        expected: how many files there may be.

    Raises:
        WorkspaceError: `workspace.permission_denied` and others, when the folder itself cannot be read.
    Cancellation: no process and no thread is left.
    """
    if expected <= SMALL:
        looks = await _scan(folder, SMALL)
        if looks is not None:
            return looks
    return await _find(folder) or await _scan(folder, FILES_LOOKED_AT) or Looks()


async def _scan(folder: Path, limit: int) -> Looks | None:
    scan = _Scan(folder, limit)
    return await in_thread(scan.run, scan.stop)


class _Scan:
    """One look through a folder, in a thread."""

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._lines: list[bytes] = []
        self._whole = True
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def run(self) -> Looks | None:
        """Return the looks; None when there are more files than the limit."""
        with explain_disk(f"read {self._folder}"):
            self._look(os.open(self._folder, OPEN_FOLDER), b"./", 0)
        return None if self._ended() else Looks(listing_of(self._lines), self._whole)

    def _ended(self) -> bool:
        return len(self._lines) > self._limit or self._stopped.is_set()

    def _look(self, descriptor: int, prefix: bytes, depth: int) -> None:
        """Look at a folder's files and into its folders; close it."""
        try:
            for name in self._names(descriptor, depth):
                if self._ended():
                    return
                if name == GIT and depth == 0:
                    continue
                try:
                    found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    inside = stat.S_ISDIR(found.st_mode) and name != GIT
                    inner = os.open(name, OPEN_FOLDER, dir_fd=descriptor) if inside else None
                except FileNotFoundError:
                    continue
                except OSError:
                    self._whole = False
                    continue
                if inner is None:
                    self._lines.append(look_of(found, prefix + os.fsencode(name)))
                elif depth < DEEPEST:
                    self._look(inner, prefix + os.fsencode(name) + b"/", depth + 1)
                else:
                    os.close(inner)
                    self._whole = False
        finally:
            os.close(descriptor)

    def _names(self, descriptor: int, depth: int) -> list[str]:
        try:
            return os.listdir(descriptor)
        except OSError:
            if depth == 0:
                raise
            self._whole = False
            return []


async def _find(folder: Path) -> Looks | None:
    """Look with this machine's find; None when it is not GNU's, left something out, or found too much."""
    mine = await asyncio.to_thread(lambda: look_of(ROOT.lstat(), os.fsencode(ROOT)))
    with explain_disk(f"read {folder}"):
        shares = await asyncio.to_thread(_shares, folder)
    async with AsyncExitStack() as stack:
        starts = (
            (str(ROOT), "-maxdepth", "0", "-printf", FORMAT),
            *((*share, *LOOK_INSIDE) for share in shares),
        )
        finding = [await stack.enter_async_context(begun(_run_find(folder, *start))) for start in starts]
        tried, *said = [await task for task in finding]
    parts = [part for part in said if part is not None]
    # what they all found is held several times over
    if tried != mine + b"\0" or len(parts) < len(said) or sum(map(len, parts)) >= OUTPUT_LIMIT:
        return None
    return Looks(b"".join(parts), whole=True)


def _shares(folder: Path) -> list[tuple[str, ...]]:
    """Return what each process looks into: shares of the folder's own names, if there are few of these."""
    names = [name for name in sorted(os.listdir(folder)) if name not in PASSED_OVER]  # noqa: PTH208  strings
    if len(names) > NAMES_AT_ONCE:
        return [(".",)]
    shares: dict[int, list[str]] = {}
    processes = min(PROCESSES, os.cpu_count() or 1)
    for name in names:  # a name stays in its share when others come and go
        shares.setdefault(crc32(os.fsencode(name)) % processes, []).append(f"./{name}")
    return [tuple(shares[number]) for number in sorted(shares)]


async def _run_find(folder: Path, *arguments: str) -> bytes | None:
    """Return all that find writes; None when it left something out or there is no such find."""
    try:
        result = await run_group(
            ("find", "-P", *arguments),
            cwd=folder,
            env=closed_environment(),
            timeout_s=GIT_TIMEOUT,
            output_limit=OUTPUT_LIMIT,
        )
    except ProcessError:
        return None
    whole = result.exit_status == 0 and len(result.stdout) < OUTPUT_LIMIT
    return result.stdout if whole else None
