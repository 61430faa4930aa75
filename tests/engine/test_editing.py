"""A person edits an issue's file through the daemon [CONTRACT 3, 4.7]."""

import asyncio
from pathlib import Path

import pytest

from symphony.core.editing import EditConflict, Editing, IssueTextRefused
from symphony.engine.editing import TrackedEditing
from tests.engine.conftest import World

HELD = "Review"


def editing_of(world: World) -> Editing:
    return TrackedEditing(world.issues, world.engine.tracking)


async def test_a_saved_text_is_known_to_the_scheduler_before_the_person_is_told(world: World) -> None:
    async with world.running():
        world.drop("7", "---\ntitle: Old\n---\n", state=HELD)
        await world.until(lambda: world.state_of("7"))
        editing = editing_of(world)
        opened = await editing.text("7")
        saving = asyncio.create_task(editing.save("7", "---\ntitle: New\n---\n", opened.revision))
        await world.until(saving.done)
        assert saving.result().title == "New"
        assert world.operations.picture().issues.issues["7"] == saving.result()


async def test_a_mended_file_becomes_an_issue_and_its_problem_goes(world: World) -> None:
    async with world.running():
        world.drop("7", "---\ntitle: [\n---\n", state=HELD)
        await world.until(lambda: world.engine.state.issues.problems)
        assert [problem.issue_id for problem in world.operations.snapshot().problems] == ["7"]
        editing = editing_of(world)
        opened = await editing.text("7")
        assert (await editing.check("7", opened.text)).issue is None
        saving = asyncio.create_task(editing.save("7", "---\ntitle: Mended\n---\n", opened.revision))
        await world.until(saving.done)
        assert world.operations.snapshot().problems == ()
        assert world.operations.picture().issues.issues["7"].title == "Mended"


async def test_a_new_id_is_known_under_the_new_id_alone(world: World) -> None:
    async with world.running():
        world.drop("7", "", state=HELD)
        await world.until(lambda: world.state_of("7"))
        editing = editing_of(world)
        opened = await editing.text("7")
        saving = asyncio.create_task(editing.save("7", "---\nid: eight\n---\n", opened.revision))
        await world.until(saving.done)
        assert list(world.operations.picture().issues.issues) == ["eight"]


async def test_a_refused_save_tells_the_scheduler_nothing(world: World) -> None:
    async with world.running():
        world.drop("7", "one\n", state=HELD)
        await world.until(lambda: world.state_of("7"))
        editing, before = editing_of(world), world.operations.picture().issues
        with pytest.raises(IssueTextRefused):
            await editing.save("7", "---\npriority: x\n---\n", (await editing.text("7")).revision)
        with pytest.raises(EditConflict):
            await editing.save("7", "two\n", "another")
        assert world.operations.picture().issues is before


async def test_a_text_saved_while_the_daemon_stops_is_kept_and_is_no_error(world: World) -> None:
    async with world.running():
        path = world.issues.drop(HELD, "7", "one\n")
        world.engine.tracking.notice([path])
        await world.until(lambda: world.state_of("7"))
        editing = editing_of(world)
        opened = await editing.text("7")
    assert world.engine.mailbox.closed
    assert (await editing.save("7", "two\n", opened.revision)).description == "two"
    assert world.issues.read(Path(path)) == b"two\n"
