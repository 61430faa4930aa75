"""Workspace folders on the host's disk: where they may lie, and how they are deleted.

Everything here blocks on the disk, so call it in a thread. It follows no symlink that a guest
could have made.
"""

import errno
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.guest_files import OPEN_FOLDER

REMOVE_TIMEOUT = 600.0  # seconds for millions of files
TOO_DEEP = (errno.EMFILE, errno.ENAMETOOLONG)
MAKING = "making"
REMOVING = "removing"

STALE_LOCKS = ("index.lock", "HEAD.lock")  # what stops every later commit


def check_root(root: Path, forbidden: Path) -> Path:
    """Make `workspace.root` and return it with its symlinks resolved.

    Raises:
        WorkspaceError: `workspace.root_invalid`, `workspace.permission_denied`, ….
    """
    resolved, forbidden = root.resolve(), forbidden.resolve()
    if ".git" in resolved.parts or resolved == forbidden or forbidden in resolved.parents:
        raise WorkspaceError(
            f"workspace.root {root} lies inside a git repository's own folder.",
            code="workspace.root_invalid",
            remedy="Set workspace.root to a folder of its own.",
        )
    if resolved.exists() and not resolved.is_dir():
        raise WorkspaceError(
            f"workspace.root {root} is not a folder.",
            code="workspace.root_invalid",
            remedy="Set workspace.root to a folder of its own.",
        )
    with explain_disk(f"make the folder {resolved}"):
        resolved.mkdir(parents=True, exist_ok=True)
    return resolved


def clear_stale_locks(workspace: Path) -> None:
    """Delete the locks that a killed git left in a workspace in which nothing runs any more.

    The guest may have put links anywhere; none is followed.
    """
    with suppress(OSError), ExitStack() as stack:
        descriptor: int | None = None
        for name in (str(workspace), ".git"):
            descriptor = os.open(name, OPEN_FOLDER, dir_fd=descriptor)
            stack.callback(os.close, descriptor)
        for lock in STALE_LOCKS:
            with suppress(OSError):
                os.unlink(lock, dir_fd=descriptor)


def folder_exists(path: Path) -> bool:
    """Say whether a real folder is at this path.

    Raises:
        WorkspaceError: `workspace.not_a_folder` when a symlink or a file is there instead.
    """
    with explain_disk(f"look at {path}"):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            return False
    if stat.S_ISDIR(mode):
        return True
    what = "a symlink" if stat.S_ISLNK(mode) else "not a folder"
    raise WorkspaceError(
        f"The workspace {path} is {what}; symphony does not follow it.",
        code="workspace.not_a_folder",
        remedy="Look what it is and move it away, then retry the issue.",
    )


def hidden_name(root: Path, installation: Path, purpose: str, key: str) -> Path:
    """Return a folder beside the workspaces that no key can name and no other installation uses."""
    return root / f"{_hidden_prefix(installation)}{purpose}-{key}"


def clear_leftovers(root: Path, installation: Path) -> None:
    """Delete half-made and half-removed workspaces of a dead process of this installation."""
    for path in sorted(root.glob(f"{_hidden_prefix(installation)}*")):
        delete_folder(path)


def delete_folder(path: Path) -> None:
    """Delete a folder with all that is in it, read-only folders too; symlinks are not followed.

    Repeating it does nothing.

    Raises:
        WorkspaceError: `workspace.permission_denied` and others, naming what is in the way.
    """
    with explain_disk(f"delete {path}"):
        if path.is_symlink() or path.is_file():
            path.unlink()
        elif path.exists():
            try:
                shutil.rmtree(path, onerror=_make_writable_and_repeat)
            except (RecursionError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in TOO_DEEP:
                    raise
                # `rm` has neither Python's limit of recursion nor one open file per folder
                subprocess.run(
                    ("rm", "-rf", "--", str(path)), timeout=REMOVE_TIMEOUT, check=False, capture_output=True
                )
                if path.exists():
                    raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY)) from error


def _hidden_prefix(installation: Path) -> str:
    digest = hashlib.sha256(os.fsencode(os.path.realpath(installation))).hexdigest()[:8]
    return f".symphony-{digest}-"


def _make_writable_and_repeat(
    _function: Callable[..., Any], path: str, error: tuple[type[BaseException], BaseException, Any]
) -> None:
    """Open up a folder that its owner closed, and delete in it again."""
    if not isinstance(error[1], PermissionError):
        raise error[1]
    blocked = Path(path)
    folder = blocked if blocked.is_dir() and not blocked.is_symlink() else blocked.parent
    for closed in (blocked.parent, folder):
        if stat.S_ISDIR(closed.lstat().st_mode):
            closed.chmod(stat.S_IRWXU)
    if folder == blocked:
        shutil.rmtree(blocked)
    else:
        blocked.unlink()
