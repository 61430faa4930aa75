"""What the next run finds, and what it keeps safe before an attempt touches a workspace."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Hang, Script, Spend, Turn, mark_done, one_turn
from symphony.core.agent import ModelResting
from symphony.core.claim import Parked, Retrying
from symphony.core.idle import Idleness
from symphony.core.usage import Usage
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes

HANGS = one_turn(Hang())


def half_done(world):
    """A step in which the agent writes the first half of its work."""
    return writes(world, "work.txt", b"half done\n")


async def crash(world, task):
    """End the engine as kill -9 would: nothing more is written, and all that ran is gone."""
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store


async def begun_and_crashed(world, *steps):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(*steps, Hang()), one_turn(mark_done()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await world.quiet()
    await crash(world, task)


def saved_lines(world):
    return [line for line in world.run_logs.lines["1"] if line["kind"] == "saved"]


async def test_uncommitted_work_of_a_dead_run_is_saved_once_and_worked_on_in_the_same_workspace(world):
    await begun_and_crashed(world, half_done(world))

    assert await world.run_until_idle() is Idleness.DONE

    saved = await world.workspaces.newest_safety("1")
    assert (saved.name, saved.why) == (
        "refs/symphony/safety/1/1",
        "Attempt 2 begins; attempt 1 had ended (interrupted).",
    )
    assert world.workspaces.files_of(saved.commit)["work.txt"] == b"half done\n"
    (line,) = saved_lines(world)
    assert (line["ref"], line["commit"]) == (saved.name, saved.commit)
    assert saved.command in line["text"]
    assert [session.spec.cwd for session in world.agents.sessions] == [world.agents.sessions[0].spec.cwd] * 2


async def test_a_fresh_agent_is_told_that_unfinished_work_lies_there_and_only_then(world):
    await begun_and_crashed(world, half_done(world))
    await world.run_until_idle()

    first, second = (session.prompts[0] for session in world.agents.sessions)
    assert "unfinished" not in first
    assert "Attempt 1 ended after 0 turns (interrupted)" in second
    assert "Work of theirs lies in this folder unfinished" in second


async def test_a_workspace_in_which_nothing_changed_is_not_saved(world):
    await begun_and_crashed(world)
    await world.run_until_idle()

    assert await world.workspaces.newest_safety("1") is None
    assert saved_lines(world) == []
    assert "unfinished" not in world.agents.sessions[1].prompts[0]


async def test_the_work_is_saved_before_a_hook_may_touch_it(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {before_run: git reset --hard}\n---\nGo.\n"
    )
    run_hook, seen = world.workspaces.run_hook, []

    async def hook(*arguments):
        seen.append(await world.workspaces.newest_safety("1"))
        return await run_hook(*arguments)

    world.workspaces.run_hook = hook
    await begun_and_crashed(world, half_done(world))
    await world.run_until_idle()

    assert seen[0] is None
    assert seen[1].name == "refs/symphony/safety/1/1"


async def test_what_cannot_be_saved_fails_the_attempt_and_is_touched_by_nothing(world):
    await begun_and_crashed(world, half_done(world))
    world.workspaces.fail(Fault.SAVE)
    async with world.running():
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.claim("1").reason == (
            "Cannot copy changed files out of the workspace: the disk is full."
        )
        assert len(world.agents.sessions) == 1
        await world.until(lambda: world.state_of("1") == "Done")
    assert (await world.workspaces.newest_safety("1")).name == "refs/symphony/safety/1/1"


async def test_what_a_failed_attempt_left_is_saved_before_the_retry(world):
    breaks = one_turn(half_done(world), Fail(AgentExited("demo", 1, "killed")))
    async with world.running():
        world.script("1", breaks, one_turn(mark_done()))
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done")
    saved = await world.workspaces.newest_safety("1")
    assert saved.why == "Attempt 2 begins; attempt 1 had ended (agent.exited)."


async def test_what_is_discarded_is_saved_first_and_a_full_disk_does_not_forbid_it(world):
    async with world.running():
        world.script("1", one_turn(half_done(world), Hang()))
        for times in range(2):
            world.drop("1") if not times else await world.operations.retry("1")
            prompted = lambda n=times: [one.prompts for one in world.agents.sessions][n:]  # noqa: E731
            await world.until(lambda prompted=prompted: prompted() and prompted()[0])
            await world.quiet()
            await world.operations.cancel("1")
            await world.until(lambda: isinstance(world.claim("1"), Parked))
            if times:
                world.workspaces.fail(Fault.SAVE)
            await world.operations.discard("1")
    saved = await world.workspaces.newest_safety("1")
    assert (saved.name, saved.why) == ("refs/symphony/safety/1/1", "A person discarded the workspace.")
    assert world.workspaces.removed == ["1", "1"]


async def test_a_session_is_not_resumed_by_another_adapter(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", Script((Turn((Hang(),)),), resumes=True), Script((Turn((mark_done(),)),), resumes=True))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await crash(world, task)
    world.file.write("---\nsandbox: local\nacp: {adapter: codex}\n---\nGo.\n")
    await world.run_until_idle()
    assert [session.spec.resume for session in world.agents.sessions] == [None, None]


async def test_what_a_turn_had_cost_when_the_daemon_died_in_its_middle_counts_within_a_minute(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(Spend(Usage(input_tokens=700)), Hang()))
    world.drop("1")
    began = world.clock.now()
    await world.until(lambda: world.clock.now() >= began + timedelta(seconds=130))
    await crash(world, task)

    await world.build()

    assert world.record("1").usage.input_tokens == 700
    assert world.record("1").usage.seconds >= 60


@pytest.mark.parametrize("name", ["failures", "failure_reasons", "attempts", "usage", "paused"])
async def test_what_is_remembered_of_an_issue_outlives_a_crash_in_the_middle_of_its_turn(world, name):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(Spend(Usage(input_tokens=5)), Fail(AgentExited("demo", 1, "killed"))), HANGS)
    world.drop("1")
    await world.until(lambda: len(world.agents.sessions) == 2 and world.agents.sessions[1].prompts)
    await world.operations.pause("1")
    await world.quiet()
    before = getattr(world.record("1"), name)
    await crash(world, task)

    await world.build()

    assert before
    assert getattr(world.record("1"), name) == before


async def test_a_resting_adapter_rests_on_after_a_crash(world):
    resting = ModelResting("Come back later.")
    resting.retry_after_s = 5000
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(Fail(resting)))
    world.drop("1")
    await world.until(lambda: world.engine.state.adapter_pauses)
    before = dict(world.engine.state.adapter_pauses)
    await crash(world, task)
    await world.build()
    assert dict(world.engine.state.adapter_pauses) == before
