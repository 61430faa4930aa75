"""Whose the workspace's files are while a machine has them.

As root the engine gives every VMM a user id of its own, so that what breaks out of a machine is
nobody on the host. That user has to own the files that its guest writes, and to reach them.
"""

import asyncio
import os
import stat
from pathlib import Path

from symphony.sandbox.smolvm.errors import EngineError

ENTER_BY_OTHERS = stat.S_IXOTH


def give_to(folder: Path, uid: int) -> None:
    """Make a user the owner of a folder and all in it; no link is followed, whoever planted it.

    The kernel takes set-user-id bits away from files whose owner changes.

    Raises:
        OSError: a file could not be given away.
    """
    os.chown(folder, uid, -1, follow_symlinks=False)
    for _, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for name in (*folders, *files):
            os.chown(name, uid, -1, dir_fd=descriptor, follow_symlinks=False)


async def give(folder: Path, uid: int) -> None:
    """Do what `give_to` does, in a thread.

    Raises:
        EngineError: `sandbox.mount_failed`.
    """
    try:
        await asyncio.to_thread(give_to, folder, uid)
    except OSError as error:
        raise EngineError(
            f"The files in {folder} could not be given to the machine's user: {error.strerror}.",
            code="sandbox.mount_failed",
            remedy="Look at the folder's file system, then retry the issue.",
        ) from error


def check_reachable(folder: Path, what: str) -> None:
    """Make sure that a VMM of another user can enter the folders above this one.

    Raises:
        EngineError: `sandbox.mount_failed`, naming the folder that is closed.
    """
    for parent in reversed(folder.resolve().parents):
        if not parent.stat().st_mode & ENTER_BY_OTHERS:
            raise EngineError(
                f"The machine's own user cannot enter {parent}, which holds {what} {folder}.",
                code="sandbox.mount_failed",
                remedy=f"Run `chmod o+x {parent}`, or keep the project in a folder that others may enter. "
                "As root every machine runs as a user of its own, so that nothing in it is root here.",
            )
