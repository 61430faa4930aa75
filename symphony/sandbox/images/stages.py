"""What finished stages left: one archive each, under the key of what it was made from.

Called by builds, which hold the library. An archive counts once its record is there.
"""

import json
import tarfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from symphony.host.durable import sync_folder, write_durably
from symphony.sandbox.images.files import sha256_of
from symphony.sandbox.images.image import StageRecord
from symphony.sandbox.images.place import Place

DPKG_STATUS = ("./var/lib/dpkg/status", "var/lib/dpkg/status")
APK_INSTALLED = ("./lib/apk/db/installed", "lib/apk/db/installed")


def archive_of(place: Place, key: str) -> Path:
    """Return where the archive of a stage is."""
    return place.stages / f"{key}.tar"


def kept_stage(place: Place, key: str) -> StageRecord | None:
    """Return the record of a finished stage, its archive checked; None when it must be built."""
    try:
        record = StageRecord(**json.loads((place.stages / f"{key}.json").read_text("utf-8")))
        archive = archive_of(place, key)
        whole = archive.stat().st_size == record.size_bytes and sha256_of(archive) == record.sha256
    except (OSError, ValueError, TypeError):
        return None
    return record if whole and record.key == key else None


def keep_stage(place: Place, archive: Path, record: StageRecord) -> None:
    """Take an archive, made in the same file system, as that of a finished stage.

    Raises:
        OSError: it does not count then.
    """
    archive.replace(archive_of(place, record.key))
    sync_folder(place.stages)
    write_durably(place.stages / f"{record.key}.json", json.dumps(asdict(record), indent=1).encode())


def pack_tree(tree: Path, archive: Path) -> None:
    """Pack a folder as root's files, without times: the same files give the same bytes."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = 0
        member.mode |= 0o444 | (0o111 if member.mode & 0o100 else 0)
        return member

    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as packed:
        for path in sorted(tree.iterdir()):
            packed.add(path, f"./{path.name}", filter=plain)


def system_packages(archive: Path) -> Mapping[str, str]:
    """Return the packages of the system in an archive, as dpkg or apk wrote them down."""
    with tarfile.open(archive) as packed:
        for member in packed:
            if member.name in DPKG_STATUS and (file := packed.extractfile(member)):
                return _paragraphs(file.read().decode("utf-8", "replace"), "Package: ", "Version: ")
            if member.name in APK_INSTALLED and (file := packed.extractfile(member)):
                return _paragraphs(file.read().decode("utf-8", "replace"), "P:", "V:")
    return {}


def _paragraphs(text: str, name: str, version: str) -> dict[str, str]:
    packages = {}
    for paragraph in text.split("\n\n"):
        values = {
            key: line.removeprefix(key).strip()
            for line in paragraph.splitlines()
            for key in (name, version)
            if line.startswith(key)
        }
        if len(values) == 2:
            packages[values[name]] = values[version]
    return packages
