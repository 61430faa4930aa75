"""Reads one entry of a state folder without ever waiting on it or leaving the root [CONTRACT 3.2]."""

import os
import stat
import time
from operator import attrgetter
from pathlib import Path
from typing import TypeAlias

from symphony.core.issue import Issue
from symphony.tracker.catalog import Reading, Unreadable
from symphony.tracker.issue_file import (
    ISSUE_BYTES,
    IssueUnreadable,
    parse_issue,
    revision_of,
    too_large,
    unreadable,
)
from symphony.tracker.names import SUFFIX, shown

Mark: TypeAlias = tuple[int, int, int, int]

mark_of = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")
"""A status as a Mark: it changes whenever the file does, also when a program puts the old
modification time back."""

GRANULE_NS = 2_000_000_000  # the coarsest clock of a file system in use: FAT counts in two seconds
READ_BYTES = 65_536  # nearly every issue in one call, without room set aside for the largest
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}


def read_entry(path: Path, root: Path, old: Reading | None) -> tuple[Reading | None, Mark | None]:
    """Say what a file is now, and the mark by which it is known to be unchanged later.

    Args:
        path: `<root>/<state>/<name>.md`.
        root: which a symlink must not leave.
        old: what was read last; returned again when the content is the same.

    Returns:
        No reading when there is no such file. No mark when it has to be read again next time:
        what is no plain file, what may not be read, and what was written so recently that a
        further write could leave its time stamps as they are.
    """
    name_id = path.name.removesuffix(SUFFIX)
    try:
        target = resolved(path, root, name_id)
        read_at = time.time_ns()
        content, status = read_plain(target, path, name_id)
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    except IssueUnreadable as refusal:
        return Unreadable.after(old, path, name_id, refusal.problems), None
    except OSError as error:
        message = f"the file cannot be read ({error.strerror}); make it readable, or remove it"
        problems = unreadable("unreadable", str(path), name_id, message).problems
        return Unreadable.after(old, path, name_id, problems), None
    changed_at = status.st_ctime_ns or status.st_mtime_ns
    settled = target == path and changed_at < read_at - GRANULE_NS
    mark = mark_of(status) if settled else None
    if isinstance(old, Issue) and content is not None and old.revision == revision_of(content):
        return old, mark
    try:
        if content is None:
            raise too_large(str(path), name_id, status.st_size)
        return parse_issue(content, path, path.parent.name, name_id), mark
    except IssueUnreadable as refusal:
        return Unreadable.after(old, path, name_id, refusal.problems), mark


def resolved(path: Path, root: Path, name_id: str) -> Path:
    """Return the path itself, or what it is a symlink to.

    Raises:
        IssueUnreadable: the symlink is dangling or leaves the root.
        FileNotFoundError: there is nothing of that name.
    """
    if not stat.S_ISLNK(path.lstat().st_mode):
        return path
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        message = f"the symlink leads nowhere (it says {shown(str(path.readlink()))}); mend or remove it"
        raise unreadable("dangling_symlink", str(path), name_id, message) from error
    if not target.is_relative_to(root.resolve()):
        message = (
            f"the symlink leaves the issues folder (to {shown(str(target))}); put a real file in its place"
        )
        raise unreadable("symlink_leaves_root", str(path), name_id, message)
    return target


def read_plain(target: Path, path: Path, name_id: str) -> tuple[bytes | None, os.stat_result]:
    """Return content and status of a plain file; no content when it is over the limit.

    Anything else is never opened: to open a named pipe is to wait for its writer.

    Raises:
        IssueUnreadable: it is no plain file.
        OSError: it cannot be read.
    """
    refuse_special(target.lstat(), path, name_id)
    descriptor = os.open(target, OPEN_FILE)
    try:
        status = os.fstat(descriptor)
        refuse_special(status, path, name_id)
        if status.st_size > ISSUE_BYTES:
            return None, status
        return read_all(descriptor), status
    finally:
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """Return the rest of an open file; more than the limit only by as much as shows that it is more."""
    content = b""
    while len(content) <= ISSUE_BYTES and (part := os.read(descriptor, READ_BYTES)):
        content += part
    return content


def refuse_special(status: os.stat_result, path: Path, name_id: str) -> None:
    """Raise IssueUnreadable for what is no plain file."""
    if not stat.S_ISREG(status.st_mode):
        kind = KINDS.get(stat.S_IFMT(status.st_mode), "a special file")
        message = f"this is {kind}, not a file; remove it, or give it another name"
        raise unreadable("not_a_file", str(path), name_id, message)
