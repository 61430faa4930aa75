"""Questions and replies at their awkward moments: follow-ups, cut off calls, crashes, failing handoffs."""

import asyncio

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Hang, Script, Turn, ask, mark_done, one_turn
from symphony.core.claim import Parked, Waiting
from symphony.core.event import DrainAsked
from symphony.core.idle import Idleness
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes


def asks(world, question):
    """Say whether issue 1 waits for the answer to this question."""
    claim = world.claim("1")
    return isinstance(claim, Waiting) and claim.steering.question == question


async def crash(world, task):
    """End the engine as kill -9 would."""
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store


async def answered_and_done(world):
    """Run until issue 1 was answered and its agent has called mark_done in a turn that goes on."""
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", Script((Turn((writes(world), ask("Red?"))), Turn((mark_done(), Hang())))))
    world.drop("1")
    await world.until(lambda: asks(world, "Red?"))
    await world.operations.reply("1", "Yes.")
    await world.until(lambda: world.record("1").completion)
    return task


async def test_a_follow_up_question_in_the_reply_turn_waits_for_its_own_answer(world):
    async with world.running():
        turns = Turn((ask("Red?"),)), Turn((ask("Which red?"),)), Turn((mark_done(),))
        world.script("1", Script(turns))
        world.drop("1")
        await world.until(lambda: asks(world, "Red?"))
        await world.operations.reply("1", "Yes.")
        await world.quiet()
        assert asks(world, "Which red?")
        await world.operations.reply("1", "Crimson.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert len(world.agents.sessions) == 1
    assert "Crimson." in world.agents.sessions[0].prompts[2]


async def test_a_mark_done_in_the_reply_turn_is_delivered_after_a_crash(world):
    task = await answered_and_done(world)
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == 1
    assert world.state_of("1") == "Done"
    assert len(world.workspaces.patches) == 1


async def test_a_mark_done_in_the_reply_turn_is_delivered_after_a_quick_stop(world):
    task = await answered_and_done(world)
    await world.engine.mailbox.put(DrainAsked(now=True))
    await world.until(task.done)
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == 1
    assert world.state_of("1") == "Done"
    assert len(world.workspaces.patches) == 1


async def test_a_handoff_that_fails_while_a_question_is_open_is_made_good_later(world):
    async with world.running():
        world.script("1", one_turn(writes(world), ask("Red?")))
        world.drop("1")
        await world.until(lambda: asks(world, "Red?"))
        world.workspaces.fail(Fault.HAND_OFF)
        await world.operations.move("1", "Done")
        await world.until(lambda: world.workspaces.patches)


async def test_a_reply_that_reached_an_attempt_is_not_owed_to_one_after_a_restart(world):
    async with world.running():
        asking = Script((Turn((ask("Red?"),)), Turn((Fail(AgentExited("demo", 1, "killed")),))))
        world.script("1", asking, one_turn(mark_done()))
        world.drop("1")
        await world.until(lambda: asks(world, "Red?"))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    assert "Yes." in world.agents.sessions[1].prompts[0]
    await world.build()
    assert world.claim("1") is None


async def test_a_question_that_was_stored_is_not_lost_when_its_call_is_cut_off(world):
    stored, told = asyncio.Event(), asyncio.Event()
    store_question = world.store.ask

    async def answer_late(steering):
        await store_question(steering)
        stored.set()
        await told.wait()

    world.store.ask = answer_late
    async with world.running():
        world.script("1", one_turn(ask("Red?")))
        world.drop("1")
        await world.until(stored.is_set)
        await world.operations.cancel("1")
        await world.quiet()
        told.set()
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        assert world.claim("1").steering == (await world.store.open_steering())[0]


async def test_a_reply_in_the_moment_in_which_the_session_is_released_starts_a_new_one(world):
    async with world.running():
        world.script("1", one_turn(ask("Red?")), one_turn(mark_done()))
        world.drop("1")
        await world.until(lambda: asks(world, "Red?"))
        replying = None

        def reply_at_the_release():
            nonlocal replying
            if replying is None and world.agents.sessions[0].closed:
                replying = asyncio.create_task(world.operations.reply("1", "Yes."))
            return world.state_of("1") == "Done"

        await world.until(reply_at_the_release)
        await replying
    assert len(world.agents.sessions) == 2
    assert "Yes." in world.agents.sessions[1].prompts[0]
