"""The guest kit as files on the host, named by its content, so that a running machine keeps its own.

Called by a machine's driver before it makes a machine; it blocks on the disk for a few files.
"""

import hashlib
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

import symphony
from symphony.core.guest import GUEST_DEMO

SCRIPTS = ("mcp", "launch", "end")
FOLDER_MODE, FILE_MODE = 0o755, 0o555  # a machine may run under a user of its own
HASH_LENGTH = 16  # hex digits: enough to tell versions apart
NEVER = (1980, 1, 1, 0, 0, 0)  # the time of every file in the archive, so that equal kits have equal bytes
START = "import asyncio\n\nfrom symphony.agent.demo.agent import serve\n\nasyncio.run(serve())\n"


def write_guest_kit(root: Path) -> Path:
    """Write the kit below `root` if it is not there yet; return its folder, which `GUEST_KIT` shows.

    Several may do so at once. A kit that was changed on the disk is replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    kit = kit_files()
    folder = root / hash_of(kit)
    if is_written(folder, kit):
        return folder
    root.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=root))
    try:
        for name, content in kit.items():
            (fresh / name).write_bytes(content)
            (fresh / name).chmod(FILE_MODE)
        fresh.chmod(FOLDER_MODE)
        put_in_place(fresh, folder, kit)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def kit_files() -> Mapping[str, bytes]:
    """Return every file of the kit by its name."""
    package = files("symphony.sandbox.guest")
    scripts = {name: package.joinpath(name).read_bytes() for name in SCRIPTS}
    return {**scripts, PurePosixPath(GUEST_DEMO).name: demo_archive()}


def demo_archive() -> bytes:
    """Return the demo agent as one file that Python runs, with the few packages around it left empty."""
    packed = {
        "__main__.py": START.encode(),
        "symphony/__init__.py": f"__version__ = {symphony.__version__!r}\n".encode(),
        "symphony/agent/__init__.py": b"",
    }
    # by path and not as a package: the room of the agents is not this one's to import
    for module in modules_of(files("symphony") / "agent" / "demo"):
        packed[f"symphony/agent/demo/{module.name}"] = module.read_bytes()
    archive = io.BytesIO(b"#!/usr/bin/env python3\n")
    archive.seek(0, io.SEEK_END)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in packed.items():
            zipped.writestr(zipfile.ZipInfo(name, NEVER), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()


def modules_of(package: Traversable) -> list[Traversable]:
    """Return the modules of a package in a fixed order."""
    return sorted(
        (entry for entry in package.iterdir() if entry.name.endswith(".py")), key=lambda entry: entry.name
    )


def hash_of(kit: Mapping[str, bytes]) -> str:
    """Return the name of a kit's folder."""
    digest = hashlib.sha256()
    for name, content in sorted(kit.items()):
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:HASH_LENGTH]


def is_written(folder: Path, kit: Mapping[str, bytes]) -> bool:
    """Say whether the folder holds this kit and nothing else."""
    try:
        held = {entry.name: entry.read_bytes() for entry in folder.iterdir()}
        modes = {entry.stat().st_mode & 0o777 for entry in folder.iterdir()}
    except OSError:
        return False
    return held == kit and modes == {FILE_MODE}


def put_in_place(fresh: Path, folder: Path, kit: Mapping[str, bytes]) -> None:
    """Give a complete kit its name; one that another has put there meanwhile is as good."""
    try:
        fresh.rename(folder)
    except OSError:
        if is_written(folder, kit):
            return
        with suppress(FileNotFoundError):
            folder.rename(fresh.with_suffix(".old"))
        os.rename(fresh, folder)  # noqa: PTH104  a second try of the same, after what stood there is gone
        shutil.rmtree(fresh.with_suffix(".old"), ignore_errors=True)
