"""What a start does about the dead run, and what it must leave alone."""

import asyncio

import pytest

from symphony.agent.script import Hang, Script, Turn, Work, ask, mark_done, one_turn
from symphony.core.claim import Waiting
from symphony.core.idle import Idleness
from symphony.host.clock import settle
from symphony.store.errors import store_full
from tests.support.agent_work import writes

PUBLISHED = "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: publish}\n---\n"


async def crash(world, task):
    """End the engine as kill -9 would."""
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store


async def test_a_workspace_is_removed_by_the_next_run_when_after_run_was_cut_off_by_a_crash(world):
    world.file.write(PUBLISHED)
    reached = asyncio.Event()
    run_hook = world.workspaces.run_hook

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    world.workspaces.run_hook = hang
    task = asyncio.create_task((await world.build()).run())
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")
    await world.until(reached.is_set)
    await crash(world, task)
    world.workspaces.run_hook = run_hook
    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.removed == ["1"]
    assert len(world.agents.sessions) == 1


async def test_the_workspace_of_a_reopened_issue_outlives_a_removal_whose_end_was_not_stored(world):
    fulfil = world.store.fulfil
    failures = [store_full("here")]

    async def failing(*arguments):
        if world.workspaces.removed and failures:
            raise failures.pop()
        await fulfil(*arguments)

    world.store.fulfil = failing
    task = asyncio.create_task((await world.build()).run())
    world.script("1", one_turn(writes(world), mark_done()), one_turn(writes(world, "more.txt"), Hang()))
    world.drop("1")
    await world.until(lambda: world.workspaces.removed and world.claim("1") is None)
    assert failures == []
    await world.operations.move("1", "Todo")
    await world.until(lambda: len(world.agents.sessions) == 2 and world.agents.sessions[1].prompts)
    await world.quiet()
    assert "more.txt" in world.workspaces._folders["1"].files
    await crash(world, task)
    async with world.running():
        await world.quiet()
    assert world.workspaces.removed == ["1"]


async def test_a_reply_whose_work_was_delivered_by_the_next_run_is_owed_to_nobody(world):
    task = asyncio.create_task((await world.build()).run())
    world.script("1", Script((Turn((ask("Red?"),)), Turn((writes(world), mark_done(), Hang())))))
    world.drop("1")
    await world.until(lambda: isinstance(world.claim("1"), Waiting))
    await world.operations.reply("1", "Yes.")
    await world.until(lambda: world.record("1").completion)
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    assert world.state_of("1") == "Done"
    await world.build()
    assert world.claim("1") is None


async def test_a_file_that_an_editor_replaces_during_the_handoff_is_moved_all_the_same(world):
    async def remove_file(*_):
        path = world.issues.paths()[0]
        world.issues.remove(path)
        world.engine.tracking.notice([path])
        await settle()

    async with world.running():
        world.script("1", one_turn(writes(world), Work(remove_file), mark_done()), one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.record("1").completion or world.workspaces.patches)
        await world.quiet()
        world.drop("1", "saved")
        await world.until(lambda: len(world.agents.sessions) > 1 or world.state_of("1") == "Done")
        assert len(world.agents.sessions) == 1


@pytest.mark.parametrize("count", [1, 2])
async def test_crashes_in_a_row_lose_no_accepted_work(world, count):
    hand_off = world.workspaces.hand_off
    world.script("1", one_turn(writes(world), mark_done()))
    for number in range(count + 1):
        reached = asyncio.Event()

        async def hang(*_, reached=reached):
            reached.set()
            await asyncio.Event().wait()

        world.workspaces.hand_off = hang
        task = asyncio.create_task((await world.build()).run())
        if number == 0:
            world.drop("1")
        await world.until(reached.is_set)
        await crash(world, task)
    world.workspaces.hand_off = hand_off
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == len(world.workspaces.patches) == 1
