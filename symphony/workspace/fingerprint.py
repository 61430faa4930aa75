"""A value that changes when a workspace does, without running git in it.

Called after each turn to see whether an agent gets anywhere; a change that changes nothing in
the end only costs another turn, so that times count as well as contents.
"""

import hashlib
import os
import stat
from pathlib import Path

from symphony.workspace.errors import explain_disk
from symphony.workspace.guest_files import DEEPEST, OPEN_FOLDER, GuestFile, GuestFolder

ENTRY_LIMIT = 500_000  # files and folders; a bigger workspace is watched in part
REF_LIMIT = 1 << 20  # bytes of one ref, or of packed-refs
REFS = (b"HEAD", b"packed-refs")


def take_fingerprint(workspace: Path) -> str:
    """Return the value; blocks on the disk.

    Raises:
        WorkspaceError: the workspace is gone or unreadable.
    """
    hashing = hashlib.sha256()
    with explain_disk(f"read {workspace}"):
        with GuestFolder(workspace) as folder:
            for name in REFS:
                found = folder.read(b".git/" + name)
                if isinstance(found, GuestFile):
                    with found.file:
                        hashing.update(found.file.read(REF_LIMIT))
        left = _walk(os.open(workspace, OPEN_FOLDER), b"", hashing, ENTRY_LIMIT, skip=b".git")
        refs = workspace / ".git" / "refs"
        if not (workspace / ".git").is_symlink() and refs.is_dir() and not refs.is_symlink():
            _walk(os.open(refs, OPEN_FOLDER), b".git/refs", hashing, left)
    return hashing.hexdigest()


def _walk(
    descriptor: int, name: bytes, hashing: "hashlib._Hash", left: int, skip: bytes | None = None
) -> int:
    """Add a folder's entries, in order; close it; return how many more may be looked at."""
    try:
        for entry in sorted(os.listdir(descriptor)):
            encoded = os.fsencode(entry)
            if encoded == skip:
                continue
            if left <= 0:
                break
            left -= 1
            try:
                found = os.stat(entry, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            path = name + b"/" + encoded
            folder = stat.S_ISDIR(found.st_mode)
            # a folder's own time changes with temporary files that come and go
            times = b"" if folder else b"%d %d" % (found.st_mtime_ns, found.st_size)
            hashing.update(b"%b\0%o %b\n" % (path, found.st_mode, times))
            if folder and path.count(b"/") <= DEEPEST:
                try:
                    inner = os.open(entry, OPEN_FOLDER, dir_fd=descriptor)
                except OSError:
                    continue
                left = _walk(inner, path, hashing, left)
    finally:
        os.close(descriptor)
    return left
