"""Of the images only those go that nobody can miss: without a name, not in use, not in the workflow."""

import json
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.settings import Settings
from symphony.host.lock_file import take_lock
from symphony.sandbox.images.errors import ImageError
from symphony.sandbox.images.image import ROOTFS, Image, StageRecord, render_image
from symphony.sandbox.images.kept import KeptImages
from symphony.sandbox.images.library import Library, open_library

THEN = datetime(2026, 1, 1, tzinfo=UTC)
ENGINE = "#!/bin/sh\ncat {answer}\n"


@dataclass
class Shelf:
    """A library made by hand, and an engine that says which folders its machines use."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        bin_ = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {"SYMPHONY_IMAGES": str(self.folder / "images"), "PATH": bin_, "HOME": str(self.folder)}

    @property
    def library(self) -> Library:
        return open_library(self.environ)

    @property
    def kept(self) -> KeptImages:
        return KeptImages(self.environ)

    def image(self, digit: str, *names: str, stages: tuple[str, ...] = ()) -> Image:
        records = tuple(StageRecord("s", key, 1.0, 10, "", {}) for key in stages)
        image = Image(digit * 64, "small", THEN, 5_000, "x86_64", "debian", {}, records)
        place = self.library.place
        folder = place.images / image.id
        (folder / ROOTFS / "etc").mkdir(parents=True)
        (folder / "image.json").write_text(json.dumps(render_image(image)))
        place.names.mkdir(exist_ok=True)
        for name in names:
            (place.names / name).write_text(f"{image.id}\n")
        return image

    def stage(self, key: str) -> Path:
        place = self.library.place
        place.stages.mkdir(parents=True, exist_ok=True)
        (place.stages / f"{key}.json").write_text("{}")
        path = place.stages / f"{key}.tar"
        path.write_text("x")
        return path

    def machines(self, *images: Path | None) -> None:
        answer = self.folder / "machines.json"
        answer.write_text(json.dumps([{"image": f"local-dir:{image}"} for image in images]))
        program = self.folder / "bin" / "smolvm"
        program.parent.mkdir(exist_ok=True)
        program.write_text(ENGINE.format(answer=answer))
        program.chmod(0o755)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.machines()
    return shelf


def settings(**smolvm: object) -> Settings:
    return Settings.model_validate({"smolvm": smolvm})


async def stays(shelf: Shelf, **smolvm: object) -> dict[str, str]:
    return {thing.name: thing.stays for thing in await shelf.kept.look(settings(**smolvm))}


async def test_an_image_with_a_name_stays_and_one_without_may_go(shelf: Shelf) -> None:
    shelf.image("a", "symphony")
    shelf.image("b")
    assert await stays(shelf) == {"image aaaaaaaaaaaa": "it has the name symphony", "image bbbbbbbbbbbb": ""}


async def test_the_image_that_the_workflow_names_by_its_id_stays(shelf: Shelf) -> None:
    shelf.image("b")
    assert await stays(shelf, image="bbbb") == {"image bbbbbbbbbbbb": "the workflow names it"}


async def test_what_a_machine_reads_from_stays(shelf: Shelf) -> None:
    image = shelf.image("b")
    unpacked = shelf.library.place.unpacked / ("c" * 64)
    (unpacked / "rootfs" / "etc").mkdir(parents=True)
    shelf.machines(shelf.library.rootfs(image), unpacked / "rootfs")
    assert set((await stays(shelf)).values()) == {"a machine uses it"}


async def test_an_archive_that_the_workflow_names_stays_as_long_as_it_is_the_same(shelf: Shelf) -> None:
    from symphony.sandbox.images.source import unpacked_name

    archive = shelf.folder / "base.tar.gz"
    archive.write_text("x")
    wanted = settings(image=str(archive))
    name = unpacked_name(wanted.smolvm)
    assert name is not None
    (shelf.library.place.unpacked / name / "rootfs").mkdir(parents=True)
    assert set((await stays(shelf, image=str(archive))).values()) == {"the workflow names it"}
    os.utime(archive, (1, 1))
    assert set((await stays(shelf, image=str(archive))).values()) == {""}


async def test_a_stage_stays_with_the_image_that_is_made_of_it(shelf: Shelf) -> None:
    shelf.image("a", "symphony", stages=("k1",))
    shelf.image("b", stages=("k2",))
    for key in ("k1", "k2", "k3"):
        shelf.stage(key)
    found = await stays(shelf)
    assert (found["stage k1"], found["stage k2"], found["stage k3"]) == (
        "image aaaaaaaaaaaa is made of it",
        "",
        "",
    )


async def test_what_goes_is_gone_with_its_record_and_nothing_else_is(shelf: Shelf) -> None:
    shelf.image("a", "symphony")
    shelf.image("b")
    shelf.stage("k3")
    for thing in await shelf.kept.look(settings()):
        if not thing.stays:
            await shelf.kept.remove(thing, settings(), {})
    place = shelf.library.place
    assert [path.name for path in place.images.iterdir()] == ["a" * 64]
    assert list(place.stages.iterdir()) == []
    assert list(place.work.iterdir()) == []


async def test_an_image_that_has_come_into_use_since_it_was_looked_at_stays(shelf: Shelf) -> None:
    image = shelf.image("b")
    (thing,) = await shelf.kept.look(settings())
    shelf.machines(shelf.library.rootfs(image))
    with pytest.raises(ImageError) as caught:
        await shelf.kept.remove(thing, settings(), {})
    assert caught.value.code == "image.busy"
    assert shelf.library.has(image.id)


async def test_while_a_build_holds_the_library_nothing_goes_and_nobody_waits(shelf: Shelf) -> None:
    shelf.image("b")
    (thing,) = await shelf.kept.look(settings())
    held = take_lock(shelf.library.place.lock, 0o600)
    assert held is not None
    began = time.monotonic()
    try:
        with pytest.raises(ImageError) as caught:
            await shelf.kept.remove(thing, settings(), {})
    finally:
        os.close(held)
    assert caught.value.code == "image.busy"
    assert time.monotonic() - began < 30  # and not the hour that a build would wait
    assert Path(thing.path).exists()


async def test_an_engine_that_does_not_say_what_machines_use_keeps_everything(shelf: Shelf) -> None:
    shelf.image("b")
    program = shelf.folder / "bin" / "smolvm"
    program.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(ImageError):
        await shelf.kept.look(settings())


async def test_a_damaged_image_is_named_as_one(shelf: Shelf) -> None:
    image = shelf.image("b")
    (shelf.library.place.images / image.id / "image.json").write_text("{")
    assert await stays(shelf) == {"damaged image bbbbbbbbbbbb": ""}


async def test_a_workflow_without_machines_has_no_say_about_images(shelf: Shelf) -> None:
    shelf.image("b")
    local = Settings.model_validate({"sandbox": "local"})
    assert await shelf.kept.look(local) == ()


async def test_the_age_of_an_image_is_that_of_its_build(shelf: Shelf) -> None:
    shelf.image("b")
    (thing,) = await shelf.kept.look(settings())
    assert (thing.since, thing.size_bytes) == (THEN, 5_000)
