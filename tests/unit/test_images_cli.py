"""`symphony image` as people and scripts use it, over a library of small images."""

import json
import shutil
from pathlib import Path

import pytest

from symphony.cli.image import age
from symphony.cli.words import size
from tests.support.command_line import Ran, symphony
from tests.support.image_workshop import NOON, Workshop

pytestmark = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not on this machine")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


def image(workshop: Workshop, *words: str) -> Ran:
    environment = {**workshop.environ, "SYMPHONY_IMAGES": str(workshop.library.place.root)}
    return symphony(workshop.folder, "image", *words, environment=environment)


def test_an_empty_library_says_how_it_is_filled(workshop: Workshop) -> None:
    assert image(workshop, "list").out == (
        f"There is no image in {workshop.library.place.root}. Build one with `symphony image build`.\n"
    )


def test_a_build_shows_each_stage_and_says_how_the_image_is_used(workshop: Workshop) -> None:
    workshop.plan()
    ran = image(workshop, "build", "mine", "--definition", "small.toml")
    lines = ran.out.splitlines()
    assert ran.status == 0, ran.err
    assert [line.split()[0:2] for line in lines if "done" in line] == [
        ["[1/4]", "base"],
        ["[2/4]", "node"],
        ["[3/4]", "tiny"],
        ["[4/4]", "unpack"],
    ]
    assert lines[-1] == "    smolvm: {image: mine}"
    again = image(workshop, "build", "mine", "--definition", "small.toml", "--json")
    assert json.loads(again.out)["fresh"] is False


def test_prune_removes_what_no_name_stands_for_and_says_how_much_that_freed(workshop: Workshop) -> None:
    old = workshop.build().image
    workshop.packages = ("git", "socat")
    new = workshop.build().image
    dry = image(workshop, "prune", "--dry-run").out.splitlines()
    assert dry[0].startswith(f"would remove image {old.short}, ")
    assert dry[-1].endswith(" would be freed.")
    assert workshop.library.has(old.id)
    pruned = image(workshop, "prune").out.splitlines()
    assert [line.rsplit(",", 1)[0] for line in pruned[:-1]] == [
        f"removed image {old.short}",
        f"removed stage {old.stages[0].key[:12]}",
    ]
    assert [kept.id for kept in workshop.library.images()] == [new.id]
    assert image(workshop, "prune").out == "Nothing to remove.\n"


def test_prune_all_leaves_nothing_but_what_machines_read_from(workshop: Workshop) -> None:
    first = workshop.build("used")
    workshop.packages = ("git", "socat")
    workshop.build("other")
    removed = workshop.library.prune(everything=True, dry_run=False, in_use={first.rootfs.resolve()})
    assert {item.what.split()[0] for item in removed} == {"image", "stage"}
    assert workshop.library.names() == {"used": first.image.id}
    workshop.library.prune(everything=True, dry_run=False)
    assert workshop.library.images() == ()
    assert workshop.library.names() == {}
    assert list(workshop.library.place.stages.iterdir()) == []


def test_an_unknown_image_ends_with_status_1_and_says_which_there_are(workshop: Workshop) -> None:
    assert image(workshop, "show", "gone") == Ran(
        1,
        "",
        f"symphony: There is no image gone in {workshop.library.place.root}."
        " Build one with `symphony image build`.\n",
    )
    workshop.build()
    assert image(workshop, "show", "gone").err == (
        f"symphony: There is no image gone in {workshop.library.place.root}. There is small.\n"
    )


def test_damaged_metadata_is_named_by_list_and_show(workshop: Workshop) -> None:
    built = workshop.build().image
    folder = workshop.library.place.images / built.id
    (folder / "image.json").write_text("{")
    listed = image(workshop, "list")
    assert (listed.status, f"{folder} is no image: image.json cannot be read" in listed.out) == (0, True)
    shown = image(workshop, "show", "small")
    assert shown.status == 1
    assert shown.err.startswith(
        f"symphony: The image small in {folder} is damaged: image.json cannot be read:"
    )
    assert shown.err.endswith(" Build it again with `symphony image build small`.\n")


def test_the_default_image_is_marked(workshop: Workshop) -> None:
    workshop.build("symphony")
    assert image(workshop, "list").out.splitlines()[1].endswith("the default")
    assert json.loads(image(workshop, "list", "--json").out)["images"][0]["default"] is True


def test_sizes_and_ages_are_short() -> None:
    assert [size(number) for number in (12, 2_048, 226 << 20, 1_100 << 20)] == [
        "12 B",
        "2.0 KiB",
        "226 MiB",
        "1.1 GiB",
    ]
    assert age(NOON, NOON.replace(hour=9)) == "3 h"
    assert age(NOON, NOON.replace(minute=1)) == "0 s"
