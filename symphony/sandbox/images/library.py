"""The images of one user: found by name or id, published whole, pruned.

Called by builds, the command line and whoever resolves `smolvm.image`. Only the holder of the lock
changes anything, and a reader needs no lock: whatever is under a final name is whole.
"""

import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from symphony.host.durable import TEMPORARY_PREFIX, sync_folder, write_durably
from symphony.host.lock_file import take_lock
from symphony.sandbox.images.errors import BUILD, ImageError, unusable
from symphony.sandbox.images.files import remove_tree, size_of
from symphony.sandbox.images.image import ID_DIGITS, RECORD, Image, parse_image, rootfs_of
from symphony.sandbox.images.place import Place, image_place

LOCK_WAIT = 3600.0  # seconds: another build may have to download a gigabyte over a slow line
LOCK_STEP = 0.5
PUBLIC, PRIVATE, LOCK_MODE = 0o755, 0o700, 0o600
SHORTEST = 4  # digits of an id that name an image
HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Damaged:
    """A folder that is no image any more."""

    folder: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Removed:
    """What pruning removes, or would: one thing and what it holds."""

    what: str
    path: Path
    size_bytes: int


class Library:
    """The images in one place.

    Raises:
        ImageError: `image.library_unusable` or `image.disk_full` from everything that writes.
    """

    def __init__(self, place: Place) -> None:
        self.place = place

    def images(self) -> tuple[Image, ...]:
        """Return all whole images, the newest first."""
        found = [entry for entry in self._entries() if isinstance(entry, Image)]
        return tuple(sorted(found, key=lambda image: image.created, reverse=True))

    def damaged(self) -> tuple[Damaged, ...]:
        """Return what should be images and is not."""
        return tuple(entry for entry in self._entries() if isinstance(entry, Damaged))

    def names(self) -> Mapping[str, str]:
        """Return which id each name stands for."""
        names = {}
        for path in self._listed(self.place.names):
            if not path.name.startswith(TEMPORARY_PREFIX):
                with suppress(OSError, UnicodeDecodeError):
                    names[path.name] = path.read_text("ascii").strip()
        return dict(sorted(names.items()))

    def find(self, text: str) -> Image:
        """Return the image that a name or the beginning of an id stands for.

        Raises:
            ImageError: `image.unknown`, `image.ambiguous`, `sandbox.image_corrupt`.
        """
        image_id = self.names().get(text)
        if image_id is None:
            image_id = self._by_beginning(text)
        entry = self._read(self.place.images / image_id)
        if isinstance(entry, Image):
            return entry
        raise ImageError(
            f"The image {text} in {entry.folder} is damaged: {entry.reason}.",
            code="sandbox.image_corrupt",
            remedy=f"Build it again with `{BUILD}{_argument(text, self.names())}`.",
        )

    def has(self, image_id: str) -> bool:
        """Say whether there is a whole image of this id."""
        return isinstance(self._read(self.place.images / image_id), Image)

    def rootfs(self, image: Image) -> Path:
        """Return the folder that the engine is given."""
        return rootfs_of(self.place.images / image.id)

    def publish(self, folder: Path, image: Image) -> None:
        """Make a built folder an image, in one step; its record must be in it."""
        target = self.place.images / image.id
        with self._writing("publish an image"):
            if target.exists():
                remove_tree(target)  # damaged: a whole one is not built again
            folder.rename(target)
            sync_folder(target.parent)

    def give_name(self, name: str, image: Image) -> None:
        """Let the name stand for this image."""
        with self._writing("name an image"):
            write_durably(self.place.names / name, f"{image.id}\n".encode())

    @contextmanager
    def changing(
        self, waiting: Callable[[float], None], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> Iterator[int]:
        """Hold the library, so that nobody else changes it, and sweep what a killed build left.

        Args:
            waiting: told, again and again, for how many seconds another one holds it.
            clock: seconds since any moment.
            sleep: waits for so many seconds.

        Yields:
            The lock's descriptor: a program that inherits it holds the library with us.

        Raises:
            ImageError: `image.busy`.
        """
        with self._writing("be written to"):
            for folder in (self.place.stages, self.place.images, self.place.names, self.place.logs):
                folder.mkdir(PUBLIC, parents=True, exist_ok=True)
        descriptor = self._lock(waiting, clock, sleep)
        try:
            with self._writing("be swept"):
                remove_tree(self.place.work)
                self.place.work.mkdir(PUBLIC)
                for folder in (self.place.stages, self.place.names):
                    for litter in folder.glob(f"{TEMPORARY_PREFIX}*"):
                        litter.unlink()
            yield descriptor
        finally:
            os.close(descriptor)

    def prune(self, *, everything: bool, dry_run: bool, in_use: Collection[Path] = ()) -> tuple[Removed, ...]:
        """Remove images that no name stands for, and stages that no remaining image is made of.

        Args:
            everything: remove the named ones too.
            dry_run: only say what would be removed.
            in_use: root folders that machines read from; their images stay, with their names.
        """
        names = {} if everything else self.names()
        kept = [
            image
            for image in self.images()
            if image.id in names.values() or self.rootfs(image).resolve() in in_use
        ]
        stay = {image.id for image in kept}
        stages = {stage.key for image in kept for stage in image.stages}
        removed = [
            Removed(f"image {path.name[:12]}", path, size_of(path))
            for path in self._listed(self.place.images)
            if path.name not in stay
        ]
        removed += [
            Removed(f"unpacked archive {path.name[:12]}", path, size_of(path))
            for path in self._listed(self.place.unpacked)
            if not any(used.is_relative_to(path.resolve()) for used in in_use)
        ]
        removed += [
            Removed(f"stage {path.stem[:12]}", path, size_of(path))
            for path in self._listed(self.place.stages)
            if path.suffix == ".tar" and path.stem not in stages
        ]
        if not dry_run:
            with self._writing("be pruned"):
                for name, image_id in self.names().items():
                    if image_id not in stay:
                        (self.place.names / name).unlink()
                for item in removed:
                    remove_tree(item.path)
                    item.path.with_suffix(".json").unlink(missing_ok=True)
        return tuple(removed)

    def _lock(
        self, waiting: Callable[[float], None], clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> int:
        began = clock()
        while True:
            with self._writing("be locked"):
                descriptor = take_lock(self.place.lock, LOCK_MODE)
            if descriptor is not None:
                return descriptor
            waited = clock() - began
            if waited > LOCK_WAIT:
                raise ImageError(
                    f"Another build has held {self.place.lock} for {LOCK_WAIT / 60:.0f} minutes.",
                    code="image.busy",
                    remedy="Wait for it, or end it, then try again.",
                )
            waiting(waited)
            sleep(LOCK_STEP)

    def _by_beginning(self, text: str) -> str:
        fits = (
            []
            if len(text) < SHORTEST or not HEXADECIMAL.issuperset(text)
            else [path.name for path in self._listed(self.place.images) if path.name.startswith(text)]
        )
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise ImageError(
                f"The ids of {len(fits)} images begin with {text}.",
                code="image.ambiguous",
                remedy="Give more digits; `symphony image list` shows them.",
            )
        names = ", ".join(self.names())
        raise ImageError(
            f"There is no image {text} in {self.place.root}.",
            code="image.unknown",
            remedy=f"There is {names}." if names else f"Build one with `{BUILD}`.",
        )

    def _entries(self) -> Iterator[Image | Damaged]:
        for folder in self._listed(self.place.images):
            yield self._read(folder)

    def _read(self, folder: Path) -> Image | Damaged:
        try:
            image = parse_image((folder / RECORD).read_text("utf-8"))
        except FileNotFoundError:
            return Damaged(folder, f"{RECORD if folder.is_dir() else 'its folder'} is missing")
        except (OSError, ValueError) as error:
            return Damaged(folder, f"{RECORD} cannot be read: {error}")
        if image.id != folder.name or len(image.id) != ID_DIGITS:
            return Damaged(folder, f"{RECORD} is that of another image, {image.short}")
        if not (rootfs_of(folder) / "etc").is_dir():
            return Damaged(folder, "its files are missing")
        return image

    @staticmethod
    def _listed(folder: Path) -> list[Path]:
        try:
            return sorted(folder.iterdir())
        except FileNotFoundError:
            return []

    @contextmanager
    def _writing(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unusable(self.place.root, doing, error) from error


def open_library(environ: Mapping[str, str]) -> Library:
    """Return the user's library; nothing is written."""
    return Library(image_place(environ))


def free_bytes(place: Place) -> int:
    """Return the room that there is for images."""
    folder = place.root
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _argument(text: str, names: Mapping[str, str]) -> str:
    return f" {text}" if text in names and text != "symphony" else ""
