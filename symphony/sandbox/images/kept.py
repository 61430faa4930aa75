"""Images as things on the disk that may go one day; implements `core.ports.Storage`.

The library is the user's and not one installation's: what has a name stays, since another workflow may
use it, and so does what a machine reads from or this workflow names.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.durable import sync_folder
from symphony.host.tree import size_of_tree
from symphony.sandbox.images.errors import ImageError, unusable
from symphony.sandbox.images.files import remove_tree
from symphony.sandbox.images.image import Image
from symphony.sandbox.images.in_use import folders_in_use
from symphony.sandbox.images.library import Library, open_library
from symphony.sandbox.images.source import unpacked_name

SHOWN = 12  # digits
IN_USE = "a machine uses it"
NAMED_HERE = "the workflow names it"


class KeptImages:
    """The library of the user that symphony runs as."""

    kind = Kind.IMAGE

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    async def look(self, settings: Settings) -> tuple[Stored, ...]:
        """Return every image, stage and unpacked archive; none where no machine is wanted.

        Raises:
            ImageError: `image.library_unusable`: it cannot be told what machines use.
        """
        if settings.sandbox != "smolvm":  # who uses no images has no say about those of others
            return ()
        return await asyncio.to_thread(self._look, settings)

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:  # noqa: ARG002  the port's signature
        """Find nothing: what uses an image is known before, and asked again when it goes."""
        return ""

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Delete it, unless it is of use by now.

        Raises:
            ImageError: `image.busy` while a build holds the library; it is still there.
        """
        await asyncio.to_thread(self._remove, Path(thing.path), settings)

    def _look(self, settings: Settings) -> tuple[Stored, ...]:
        library = open_library(self._environ)
        if not library.place.root.is_dir():
            return ()
        try:
            used = folders_in_use(self._environ, settings.smolvm.binary)
            return tuple(_Shelves(library, settings, used).all())
        except OSError as error:
            raise unusable(library.place.root, "be read", error) from error

    def _remove(self, path: Path, settings: Settings) -> None:
        library = open_library(self._environ)
        with library.changing(_refuse, time.monotonic, time.sleep):
            now = {thing.path: thing.stays for thing in self._look(settings)}
            if str(path) not in now:
                return
            if now[str(path)]:
                raise ImageError(f"{path} stays: {now[str(path)]}.", code="image.busy")
            try:
                aside = library.place.work / path.name  # in one step, so that nobody finds half of it
                path.rename(aside)
                sync_folder(path.parent)
                path.with_suffix(".json").unlink(missing_ok=True)
                remove_tree(aside)
            except OSError as error:
                raise unusable(library.place.root, "be cleared", error) from error


class _Shelves:
    """What lies in the library, and what each thing is of use for."""

    def __init__(self, library: Library, settings: Settings, used: frozenset[Path]) -> None:
        self._library = library
        self._used = used
        self._archive = unpacked_name(settings.smolvm)
        self._named: dict[str, str] = {}
        for name, image_id in library.names().items():
            self._named.setdefault(image_id, f"it has the name {name}")
        if settings.smolvm.image is not None:
            with suppress(ImageError):  # it is none of the library's
                self._named[library.find(settings.smolvm.image).id] = NAMED_HERE

    def all(self) -> Iterator[Stored]:
        """Yield every thing."""
        stays: dict[str, str] = {}
        for image in self._library.images():
            why = self._why_image_stays(image)
            folder = self._library.place.images / image.id
            yield Stored(
                Kind.IMAGE, f"image {image.short}", str(folder), image.size_bytes, image.created, stays=why
            )
            if why:
                stays.update({stage.key: f"image {image.short} is made of it" for stage in image.stages})
        for damaged in self._library.damaged():
            why = self._why_used(damaged.folder)
            yield _stored(f"damaged image {damaged.folder.name[:SHOWN]}", damaged.folder, why)
        for folder in _listed(self._library.place.unpacked):
            why = NAMED_HERE if folder.name == self._archive else self._why_used(folder)
            if not folder.name.startswith("."):  # somebody unpacks it now
                yield _stored(f"unpacked archive {folder.name[:SHOWN]}", folder, why)
        for path in _listed(self._library.place.stages):
            if path.suffix == ".tar":
                yield _stored(f"stage {path.stem[:SHOWN]}", path, stays.get(path.stem, ""))

    def _why_image_stays(self, image: Image) -> str:
        return self._why_used(self._library.rootfs(image)) or self._named.get(image.id, "")

    def _why_used(self, folder: Path) -> str:
        place = folder.resolve()
        return IN_USE if any(used.is_relative_to(place) for used in self._used) else ""


def _stored(name: str, path: Path, stays: str) -> Stored:
    changed = datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    return Stored(Kind.IMAGE, name, str(path), size_of_tree(path), changed, stays=stays)


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _refuse(_: float) -> None:
    raise ImageError(
        "A build holds the image library.", code="image.busy", remedy="Its images are looked at again later."
    )
