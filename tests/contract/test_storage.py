"""Every place on the disk names what lies there, removes what it is told to, and follows no symlink."""

import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.errors import SymphonyError
from symphony.core.handoff import Handoff
from symphony.core.installation import Installation
from symphony.core.ports import Storage
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.memory_storage import MemoryStorage
from symphony.sandbox.images.kept import KeptImages
from symphony.store.kept_logs import KeptLogs
from symphony.workspace.kept_history import KeptHistory
from symphony.workspace.kept_patches import KeptPatches
from symphony.workspace.kept_workspaces import KeptWorkspaces
from tests.support.git_project import TODAY, GitWorld, make_completion

SETTINGS = Settings()


@dataclass
class Stage:
    """A place with one thing in it that may go, and one beside it that is none of its own."""

    storage: Storage
    folder: Path | None
    name: str
    delivery: Delivery | None = None


async def workspaces(folder: Path) -> Stage:
    world = GitWorld(folder)
    workspace = await world.prepare("12")
    imported = await world.collect(workspace)
    handoff = await world.hand_off(workspace, imported)
    kept = KeptWorkspaces(world.installation, world.workspaces, lambda _: None)
    return Stage(kept, workspace.path.parent, "12", Delivery("12.1", TODAY, handoff))


async def patches(folder: Path) -> Stage:
    world = GitWorld(folder)
    workspace = await world.prepare("12")
    world.commit(workspace, {"new.txt": b"new\n"})
    handoff = await world.hand_off(workspace, await world.collect(workspace))
    assert handoff.patch is not None
    stage = Stage(KeptPatches(world.installation), handoff.patch.parent, "agent_12.patch")
    stage.delivery = Delivery("12.1", TODAY, handoff)
    return stage


async def reviews(folder: Path) -> Stage:
    world = GitWorld(folder)
    workspace = await world.prepare("12")
    world.commit(workspace, {"new.txt": b"new\n"})
    imported = await world.collect(workspace)
    handoff = await world.workspaces.hand_off(
        workspace, imported, make_completion("12"), world.settings, url="https://forge.example/pull/1"
    )
    stage = Stage(KeptPatches(world.installation), world.installation.patches, "agent_12.patch")
    stage.delivery = Delivery("12.1", TODAY, handoff)
    return stage


async def logs(folder: Path) -> Stage:
    installation = Installation(folder)
    installation.run_logs.mkdir()
    (installation.run_logs / "12.jsonl").write_text("{}\n")
    return Stage(KeptLogs(installation), installation.run_logs, "12.jsonl")


async def images(folder: Path) -> Stage:
    place = folder / "images"
    (place / "unpacked" / ("a" * 64) / "rootfs" / "etc").mkdir(parents=True)
    environ = {"SYMPHONY_IMAGES": str(place), "PATH": str(folder), "HOME": str(folder)}
    return Stage(KeptImages(environ), place / "unpacked", f"unpacked archive {'a' * 12}")


async def memory(folder: Path) -> Stage:
    thing = Stored(Kind.WORKSPACE, "12", "/memory/12", 1, TODAY, "12")
    return Stage(MemoryStorage([thing]), None, "12")


STAGES: dict[str, Callable[[Path], Awaitable[Stage]]] = {
    "workspaces": workspaces,
    "patches": patches,
    "reviews": reviews,
    "logs": logs,
    "images": images,
    "memory": memory,
}


@pytest.fixture(params=sorted(STAGES))
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    return await STAGES[request.param](tmp_path)


async def the_thing(stage: Stage) -> Stored:
    (thing,) = await stage.storage.look(SETTINGS)
    return thing


async def test_what_lies_there_is_named_with_its_size_and_its_age(stage: Stage) -> None:
    thing = await the_thing(stage)
    assert (thing.kind, thing.name) == (stage.storage.kind, stage.name)
    assert thing.size_bytes > 0
    assert thing.since.tzinfo is not None
    assert thing.stays == ""


async def test_a_close_look_has_nothing_against_what_was_handed_over(stage: Stage) -> None:
    assert await stage.storage.check(await the_thing(stage), stage.delivery) == ""


async def test_what_is_removed_is_gone_and_removing_it_again_does_nothing(stage: Stage) -> None:
    thing = await the_thing(stage)
    await stage.storage.remove(thing, SETTINGS, {})
    assert await stage.storage.look(SETTINGS) == ()
    assert stage.folder is None or list(stage.folder.iterdir()) == []
    await stage.storage.remove(thing, SETTINGS, {})


async def test_where_nothing_was_made_yet_nothing_lies(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "none")
    world = GitWorld(tmp_path)
    for storage in (
        KeptWorkspaces(installation, world.workspaces, lambda _: None),
        KeptPatches(installation),
        KeptLogs(installation),
        KeptHistory(installation),
        KeptImages({"SYMPHONY_IMAGES": str(tmp_path / "none"), "PATH": "", "HOME": str(tmp_path)}),
    ):
        assert await storage.look(SETTINGS) == ()


# --- symlinks and strangers ------------------------------------------------------------------------


@pytest.mark.parametrize("make", [patches, reviews, logs])
async def test_a_symlink_in_place_of_the_folder_is_not_followed(
    make: Callable[[Path], Awaitable[Stage]], tmp_path: Path
) -> None:
    stage = await make(tmp_path / "here") if make is not logs else await make(_made(tmp_path / "here"))
    thing = await the_thing(stage)
    assert stage.folder is not None
    elsewhere = tmp_path / "elsewhere"
    stage.folder.rename(elsewhere)
    stage.folder.symlink_to(elsewhere)
    with pytest.raises(SymphonyError):
        await stage.storage.look(SETTINGS)
    with pytest.raises(SymphonyError):
        await stage.storage.remove(thing, SETTINGS, {})
    assert stage.name.removesuffix(".patch") in [
        path.name.removesuffix(".patch") for path in elsewhere.iterdir()
    ]


@pytest.mark.parametrize("make", [patches, logs])
async def test_a_symlink_in_place_of_a_file_is_not_named_and_not_removed(
    make: Callable[[Path], Awaitable[Stage]], tmp_path: Path
) -> None:
    stage = await make(tmp_path / "here") if make is patches else await make(_made(tmp_path / "here"))
    thing = await the_thing(stage)
    precious = tmp_path / "precious"
    precious.write_text("mine")
    Path(thing.path).unlink()
    Path(thing.path).symlink_to(precious)
    assert await stage.storage.look(SETTINGS) == ()
    with pytest.raises(SymphonyError):
        await stage.storage.remove(thing, SETTINGS, {})
    assert precious.read_text() == "mine"
    assert Path(thing.path).is_symlink()


async def test_a_workspace_that_was_exchanged_for_a_symlink_stays_and_so_does_what_it_points_to(
    tmp_path: Path,
) -> None:
    stage = await workspaces(tmp_path)
    thing = await the_thing(stage)
    outside = tmp_path / "outside"
    Path(thing.path).rename(outside)
    Path(thing.path).symlink_to(outside)
    named = await the_thing(stage)
    assert "symphony does not follow it" in named.stays
    with pytest.raises(SymphonyError):
        await stage.storage.remove(thing, SETTINGS, {})
    assert (outside / "README.md").exists()


async def test_links_in_a_workspace_that_lead_out_of_it_are_removed_and_their_targets_are_not(
    tmp_path: Path,
) -> None:
    stage = await workspaces(tmp_path)
    precious = tmp_path / "precious"
    (precious / "deep").mkdir(parents=True)
    (precious / "file").write_text("mine")
    thing = await the_thing(stage)
    before = thing.size_bytes
    for name in ("ignored", "way out"):
        (Path(thing.path) / name).symlink_to(precious)
    (precious / "big").write_bytes(b"x" * 1_000_000)
    thing = await the_thing(stage)
    assert thing.size_bytes < before + 500_000, "a link was followed when it was measured"
    await stage.storage.remove(thing, SETTINGS, {})
    assert not Path(thing.path).exists()
    assert {path.name for path in precious.iterdir()} == {"deep", "file", "big"}


async def test_files_of_others_beside_the_logs_and_patches_are_not_named(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    for folder in (installation.run_logs, installation.patches):
        folder.mkdir()
        for name in ("notes.txt", ".symphony-1.tmp", "agent_x.patch.bak", "symphony.log.old"):
            (folder / name).write_text("mine")
        (folder / "folder.jsonl").mkdir()
    assert await KeptLogs(installation).look(SETTINGS) == ()
    assert await KeptPatches(installation).look(SETTINGS) == ()


# --- logs ------------------------------------------------------------------------------------------


async def test_the_daemons_log_stays_and_its_earlier_files_have_an_age(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.run_logs.mkdir()
    for name in ("symphony.log", "symphony.log.1", "7.jsonl", "7.jsonl.1", "symphony.log.jsonl"):
        (installation.run_logs / name).write_text("x\n")
    then = datetime(2026, 1, 1, tzinfo=UTC)
    os.utime(installation.run_logs / "symphony.log.1", (then.timestamp(), then.timestamp()))
    found = {thing.name: thing for thing in await KeptLogs(installation).look(SETTINGS)}
    assert {name: (thing.key, thing.stays) for name, thing in found.items()} == {
        "symphony.log": ("", "the daemon writes to it"),
        "symphony.log.1": ("", ""),
        "7.jsonl": ("7", ""),
        "7.jsonl.1": ("7", ""),
        "symphony.log.jsonl": ("symphony.log", ""),
    }
    assert found["symphony.log.1"].since == then


# --- patches ---------------------------------------------------------------------------------------


async def test_a_patch_whose_commits_are_not_in_the_hosts_repository_stays(tmp_path: Path) -> None:
    stage = await patches(tmp_path)
    assert stage.delivery is not None
    lost = Delivery("12.1", TODAY, _with_head(stage.delivery, "b" * 40))
    thing = await the_thing(stage)
    assert (await stage.storage.check(thing, lost)).startswith("its commits are not in ")
    assert await stage.storage.check(thing, None) == "it is not the latest handoff of its issue"


async def test_the_folder_of_a_pull_request_goes_as_one_beside_a_patch_does(tmp_path: Path) -> None:
    stage = await reviews(tmp_path)
    thing = await the_thing(stage)
    assert stage.delivery is not None
    lost = Delivery("12.1", TODAY, _with_head(stage.delivery, "b" * 40))
    assert (await stage.storage.check(thing, lost)).startswith("its commits are not in ")
    none = replace(stage.delivery, handoff=Handoff("none", "Nothing to hand over."))
    assert await stage.storage.check(thing, none) == "it is not the latest handoff of its issue"
    Path(thing.path).write_text("of an earlier handoff\n")
    assert await stage.storage.check(thing, stage.delivery) == "it is not the latest handoff of its issue"


# --- workspaces ------------------------------------------------------------------------------------


async def test_a_file_that_was_written_after_the_handoff_keeps_the_workspace(tmp_path: Path) -> None:
    stage = await workspaces(tmp_path)
    thing = await the_thing(stage)
    (Path(thing.path) / "later.txt").write_text("a thought\n")
    against = await stage.storage.check(thing, stage.delivery)
    assert against == "its files are not those that were handed over"


async def test_a_file_that_was_changed_or_deleted_after_the_handoff_keeps_the_workspace(
    tmp_path: Path,
) -> None:
    stage = await workspaces(tmp_path)
    thing = await the_thing(stage)
    (Path(thing.path) / "README.md").write_text("other\n")
    assert await stage.storage.check(thing, stage.delivery) == "its files are not those that were handed over"
    (Path(thing.path) / "README.md").unlink()
    assert await stage.storage.check(thing, stage.delivery) == "its files are not those that were handed over"


async def test_a_repository_within_keeps_the_workspace(tmp_path: Path) -> None:
    stage = await workspaces(tmp_path)
    thing = await the_thing(stage)
    (Path(thing.path) / "vendor" / ".git").mkdir(parents=True)
    assert await stage.storage.check(thing, stage.delivery) == (
        "it holds repositories of its own, which no branch carries: vendor"
    )


async def test_a_workspace_of_which_nothing_says_what_was_handed_over_stays(tmp_path: Path) -> None:
    stage = await workspaces(tmp_path)
    assert stage.delivery is not None
    thing = await the_thing(stage)
    assert await stage.storage.check(thing, None) == "nothing says what was handed over of it"
    lost = Delivery("12.1", TODAY, _with_head(stage.delivery, "b" * 40))
    assert "is not in" in await stage.storage.check(thing, lost)


async def test_a_record_that_cannot_be_read_is_named_and_stays(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    await world.prepare("12")
    record = world.installation.root / "workspace-records" / "12.json"
    record.write_text("{")
    kept = KeptWorkspaces(world.installation, world.workspaces, lambda _: None)
    (thing,) = await kept.look(SETTINGS)
    assert (thing.name, thing.key) == ("12", "12")
    assert "cannot be read" in thing.stays


async def test_a_workspace_that_was_not_made_to_its_end_stays(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    await world.prepare("12")
    record = world.installation.root / "workspace-records" / "12.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "ready": False}))
    kept = KeptWorkspaces(world.installation, world.workspaces, lambda _: None)
    (thing,) = await kept.look(SETTINGS)
    assert thing.stays == "it was not made to its end; the next attempt makes it anew"


async def test_the_hook_before_a_removal_runs_and_its_failure_is_told_with_the_workspace_gone(
    tmp_path: Path,
) -> None:
    world = GitWorld(tmp_path)
    workspace = await world.prepare("12")
    complaints: list[str] = []
    kept = KeptWorkspaces(world.installation, world.workspaces, complaints.append)
    script = 'echo "$SYMPHONY_ISSUE_ID $SYMPHONY_BRANCH" > "$SYMPHONY_WORKSPACE/../ran"; exit 3'
    settings = Settings.model_validate({"hooks": {"before_remove": script}})
    (thing,) = await kept.look(settings)
    await kept.remove(thing, settings, {"SYMPHONY_ISSUE_ID": "12"})
    assert not workspace.path.exists()
    assert (workspace.path.parent / "ran").read_text() == "12 agent/12\n"
    assert len(complaints) == 1


# --- history ---------------------------------------------------------------------------------------


async def test_history_is_named_and_never_removed(tmp_path: Path) -> None:
    world = GitWorld(tmp_path)
    await world.prepare("12")
    kept = KeptHistory(world.installation)
    (thing,) = await kept.look(SETTINGS)
    assert (thing.name, thing.stays) == (
        "host.git",
        "it holds every branch that was imported, and what was saved",
    )
    assert await kept.check(thing, None) == thing.stays
    with pytest.raises(SymphonyError):
        await kept.remove(thing, SETTINGS, {})
    assert world.host.exists()


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _with_head(delivery: Delivery, head: str):
    from dataclasses import replace

    return replace(delivery.handoff, head_commit=head)


async def test_a_patch_goes_with_its_review_folder_and_a_folder_that_was_left_goes_too(
    tmp_path: Path,
) -> None:
    stage = await patches(tmp_path)
    (thing,) = await stage.storage.look(SETTINGS)
    folder = Path(thing.path).with_suffix("")
    assert folder.is_dir()
    Path(thing.path).unlink()  # as a sweep that was cut off
    (left,) = await stage.storage.look(SETTINGS)
    assert (left.name, left.key) == (thing.name, thing.key)
    await stage.storage.remove(left, SETTINGS, {})
    assert not folder.exists()
    assert await stage.storage.look(SETTINGS) == ()


async def test_a_patch_with_comments_that_were_not_sent_stays(tmp_path: Path) -> None:
    stage = await patches(tmp_path)
    thing = await the_thing(stage)
    assert await stage.storage.check(thing, stage.delivery) == ""
    with Path(thing.path).open("a") as patch:
        patch.write("#> why?\n")
    assert await stage.storage.check(thing, stage.delivery) == "a person's comments in it were not sent"
