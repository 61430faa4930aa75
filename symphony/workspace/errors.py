"""The failures of this room, and how the machine's own refusals become words a user can act on."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from symphony.core.errors import SymphonyError

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "Out of diskspace")
REFUSED_WORDS = ("Permission denied", "Read-only file system", "insufficient permission")
DISK_FULL = "workspace.disk_full"
PERMISSION_DENIED = "workspace.permission_denied"
MAKE_ROOM = "Free some space; symphony tries again by itself."
MAKE_WRITABLE = "Give the user that runs symphony the right to read and write there."


class WorkspaceError(SymphonyError):
    """A workspace, an import or a handoff failed; codes are `workspace.*` and `handoff.*`."""

    code = "workspace.failed"


def disk_error(error: OSError, doing: str) -> WorkspaceError:
    """Return what the machine refused as an error with a remedy; `doing` is like "write x"."""
    if error.errno in FULL:
        return WorkspaceError(f"Cannot {doing}: the disk is full.", code=DISK_FULL, remedy=MAKE_ROOM)
    if error.errno in REFUSED:
        return WorkspaceError(
            f"Cannot {doing}: {error.strerror}.", code=PERMISSION_DENIED, remedy=MAKE_WRITABLE
        )
    return WorkspaceError(f"Cannot {doing}: {error.strerror or error}.", code="workspace.disk_error")


@contextmanager
def explain_disk(doing: str) -> Iterator[None]:
    """Turn every OSError inside into a WorkspaceError that says what was being done."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, doing) from error
