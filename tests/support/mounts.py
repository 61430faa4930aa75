"""Small file systems that a test mounts for itself, where the machine lets it."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

BALLAST = ".ballast"
MOUNT_BOUND_S = 30.0
BLOCK = 4096


def mount(*words: str) -> None:
    """Run `mount`, and skip the test where the machine does not allow it; CI may not skip it."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    ran = subprocess.run(["mount", *words], capture_output=True, text=True, timeout=MOUNT_BOUND_S)
    if ran.returncode != 0:
        reason = f"this machine mounts nothing: {ran.stderr.strip()}"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def small_disk(folder: Path, *, mib: int = 8, files: int = 2000) -> Iterator[None]:
    """Hold a small empty file system at a folder, which is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={mib}m,nr_inodes={files},mode=755", "small", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, timeout=MOUNT_BOUND_S)


def fill(folder: Path, *, leave_bytes: int = 0) -> None:
    """Leave no byte and no name free on a file system, or so many bytes."""
    ballast = folder / BALLAST
    ballast.mkdir()
    if leave_bytes:
        disk = os.statvfs(folder)
        (ballast / "0").write_bytes(bytes(disk.f_bavail * disk.f_frsize - leave_bytes))
        return
    for number in itertools.count():
        try:
            (ballast / str(number)).touch()
        except OSError:
            break
    size = 1 << 20
    with (ballast / "0").open("ab", buffering=0) as file:
        while size >= BLOCK:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2


def make_room(folder: Path) -> None:
    """Take the ballast away."""
    ballast = folder / BALLAST
    for path in ballast.iterdir():
        path.unlink()
    with suppress(FileNotFoundError):
        ballast.rmdir()
