"""Trees of files: removed without leaving their file system, measured, packed and unpacked.

Called by the library and the builders. It must never reach through a mount or a symlink.
"""

import hashlib
import os
import shutil
import stat
from pathlib import Path

CHUNK = 1 << 20
SCARCE = 1 << 20  # bytes: with less, no program that writes gets far
MOUNTED_OVER = ("dev", "proc", "run", "sys", "tmp")
MOUNTS = Path("/proc/self/mountinfo")


def remove_tree(path: Path) -> None:
    """Remove a file or a folder with all that is in it; what is not there is no error.

    Raises:
        OSError: it could not be removed; a tree with something mounted in it is not touched.
    """
    if mounted := _mounted_below(path):
        raise OSError(f"{mounted} is mounted there; unmount it first")
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):  # a folder may have been left without the right to write
        mode = stat.S_IMODE(Path(folder).lstat().st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            Path(folder).chmod(mode | stat.S_IRWXU)
    shutil.rmtree(path)


def size_of(path: Path) -> int:
    """Return the bytes that a file or a tree takes on the disk; a file of two names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    places = [path]
    if path.is_dir() and not path.is_symlink():
        places += [Path(folder, name) for folder, folders, files in os.walk(path) for name in folders + files]
    for place in places:
        try:
            status = place.lstat()
        except FileNotFoundError:
            continue
        if (status.st_dev, status.st_ino) not in seen:
            seen.add((status.st_dev, status.st_ino))
            total += status.st_blocks * 512
    return total


def complete_root(root: Path) -> None:
    """Make a folder of a system's files fit to be shown in machines.

    The folders that a machine mounts over are there, and all can be read by the user that a machine
    runs as: a guest's secrets are not in an image, and its root reads through that user.
    """
    for name in MOUNTED_OVER:
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for folder, folders, files in os.walk(root):
        for path in (Path(folder, name) for name in folders + files):
            status = path.lstat()
            wanted = 0o555 if stat.S_ISDIR(status.st_mode) else 0o444
            if not stat.S_ISLNK(status.st_mode) and status.st_mode & wanted != wanted:
                path.chmod(stat.S_IMODE(status.st_mode) | wanted)


def is_full(folder: Path) -> bool:
    """Say whether what failed here failed for want of room, whatever words a program had for it."""
    return shutil.disk_usage(folder).free < SCARCE


def sha256_of(path: Path) -> str:
    """Return the digest of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _mounted_below(path: Path) -> str:
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux: nothing here mounts anything there
        return ""
    root = f"{path.resolve()}/"
    for line in lines:
        place = line.split()[4].replace("\\040", " ")
        if f"{place}/".startswith(root):
            return place
    return ""
