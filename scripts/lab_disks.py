"""The disks that a lab reads from: folders of this machine as ext4 images, made once and reused.

Files reach the lab's machine over 9p, which takes a millisecond of emulated processor for each step;
a folder of many files (Python, its packages, a guest's root) is handed over as one attached disk.
Called by laboratory.py and by what prepares the tests. Writes only in the folder that it is told.
"""

import compileall
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from environment import ROOT, fail
from lab_needs import tell

MAKE_BOUND_S: Final = 300.0  # a gigabyte of small files takes a minute on a slow disk
MAGIC_AT: Final = 1080  # where an ext4 file system says that it is one
MAGIC: Final = b"\x53\xef"
KEPT: Final = 2  # images of one name: the one in use, and the one that a lab may have begun with
SLACK: Final = 1.15  # what ext4 keeps for itself
LEFT_OUT: Final = (
    "site-packages",
    "dist-packages",
    "test",
)  # of Python's library: large, and not the project's
SOURCES: Final = ("symphony", "tests")
TAKEN: Final = frozenset(
    {*SOURCES, "packages", "library", "bin", "disks", "home", "kept", "path", "run", "there", "tmp"}
)
TEMPLATES: Final = ("storage-template.ext4", "overlay-template.ext4")


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk of the lab.

    Attributes:
        name: its serial number in the machine; at most 20 characters.
        image: the file system, never written.
        folder: where it is mounted in the machine.
        lent: writes beside it into RAM instead of refusing them.
        left_out: folders in it that are not on the disk and stay this machine's own.
    """

    name: str
    image: Path
    folder: Path
    lent: bool
    left_out: tuple[str, ...] = ()


def find_engine() -> Path | None:
    """Return the folder of the engine that comes with the environment, or none."""
    for folder in sys.path:
        if (Path(folder) / "smol" / "smol-vmm").is_file():
            return Path(folder) / "smol"
    return None


def prepare_engine(engine: Path) -> None:
    """Unpack what the engine would unpack at its first start, which takes minutes under emulation."""
    waiting = []
    for name in TEMPLATES:
        packed = engine / f"{name}.zst"
        if packed.is_file() and not (engine / name).is_file():
            draft = engine / f"{name}.{os.getpid()}.new"
            argv = ["zstd", "--decompress", "--sparse", "--quiet", "--force", str(packed), "-o", str(draft)]
            waiting.append((subprocess.Popen(argv), draft, engine / name))
    if waiting:
        tell("unpacking the engine's templates, once")
    for process, draft, target in waiting:
        if process.wait(timeout=MAKE_BOUND_S) != 0:
            fail(f"lab: {draft.name} could not be unpacked")
        draft.replace(target)


def python_disks(cache: Path) -> list[Disk]:
    """Return the disks of the running Python, its packages and the engine among them."""
    packages = Path(sys.prefix)
    library = Path(os.__file__).parent
    inside = [Path(folder) for folder in sys.path if Path(folder).is_relative_to(packages)]
    key = [sorted(path.name for path in folder.iterdir()) for folder in inside if folder.is_dir()]
    stamp = packages / ".complete"
    key.append([stamp.read_text() if stamp.is_file() else "", sys.version])
    return [
        Disk("packages", image_of(packages, "packages", repr(key), cache), packages, lent=False),
        Disk("library", _library_image(library, cache), library, lent=False, left_out=LEFT_OUT),
    ]


def source_disks(cache: Path) -> list[Disk]:
    """Return the disks of the repository's own Python files, as they are now, and compiled."""
    compile_sources()
    disks = []
    for name in SOURCES:
        folder = ROOT / name
        files = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
        key = [(str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(files)]
        disks.append(Disk(name, image_of(folder, name, repr(key), cache), folder, lent=True))
    return disks


def compile_sources() -> None:
    """Compile the repository's own files, so that no program has to: a second, and in the lab half a minute.

    Where the environment forbids Python to write what it compiled, each start would take that time.
    """
    for name in SOURCES:
        compileall.compile_dir(ROOT / name, quiet=2, workers=0)


def given_disk(name: str, source: Path, cache: Path) -> Disk:
    """Return a disk for what a caller hands over: a folder, a tar archive, or an ext4 image."""
    folder = Path("/lab") / name
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,19}", name) or name in TAKEN:
        fail(f"lab: {name} cannot be a disk's name: take another, of up to 20 small letters and digits")
    if source.is_dir():
        stat = source.stat()
        image = image_of(source, name, f"{source}{stat.st_mtime_ns}", cache)
    elif not source.is_file():
        fail(f"lab: there is no {source}")
    elif _is_ext4(source):
        image = source
    elif tarfile.is_tarfile(source):
        stat = source.stat()
        image = _image_of_archive(source, name, f"{source}{stat.st_mtime_ns}{stat.st_size}", cache)
    else:
        fail(f"lab: {source} is neither a folder nor a tar archive nor an ext4 image")
    return Disk(name, image, folder, lent=True)


def _library_image(library: Path, cache: Path) -> Path:
    target = _place("library", f"{library}{sys.version}{LEFT_OUT}", cache)
    if not target.is_file():
        tell(f"making a disk of {library}")
        with tempfile.TemporaryDirectory(dir=_made(cache), prefix="library-") as scratch:
            ignore = shutil.ignore_patterns(*LEFT_OUT)
            shutil.copytree(library, scratch, ignore=ignore, symlinks=True, dirs_exist_ok=True)
            for name in LEFT_OUT:
                (Path(scratch) / name).mkdir(exist_ok=True)
            _make(Path(scratch), target)
        _drop_old(target, "library")
    os.utime(target)
    return target


def image_of(folder: Path, name: str, key: str, cache: Path) -> Path:
    """Return an ext4 image with what is in a folder; made anew only when the key changed."""
    target = _place(name, f"{folder}{key}", cache)
    if not target.is_file():
        tell(f"making a disk of {folder}")
        _make(folder, target)
    os.utime(target)
    _drop_old(target, name)
    return target


def _image_of_archive(archive: Path, name: str, key: str, cache: Path) -> Path:
    target = _place(name, key, cache)
    if target.is_file():
        os.utime(target)
        return target
    with tempfile.TemporaryDirectory(dir=_made(cache), prefix="unpacked-") as scratch:
        tell(f"making a disk of {archive}")
        argv = [
            "tar",
            "--extract",
            "--sparse",
            "--numeric-owner",
            "--file",
            str(archive),
            "--directory",
            scratch,
        ]
        ran = subprocess.run(argv, timeout=MAKE_BOUND_S, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            fail(f"lab: {archive} could not be unpacked: {ran.stderr[-500:]}")
        Path(scratch).chmod(0o755)
        _make(Path(scratch), target)
    _drop_old(target, name)
    return target


def _make(folder: Path, target: Path) -> None:
    used, files = 0, 0
    for parent, folders, names in os.walk(folder):
        files += len(folders) + len(names)
        for entry in (*folders, *names):
            stat = (Path(parent) / entry).lstat()
            used += max(stat.st_blocks * 512, 4096)
    size_mib = int(used * SLACK / 2**20) + files // 3000 + 24
    draft = target.with_name(f"{target.name}.{os.getpid()}.new")
    mke2fs = shutil.which("mke2fs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") or "mke2fs"
    argv = [mke2fs, "-q", "-F", "-t", "ext4", "-O", "^has_journal,^metadata_csum", "-E", "lazy_itable_init=1"]
    argv += ["-m", "0", "-N", str(int(files * 1.1) + 512), "-d", str(folder), str(draft), f"{size_mib}M"]
    ran = subprocess.run(argv, timeout=MAKE_BOUND_S, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        draft.unlink(missing_ok=True)
        fail(f"lab: no disk could be made of {folder}: {ran.stderr[-500:]}")
    draft.replace(target)


def _place(name: str, key: str, cache: Path) -> Path:
    return _made(cache) / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.ext4"


def _made(cache: Path) -> Path:
    cache.mkdir(parents=True, exist_ok=True)
    return cache


def _drop_old(target: Path, name: str) -> None:
    # a lab that still reads from a removed image keeps it until it ends
    images = sorted(target.parent.glob(f"{name}-*.ext4"), key=lambda path: path.stat().st_mtime)
    for image in images[:-KEPT]:
        image.unlink(missing_ok=True)


def _is_ext4(source: Path) -> bool:
    with source.open("rb") as stream:
        stream.seek(MAGIC_AT)
        return stream.read(2) == MAGIC
