"""Where a daemon keeps the sockets of its dispatches: a short path that a machine can reach.

The composition root opens one folder for a daemon; the gate asks it for paths. Leftovers are known
by the installation's name in theirs, and are removed only by the daemon that holds its lock.
Everything here blocks on the disk for a few calls.
"""

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from symphony.core.errors import SymphonyError

PATH_BYTES = 103  # of a socket's address: 107 on Linux, 103 on macOS
IDENTITY_LENGTH = 12  # hex digits of the installation's hash
SECRET_BYTES = 16  # of a socket's name
OWN_ONLY, ENTER_ONLY = 0o700, 0o711
RUNTIME_DIR = "XDG_RUNTIME_DIR"


class SocketFolderError(SymphonyError):
    """There is no place for sockets."""

    code = "mcp.no_socket_folder"


class SocketFolder:
    """One daemon's folder of sockets; made when the first is wanted.

    As root a machine runs under a user of its own, which must be able to enter: the folder then
    lets everybody in and shows nobody its names. Else only this user gets in.
    """

    def __init__(
        self, installation: str, environ: Mapping[str, str] | None = None, *, base: Path | None = None
    ) -> None:
        """Prepare a folder that is not made yet.

        Args:
            installation: what no other installation of this machine has.
            environ: where `XDG_RUNTIME_DIR` is looked up; by default nowhere.
            base: where it is made, in place of the folders that are tried else.
        """
        identity = hashlib.sha256(installation.encode("utf-8", "surrogateescape")).hexdigest()
        self._prefix = f"symphony-{identity[:IDENTITY_LENGTH]}-"
        self._name = self._prefix + secrets.token_hex(8)
        self._bases = (base,) if base is not None else tuple(usual_bases(environ or {}))
        self._folder: Path | None = None

    def new_path(self) -> Path:
        """Return a path for a socket that nobody can guess.

        Raises:
            SocketFolderError: no folder can be used.
        """
        folder = self._folder or self._find()
        with suppress(FileExistsError):  # made again when something has cleaned the temp folder
            folder.mkdir(OWN_ONLY)
            folder.chmod(ENTER_ONLY if os.geteuid() == 0 else OWN_ONLY)
        self._folder = folder
        return folder / socket_name()

    def sweep(self) -> tuple[str, ...]:
        """Remove what dead daemons of this installation left; return a word for each.

        Call it only while holding the installation's lock.
        """
        left = [
            folder
            for base in self._bases
            for folder in base.glob(f"{self._prefix}*")
            if folder.name != self._name and is_own_folder(folder)
        ]
        for folder in left:
            shutil.rmtree(folder, ignore_errors=True)
        return tuple(f"sockets in {folder}" for folder in left)

    def remove(self) -> None:
        """Remove the folder with all that is in it; repeating it does nothing."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _find(self) -> Path:
        for base in self._bases:
            folder = base / self._name
            if len(os.fsencode(folder / socket_name())) <= PATH_BYTES and usable(base):
                return folder
        tried = ", ".join(str(base) for base in self._bases)
        raise SocketFolderError(
            f"No folder can hold the agents' sockets: {tried} are too long, cannot be written to, or keep"
            " the machine's user out.",
            remedy="Set TMPDIR to a short path that is writable and, as root, open to every user.",
        )


@contextmanager
def open_socket_folder(installation: str, environ: Mapping[str, str]) -> Iterator[SocketFolder]:
    """Remove what dead daemons left, and at the end what this one made.

    Open it only while holding the installation's lock.
    """
    folder = SocketFolder(installation, environ)
    folder.sweep()
    try:
        yield folder
    finally:
        folder.remove()


def usual_bases(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where sockets may lie, best first."""
    runtime = environ.get(RUNTIME_DIR, "")
    if runtime.startswith("/") and os.geteuid() != 0:  # a user's own: no other user gets in
        yield Path(runtime)
    yield Path(tempfile.gettempdir())
    yield Path("/tmp")  # noqa: S108  what is made there has a name of its own and its modes


def usable(base: Path) -> bool:
    """Say whether a folder can be made here that whoever must reach it can reach."""
    if not os.access(base, os.W_OK | os.X_OK):
        return False
    if os.geteuid() != 0:
        return True
    resolved = base.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (resolved, *resolved.parents))


def is_own_folder(path: Path) -> bool:
    """Say whether this is a folder, no link to one, that this user made."""
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def socket_name() -> str:
    """Return a file name that nobody can guess."""
    return f"{secrets.token_urlsafe(SECRET_BYTES)}.sock"
