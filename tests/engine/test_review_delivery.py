"""Accepted work on its way out: restarts, checks, failing rooms, and what a person reads meanwhile."""

import asyncio
import tempfile

import pytest

from symphony.agent.script import Hang, Work, mark_done, one_turn
from symphony.core.claim import Retrying
from symphony.core.errors import SymphonyError
from symphony.core.idle import Idleness
from symphony.store.errors import store_full
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes

CHECKED = "---\nsandbox: local\nacp: {adapter: demo}\nchecks: [{name: tests, run: make test}]\n---\n"
HOOKED = "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: a, before_remove: b}\n---\n"
PUBLISHED = "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: publish}\n---\n"


def failing_checks(world):
    """Let every check fail; return a list that has an entry for each run."""
    ran = []

    async def sh(io):
        ran.append(io)
        return 1

    world.driver.register("sh", sh)
    return ran


def checks_that_last(world):
    """Let no check come to its end."""

    async def sh(_):
        await asyncio.Event().wait()

    world.driver.register("sh", sh)


def fail_once(call, error):
    """Return a call whose first time raises and changes nothing."""
    failures = [error]

    async def failing(*arguments):
        if failures:
            raise failures.pop()
        return await call(*arguments)

    return failing


async def crash(world, task):
    """End the engine as kill -9 would."""
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store


async def done_and_crashed(world):
    """Leave an issue whose mark_done was accepted by a daemon that died in the same turn."""
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(writes(world), mark_done(), Hang()))
    world.drop("1")
    await world.until(lambda: world.record("1").completion)
    await crash(world, task)


def delivered(world):
    record = world.record("1")
    return world.state_of("1") == "Done" and record.claim is None and record.completion is None


async def test_work_whose_checks_have_not_run_when_the_daemon_dies_is_checked_before_it_is_delivered(world):
    world.file.write(CHECKED)
    checks_that_last(world)
    await done_and_crashed(world)
    ran = failing_checks(world)
    async with world.running():
        world.script("1", one_turn(Hang()))
        await world.until(lambda: ran or world.state_of("1") == "Done")
        await world.quiet()
        assert world.state_of("1") == "Todo"
        assert world.workspaces.patches == {}


async def test_work_whose_checks_failed_is_not_delivered_though_the_store_could_not_take_it_back(world):
    world.file.write(CHECKED)
    failing_checks(world)
    world.store.withdraw_completion = fail_once(world.store.withdraw_completion, store_full("x"))
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()), one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: len(world.agents.sessions) == 2 or world.state_of("1") == "Done")
        assert world.state_of("1") == "Todo"
        assert world.workspaces.patches == {}


async def test_delivered_work_is_not_delivered_again_when_its_attempts_end_cannot_be_stored(world):
    world.store.attempt_ended = fail_once(world.store.attempt_ended, store_full("x"))
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()))
        world.drop("1")
        await world.until(lambda: delivered(world))
    assert world.workspaces.removed == ["1"]


async def test_delivered_work_stays_delivered_when_after_run_cannot_be_prepared(world, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    world.file.write(PUBLISHED)
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()))
        world.drop("1")
        await world.until(lambda: delivered(world))
    assert "problem" in world.kinds("1")


async def test_a_workspace_whose_removal_was_cut_off_by_a_crash_is_removed_by_the_next_run(world):
    reached = asyncio.Event()
    remove = world.workspaces.remove

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    world.workspaces.remove = hang
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")
    await world.until(reached.is_set)
    await crash(world, task)
    world.workspaces.remove = remove
    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.removed == ["1"]


async def test_an_issue_that_cannot_be_read_while_its_work_is_handed_over_is_not_worked_on_again(world):
    async def break_file(*_):
        path = world.issues.paths()[0]
        world.issues.edit(path, b"\xff\xfe")
        world.engine.tracking.notice([path])
        await world.quiet()

    async with world.running():
        world.script("1", one_turn(writes(world), Work(break_file), mark_done()), one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.workspaces.patches or isinstance(world.claim("1"), Retrying))
        await world.quiet()
        path = world.issues.paths()[0]
        world.issues.edit(path, "whole again")
        world.engine.tracking.notice([path])
        await world.until(lambda: len(world.agents.sessions) > 1 or delivered(world))
        assert len(world.agents.sessions) == 1
        assert world.state_of("1") == "Done"


async def test_discard_gives_up_a_handoff_whose_workspace_is_gone(world):
    await done_and_crashed(world)
    world.workspaces._folders.clear()
    async with world.running():
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert "`symphony discard 1` gives the handoff up." in world.claim("1").reason
        world.script("1", one_turn(Hang()))
        await world.operations.discard("1")
        await world.quiet()
        assert world.record("1").completion is None


async def test_discard_without_work_and_without_workspace_is_refused(world):
    async with world.running():
        world.drop("1", "---\nblocked_by: ['9']\n---\n")
        await world.quiet()
        with pytest.raises(SymphonyError) as caught:
            await world.operations.discard("1")
        assert caught.value.code == "nothing_to_discard"


async def test_until_idle_ends_though_a_handoff_fails_every_time(world):
    world.workspaces.fail(Fault.IMPORT, times=10_000)
    await world.build(until_idle=True)
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON


async def test_an_issue_in_done_whose_handoff_fails_is_not_called_finished(world):
    world.workspaces.fail(Fault.HAND_OFF)
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()))
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.state_of("1") == "Done"
        detail = await world.operations.detail("1")
        assert "Finished" not in detail.standing


async def test_a_crash_between_move_and_handoff_delivers_once(world):
    reached = asyncio.Event()
    hand_off = world.workspaces.hand_off

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    world.workspaces.hand_off = hang
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")
    await world.until(reached.is_set)
    assert world.state_of("1") == "Done"
    await crash(world, task)
    world.workspaces.hand_off = hand_off
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == len(world.workspaces.patches) == 1
    assert world.workspaces.removed == ["1"]


async def test_the_handoff_goes_in_order_and_removes_the_workspace_last(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: a, before_remove: b}\n---\n"
    )
    seen = []

    def note(name, call):
        async def noted(*arguments):
            seen.append(f"{name} in {world.state_of('1')}")
            return await call(*arguments)

        return noted

    for name in ("collect", "hand_off", "remove"):
        setattr(world.workspaces, name, note(name, getattr(world.workspaces, name)))
    world.store.complete_handoff = note("complete", world.store.complete_handoff)
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()))
        world.drop("1")
        await world.until(lambda: delivered(world))
    assert seen == ["collect in Todo", "hand_off in Done", "complete in Done", "remove in Done"]
    assert [run.name for run in world.workspaces.hook_runs] == ["after_run", "before_remove"]


async def test_what_checks_leave_in_their_checkout_is_not_handed_over(world):
    world.file.write(CHECKED)

    async def sh(io):
        world.workspaces._clones[io.cwd]["junk.txt"] = b"junk\n"
        del world.workspaces._clones[io.cwd]["fix.txt"]
        return 0

    world.driver.register("sh", sh)
    async with world.running():
        world.script("1", one_turn(writes(world), mark_done()))
        world.drop("1")
        await world.until(lambda: delivered(world))
    (row,) = await world.store.recent_handoffs(1)
    assert set(world.workspaces._history.commits[row.handoff.head_commit].files) == {"README.md", "fix.txt"}
