"""The orchestrator: slots, reloads, drain, restarts and a store that cannot be written."""

import asyncio

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Hang, Say, Script, Turn, ask, mark_done, one_turn
from symphony.core.claim import Parked, Retrying, Running, Waiting
from symphony.core.errors import SymphonyError
from symphony.core.event import DrainAsked, PauseAsked, Ticked
from symphony.core.idle import Idleness
from symphony.engine.mailbox import Mailbox, MailboxFull

HANGS = one_turn(Hang())


def running_ids(world):
    records = world.engine.state.records
    return sorted(issue_id for issue_id, record in records.items() if isinstance(record.claim, Running))


async def test_a_hundred_issues_with_ten_slots_are_all_delivered_and_never_more_than_ten_run(world):
    await world.build(until_idle=True)
    for number in range(100):
        world.drop(str(number))
    most = 0
    orchestrator = world.engine
    decide_now = orchestrator.supervisor.perform

    def watch(*effect):
        nonlocal most
        decide_now(*effect)
        most = max(most, len(running_ids(world)))

    orchestrator.supervisor.perform = watch
    task = asyncio.create_task(orchestrator.run())
    await world.until(task.done)
    assert task.result() is Idleness.DONE
    assert {issue.state for issue in orchestrator.state.issues.issues.values()} == {"Done"}
    assert most == 10
    assert len(world.agents.sessions) == 100


async def test_a_blocked_issue_starts_when_its_blocker_is_done(world):
    async with world.running():
        world.drop("2", "---\nblocked_by: ['1']\n---\n")
        await world.quiet()
        assert world.engine.snapshot().blocked[0].reason == "blocked by 1, which is not in the tracker"
        world.drop("1")
        await world.until(lambda: world.state_of("2") == "Done")
    first, second = [session.spec.cwd.name for session in world.agents.sessions]
    assert (first, second) == ("1", "2")


async def test_an_invalid_edit_blocks_new_attempts_shows_why_and_lets_the_running_one_go_on(world):
    async with world.running():
        world.script("1", HANGS)
        world.drop("1")
        await world.until(lambda: running_ids(world) == ["1"])
        world.file.write("---\nagent: {max_turns: many}\n---\n")
        world.drop("2")
        await world.until(lambda: world.engine.state.workflow_problems)
        await world.quiet()
        assert running_ids(world) == ["1"]
        snapshot = world.engine.snapshot()
        assert snapshot.status == "attention"
        assert "max_turns" in snapshot.problems[0].where
        assert any("max_turns" in line for line in world.said)
        world.file.write(world.workflow_text)
        await world.engine.mailbox.put(Ticked())
        await world.until(lambda: world.state_of("2") == "Done")


async def test_a_running_attempt_keeps_its_settings_and_the_next_one_has_the_new(world):
    async with world.running():
        world.script("1", HANGS)
        world.drop("1")
        await world.until(lambda: world.agents.sessions)
        world.file.write("---\nsandbox: local\nacp: {adapter: demo, model: new}\n---\n")
        world.drop("2")
        await world.until(lambda: len(world.agents.sessions) == 2)
    assert [session.spec.acp.model for session in world.agents.sessions] == [None, "new"]


async def test_a_drain_waits_for_the_grace_and_then_ends_what_still_runs(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", HANGS)
    world.drop("1")
    await world.until(lambda: running_ids(world))
    asked_at = world.clock.now()
    await engine.mailbox.put(DrainAsked())
    world.drop("2")
    await world.quiet()
    assert running_ids(world) == ["1"]
    await world.until(task.done)
    assert (world.clock.now() - asked_at).total_seconds() >= 30
    assert [row.outcome for row in await world.store.attempts_of("1")] == ["drained"]
    assert await world.store.attempts_of("2") == ()


async def test_a_command_after_the_end_is_refused(world):
    async with world.running():
        pass
    with pytest.raises(SymphonyError, match=r"symphony is stopping\. Start it again first\."):
        await world.operations.pause(None)


async def test_a_full_mailbox_refuses_commands_and_says_so():
    mailbox = Mailbox(capacity=1)
    await mailbox.put(Ticked())
    with pytest.raises(MailboxFull) as caught:
        await mailbox.ask(PauseAsked(None))
    assert str(caught.value) == "symphony is busy and did not take the command. Try again in a moment."
    assert mailbox.offer(Ticked()) is False


async def test_a_full_store_stops_decisions_until_there_is_room_and_loses_none(world):
    async with world.running():
        world.store.fail_next_write()
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done")
    assert [line[1] for line in world.log.lines if line[0] == "error"] == ["store.write_failed"]


async def test_a_crash_mid_turn_is_continued_by_the_next_run_with_what_is_known(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", HANGS, one_turn(mark_done()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    rows = await world.store.attempts_of("1")
    assert [row.number for row in rows] == [1, 2]
    assert rows[1].outcome == "delivered"


async def test_a_session_that_was_cut_off_is_resumed_and_a_failed_one_is_not(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    resumable = Script((Turn((Hang(),)),), resumes=True)
    broken = Script((Turn((Fail(AgentExited("demo", 1, "killed")),)),), resumes=True)
    world.script("1", resumable, broken, Script((Turn((mark_done(),)),), resumes=True))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    first, second, third = world.agents.sessions
    assert (first.spec.resume, second.spec.resume, third.spec.resume) == (None, first.id, None)
    assert second.resumed


async def test_a_crash_after_mark_done_delivers_exactly_once_without_an_agent(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(mark_done(), Hang()))
    world.drop("1")
    await world.until(lambda: world.record("1").completion)
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == 1
    assert world.state_of("1") == "Done"


async def test_a_question_and_a_reply_outlive_a_crash_between_them(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(ask("Red?")), one_turn(mark_done()))
    world.drop("1")
    await world.until(lambda: isinstance(world.claim("1"), Waiting))
    await crash(world, task)
    await world.store.reply("1", "Yes, red.", world.clock.now())
    assert await world.run_until_idle() is Idleness.DONE
    assert "Yes, red." in world.agents.sessions[1].prompts[0]


async def test_until_idle_ends_when_all_that_is_left_is_a_question(world):
    await world.build(until_idle=True)
    world.script("1", one_turn(ask("Red?")))
    world.drop("1")
    world.drop("2")
    began = world.clock.now()
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert world.clock.now() == began
    assert world.state_of("2") == "Done"
    assert isinstance(world.claim("1"), Waiting)
    assert world.agents.sessions[0].closed


async def test_a_retry_keeps_its_due_time_over_a_restart(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", Script(connects=False))
    world.drop("1")
    await world.until(lambda: isinstance(world.claim("1"), Retrying))
    due = world.claim("1").due_at
    await crash(world, task)
    await world.build()
    assert world.claim("1").due_at == due


async def test_pauses_and_parking_outlive_a_restart(world):
    async with world.running():
        world.drop("1", "---\nblocked_by: ['9']\n---\n")
        world.script("2", HANGS)
        world.drop("2")
        await world.until(lambda: running_ids(world) == ["2"])
        await world.operations.pause("1")
        await world.operations.pause(None)
        await world.operations.cancel("2")
        await world.until(lambda: isinstance(world.claim("2"), Parked))
    await world.build()
    assert world.engine.state.paused
    assert world.record("1").paused
    assert isinstance(world.claim("2"), Parked)


async def test_a_waiting_issue_frees_its_slot(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_concurrent_agents: 1}\n---\n")
    async with world.running():
        world.script("1", Script((Turn((ask("?"),)), Turn((mark_done(),)))))
        world.drop("1", "---\npriority: 1\n---\n")
        world.drop("2")
        await world.until(lambda: world.state_of("2") == "Done")
        assert isinstance(world.claim("1"), Waiting)


async def test_discard_deletes_undelivered_work_and_only_when_asked(world):
    async with world.running():
        world.script("1", one_turn(Say("x"), Hang()))
        world.drop("1")
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        with pytest.raises(SymphonyError, match=r"Issue 1 is running\. `symphony cancel 1` first\."):
            await world.operations.discard("1")
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        assert world.workspaces.removed == []
        await world.operations.discard("1")
        assert world.workspaces.removed == ["1"]
        with pytest.raises(SymphonyError, match=r"Issue 1 has no workspace and no patch\."):
            await world.operations.discard("1")


async def test_detail_tells_where_an_issue_stands(world):
    async with world.running():
        world.drop("1", "---\nblocked_by: ['9']\n---\n")
        await world.quiet()
        detail = await world.operations.detail("1")
        assert detail.standing == "Not running: blocked by 9, which is not in the tracker."
        with pytest.raises(
            SymphonyError, match=r"There is no issue 7\. `symphony status` lists the issues\."
        ):
            await world.operations.detail("7")


async def test_a_bug_in_an_attempt_fails_the_attempt_and_not_the_daemon(world):
    async def broken(*_):
        raise ZeroDivisionError("boom")

    world.workspaces.fingerprint = broken
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.claim("1").reason == (
            "symphony itself failed: ZeroDivisionError('boom'). Its log has the details."
        )


async def crash(world, task):
    """End the engine as kill -9 would: nothing more is written, and all that ran is gone."""
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store
    for row in (await store.load()).interrupted:
        assert row.outcome is None
