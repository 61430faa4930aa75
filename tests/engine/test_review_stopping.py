"""A word to stop against everything else that happens at the same time: ends, drains, stuck rooms."""

import asyncio
import os
import signal

import pytest

from symphony.agent.script import Hang, Work, ask, mark_done, one_turn
from symphony.core.claim import Parked, Running
from symphony.core.errors import SymphonyError
from symphony.core.event import AttemptEnded, CancelAsked, DrainAsked, Ticked
from symphony.core.issue import IssueDraft
from symphony.core.outcome import Failed, Stopped, StopReason, TurnsExhausted
from symphony.core.usage import Usage
from symphony.engine.mailbox import Mailbox
from symphony.run import signals_of_a_person
from symphony.store.errors import store_full
from tests.support.project import Said
from tests.support.world import after_events, make_issue, make_record, make_running, make_state

BOUND_S = 5.0  # for what takes milliseconds


@pytest.mark.parametrize(
    "outcome",
    [
        Failed("agent.exited", "It exited."),
        TurnsExhausted(3, progressed=True),
        TurnsExhausted(3, progressed=False),
    ],
    ids=["failed", "progressed", "fruitless"],
)
def test_a_cancelled_attempt_that_ends_by_itself_first_is_not_started_again(outcome):
    state = make_state(make_issue("1"), records=(make_record("1", make_running("1")),))
    decision = after_events(state, CancelAsked("1"), AttemptEnded("1", "1.1", outcome, Usage()))
    claim = decision.state.record("1").claim
    assert isinstance(claim, Parked)
    assert claim.by_person


@pytest.mark.parametrize("reason", [StopReason.STALLED, StopReason.HELD, StopReason.GONE])
def test_a_cancel_of_an_attempt_that_is_being_stopped_already_is_kept(reason):
    running = make_running("1", stopping=reason)
    state = make_state(make_issue("1"), records=(make_record("1", running),))
    decision = after_events(state, CancelAsked("1"), AttemptEnded("1", "1.1", Stopped(reason), Usage()))
    claim = decision.state.record("1").claim
    assert isinstance(claim, Parked)
    assert claim.by_person


async def test_a_cancel_while_the_workspace_is_prepared_ends_the_attempt(world):
    preparing = asyncio.Event()

    async def hang(*_):
        preparing.set()
        await asyncio.Event().wait()

    world.workspaces.prepare = hang
    async with world.running():
        world.drop("1")
        await world.until(preparing.is_set)
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        assert world.agents.sessions == []


async def test_a_stop_that_comes_with_the_very_start_ends_the_attempt(world):
    engine = await world.build()
    world.drop("1")
    perform = engine.supervisor.perform
    stopped = []

    def stop_at_once(*effect):
        perform(*effect)
        if not stopped:
            stopped.append(engine.mailbox.offer(CancelAsked("1")))

    engine.supervisor.perform = stop_at_once
    task = asyncio.create_task(engine.run())
    await world.until(lambda: isinstance(world.claim("1"), Parked))
    await engine.mailbox.put(DrainAsked(now=True))
    await world.until(task.done)
    assert world.agents.sessions == []


async def test_two_signals_end_a_daemon_whose_store_cannot_be_written(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await world.quiet()

    async def full(_):
        raise store_full("here")

    apply, world.store.apply = world.store.apply, full
    world.drop("1")
    await world.quiet()
    await engine.mailbox.put(DrainAsked())
    await engine.mailbox.put(DrainAsked(now=True))
    try:
        await world.until(task.done)
    finally:
        world.store.apply = apply
        task.cancel()
        await asyncio.wait({task})


async def test_one_signal_ends_a_daemon_whose_store_stays_full(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await world.quiet()

    async def full(_):
        raise store_full("here")

    world.store.apply = full
    world.drop("1")
    await world.quiet()
    await engine.mailbox.put(DrainAsked())
    try:
        await world.until(task.done)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_command_is_refused_when_the_engine_gives_up(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await world.quiet()

    async def full(_):
        raise store_full("here")

    world.store.apply = full
    world.drop("1")
    await world.quiet()
    waiting = asyncio.create_task(world.operations.pause(None))
    await world.quiet()
    engine.mailbox.post(DrainAsked())
    engine.mailbox.post(DrainAsked(now=True))
    await world.until(task.done)
    await asyncio.gather(task, return_exceptions=True)
    refused = waiting.done()
    waiting.cancel()
    await asyncio.wait({waiting})
    assert refused


async def test_two_signals_end_a_handoff_that_hangs_after_the_issue_was_moved_by_hand(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: publish}\n---\n")
    reached = asyncio.Event()

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    world.workspaces.run_hook = hang
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(Hang()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await world.operations.move("1", "Done")
    await world.until(reached.is_set)
    await engine.mailbox.put(DrainAsked())
    await engine.mailbox.put(DrainAsked(now=True))
    try:
        await world.until(task.done)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_two_signals_end_a_handoff_that_hangs(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: publish}\n---\n")
    reached = asyncio.Event()

    async def hang(*_):
        reached.set()
        await asyncio.Event().wait()

    world.workspaces.run_hook = hang
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(mark_done()))
    world.drop("1")
    await world.until(reached.is_set)
    before = world.clock.now()
    await engine.mailbox.put(DrainAsked())
    await engine.mailbox.put(DrainAsked(now=True))
    await world.until(task.done)
    assert world.clock.now() == before


async def test_an_attempt_that_begins_to_wait_during_a_drain_does_not_use_up_the_grace(world):
    goes_on = asyncio.Event()

    async def work(*_):
        await goes_on.wait()

    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(Work(work), ask("Red?")))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    before = world.clock.now()
    await engine.mailbox.put(DrainAsked())
    await world.quiet()
    goes_on.set()
    await world.until(task.done)
    assert world.clock.now() == before
    assert [steering.question for steering in await world.store.open_steering()] == ["Red?"]


async def test_a_command_that_comes_after_the_end_is_refused_and_does_not_wait(world):
    async with world.running():
        pass
    late = asyncio.create_task(world.operations.pause(None))
    await world.quiet()
    assert late.done()
    with pytest.raises(SymphonyError, match=r"symphony is stopping\. Start it again first\."):
        await late


async def test_a_reply_that_comes_after_the_end_is_kept_and_does_not_wait(world):
    async with world.running():
        world.script("1", one_turn(ask("Red?")))
        world.drop("1")
        await world.until(lambda: world.said)
    late = asyncio.create_task(world.operations.reply("1", "Yes."))
    await world.quiet()
    done = late.done()
    late.cancel()
    await asyncio.wait({late})
    assert done
    assert (await world.store.steering_of("1"))[0].reply == "Yes."


async def test_an_issue_that_is_made_or_moved_after_the_end_is_there_and_no_error(world):
    async with world.running():
        pass
    made = await world.operations.create(IssueDraft("Late"))
    moved = await world.operations.move(made.id, "Done")
    assert (made.title, moved.state) == ("Late", "Done")


async def test_a_signal_is_not_lost_when_the_mailbox_is_full():
    mailbox = Mailbox(capacity=1)
    assert mailbox.offer(Ticked())
    said = Said()
    with signals_of_a_person(mailbox, said):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(BOUND_S):
            while not said.lines:
                await asyncio.sleep(0)
            await mailbox.take()
            letter = await mailbox.take()
    assert letter.event == DrainAsked(now=False)


async def test_ending_the_engine_leaves_no_task_behind(world):
    before = asyncio.all_tasks()
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        world.script("2", one_turn(ask("Red?")))
        world.drop("2")
        await world.until(lambda: world.said and isinstance(world.claim("1"), Running))
    await world.quiet()
    assert asyncio.all_tasks() == before
