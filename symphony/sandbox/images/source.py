"""What `smolvm.image` and `smolvm.from` name, as the engine takes it.

Called before each machine is created, from a worker thread. It writes nothing but the unpacked form
of a rootfs archive, which the engine does not take as it is.
"""

import hashlib
import os
import re
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from symphony.core.settings import SmolvmSettings
from symphony.sandbox.images.definition import DEFAULT, MINIMAL
from symphony.sandbox.images.errors import BUILD, ImageError, unusable
from symphony.sandbox.images.files import complete_root, remove_tree
from symphony.sandbox.images.library import Library, open_library

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
PACKED, ROOTFS, SAVED, PLAIN = "packed machine", "rootfs folder", "docker-save archive", "rootfs archive"
OF_SAVED = frozenset({"manifest.json", "oci-layout", "index.json"})
OF_ROOTFS = frozenset({"etc", "usr", "bin"})
COMPRESSED = b"\x1f\x8b"
READ_BY_OTHERS = stat.S_IROTH | stat.S_IXOTH
UNPACK_BOUND = 900.0  # seconds for a gigabyte on a slow disk


@dataclass(frozen=True, slots=True)
class ImageSource:
    """An image as the engine takes it.

    Attributes:
        arguments: of `machine create`.
        digest: changes when the image does.
        path: on this host; None for what a registry has.
    """

    arguments: tuple[str, ...]
    digest: str
    path: Path | None


def resolve_image(
    settings: SmolvmSettings, environ: Mapping[str, str], *, folder: Path | None = None
) -> ImageSource:
    """Return the source that the settings name.

    `image` is the name or id of an image of the library, an archive, a rootfs folder, or a
    registry's reference, which has a colon; without it, the library's `symphony`.

    Args:
        settings: name it.
        environ: tells where the library is.
        folder: where relative paths start; the working folder without it.

    Raises:
        ImageError: `sandbox.image_missing`, `sandbox.image_corrupt`, `sandbox.image_closed`, and what
            unpacking an archive can raise.
    """
    start = folder or Path.cwd()
    if settings.from_ is not None:
        path = _path(settings.from_, start)
        if not path.is_file():
            raise _missing("from", settings.from_, f"{path} is not a file", "Correct `smolvm.from`.")
        return ImageSource(("--from", str(path)), _stamp(PACKED, path), path)
    library = open_library(environ)
    text = settings.image
    if text is None:
        return _of_library(library, DEFAULT)
    path = _path(text, start)
    if _looks_like_path(text) or (not NAME.fullmatch(text) and path.exists()):
        return _of_path(library, text, path)
    if ":" in text:
        return ImageSource(("--image", text), _digest("reference", text), None)
    return _of_library(library, text)


def unpacked_name(settings: SmolvmSettings) -> str | None:
    """Return the name of the folder that holds the archive which the settings name; None for no archive."""
    path = _path(settings.image or "", Path.cwd())
    return _stamp("archive", path) if settings.image and path.is_file() else None


def base_of(text: str) -> tuple[str, str]:
    """Return what a build is given as its base, and a digest of it.

    Raises:
        ImageError: `sandbox.image_missing`, when it is a path and nothing is there.
    """
    path = _path(text, Path.cwd())
    if not _looks_like_path(text) and not path.exists():
        return text, _digest("reference", text)
    if not path.exists():
        raise _missing("base", text, f"{path} is not there", "Correct `--base`.")
    return str(path), _stamp("base", path)


def unpack_for_engine(text: str, work: Path) -> Path:
    """Return an archive as the engine takes it: itself, or what was unpacked of it into a folder.

    Raises:
        ImageError: `sandbox.image_corrupt`.
    """
    path = Path(text)
    saved = _kind_of(text, path) == SAVED
    if saved and not _is_compressed(path):
        return path
    given = work / _unpacked_name(saved=saved)
    _unpack(text, path, given, saved=saved)
    return given


def _of_library(library: Library, text: str) -> ImageSource:
    try:
        image = library.find(text)
    except ImageError as error:
        if error.code != "image.unknown":
            raise
        known = library.names()
        if text != DEFAULT:
            there = ", ".join(known) or "none yet"
            remedy = f"Correct `smolvm.image`; there is {there}. `{BUILD} {text}` makes it."
        elif MINIMAL in known:
            remedy = f"Build it with `{BUILD}`, or set `smolvm.image: {MINIMAL}`, which has no agents."
        else:
            remedy = f"Build it with `{BUILD}`, which takes some minutes once."
        raise ImageError(
            f"There is no guest image {text} in {library.place.root}.",
            code="sandbox.image_missing",
            remedy=remedy,
        ) from error
    rootfs = library.rootfs(image)
    return ImageSource(("--image", str(rootfs)), image.id, rootfs)


def _of_path(library: Library, text: str, path: Path) -> ImageSource:
    if path.is_dir():
        if not any((path / name).is_dir() for name in ("etc", "usr")):
            raise _corrupt(text, f"the folder {path} has neither etc nor usr in it")
        if os.geteuid() == 0:  # whose machines are users of their own
            _check_home(text, path / "root")
        return ImageSource(("--image", str(path)), _stamp(ROOTFS, path), path)
    if not path.is_file():
        raise _missing("image", text, f"{path} is not there", "Correct `smolvm.image`.")
    digest = _stamp("archive", path)
    if _kind_of(text, path) == SAVED and not _is_compressed(path):
        return ImageSource(("--image", str(path)), digest, path)
    return _unpacked(library, text, path, digest)


def _check_home(text: str, home: Path) -> None:
    """Make sure that other users can read the guest's home, since a guest can write to no other."""
    if home.is_dir() and home.stat().st_mode & READ_BY_OTHERS != READ_BY_OTHERS:
        raise ImageError(
            f"smolvm.image names {text}, but the users that machines run as cannot read the guest's home "
            f"{home}, where agents write.",
            code="sandbox.image_closed",
            remedy=f"Run `chmod o+rx {home}`.",
        )


def _unpacked(library: Library, text: str, path: Path, digest: str) -> ImageSource:
    """Return the unpacked form of an archive; it is unpacked once."""
    place = library.place
    target = place.unpacked / digest
    saved = _kind_of(text, path) == SAVED
    given = target / _unpacked_name(saved=saved)
    if given.exists():
        return ImageSource(("--image", str(given)), digest, given)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
        try:
            work.chmod(0o755)
            _unpack(text, path, work / given.name, saved=saved)
            work.rename(target)
        except OSError:
            if not given.exists():  # another one was faster, with the same files
                raise
        finally:
            remove_tree(work)
    except OSError as error:
        raise unusable(place.root, f"hold what is in {path}", error) from error
    return ImageSource(("--image", str(given)), digest, given)


def _unpacked_name(*, saved: bool) -> str:
    return "image.tar" if saved else "rootfs"


def _unpack(text: str, path: Path, given: Path, *, saved: bool) -> None:
    if saved:
        argv = ["gzip", "--decompress", "--stdout", str(path)]
    else:
        given.mkdir()
        mine = () if os.geteuid() == 0 else ("--no-same-owner",)
        argv = [
            "tar",
            "-x",
            "-p",
            "-f",
            str(path),
            "--numeric-owner",
            *mine,
            "--exclude=./dev/*",
            "--exclude=dev/*",
        ]
        argv += ["-C", str(given)]
    with (given if saved else Path(os.devnull)).open("wb") as out:
        ended = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=UNPACK_BOUND,
            check=False,
        )
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _corrupt(text, said[-1] if said else f"{argv[0]} ended with status {ended.returncode}")
    if not saved:
        complete_root(given)  # root's machines are users of their own, who read it


def _kind_of(text: str, path: Path) -> str:
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                first = member.name.removeprefix("./").split("/", 1)[0]
                if first in OF_SAVED:
                    return SAVED
                if first in OF_ROOTFS:
                    return PLAIN
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _corrupt(text, f"{path} is not an archive that can be read: {error}") from error
    raise _corrupt(text, f"{path} holds neither a root folder nor what `docker save` writes")


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == COMPRESSED


def _looks_like_path(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~")) or text.endswith((".tar", ".tar.gz", ".tgz"))


def _path(text: str, start: Path) -> Path:
    return Path(os.path.normpath(start / Path(text).expanduser()))


def _stamp(kind: str, path: Path) -> str:
    """Return a digest of which file this is and when it was last changed; reading it all takes too long."""
    status = path.stat()
    return _digest(kind, str(path), str(status.st_size if path.is_file() else 0), str(status.st_mtime_ns))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _missing(key: str, text: str, reason: str, remedy: str) -> ImageError:
    where = "--base" if key == "base" else f"smolvm.{key}"
    return ImageError(
        f"{where} names {text}, but {reason}.",
        code="sandbox.image_missing",
        remedy=f"{remedy} `{BUILD}` makes symphony's own image.",
    )


def _corrupt(text: str, reason: str) -> ImageError:
    return ImageError(
        f"The image {text} cannot be used: {reason}.",
        code="sandbox.image_corrupt",
        remedy=f"Replace it, or use symphony's own: remove `smolvm.image`, and run `{BUILD}`.",
    )
