"""An agent that asks to be allowed something, and the person who answers, later or never [CONTRACT 5.1]."""

import asyncio

import pytest

from symphony.agent.script import AskPermission, Script, Turn, ask, mark_done, one_turn
from symphony.core.claim import Parked, Running, Waiting
from symphony.core.decide import CommandRefused
from symphony.core.event import DrainAsked
from symphony.core.idle import Idleness
from symphony.core.permission import PermissionAnswer, Proposal
from symphony.engine.permissions import PATIENCE
from tests.engine.conftest import World

RM = AskPermission(Proposal("rm -rf build", "execute", "rm -rf build", '{"command": "rm -rf build"}'))
ASKS = "---\nsandbox: local\nacp: {adapter: demo, permission: ask}\n---\nDo {{ issue.title }}.\n"
ONE_SLOT = ASKS.replace("---\nDo", "agent: {max_concurrent_agents: 1}\n---\nDo")


@pytest.fixture
def world():
    return World(ASKS)


def asked(world, issue_id="1"):
    claim = world.claim(issue_id)
    return isinstance(claim, Running) and bool(claim.permissions)


async def test_a_turn_waits_for_hours_and_goes_on_with_the_answer(world):
    async with world.running():
        world.script("1", one_turn(RM, mark_done()))
        world.drop("1")
        await world.until(lambda: asked(world))
        await world.clock.advance(world.clock.now() + PATIENCE / 2)
        assert asked(world)
        await world.operations.permit("1", None, PermissionAnswer.ONCE)
        await world.until(lambda: world.state_of("1") == "Done")
    (session,) = world.agents.sessions
    assert session.permissions == [PermissionAnswer.ONCE]
    said = [line["text"] for line in world.run_logs.lines["1"] if line["kind"] == "permission"]
    assert said == ["rm -rf build: once (a person was asked)"]
    assert world.said[0] == (
        "1 asks for permission: rm -rf build  (answer with: symphony permission allow 1, or deny)"
    )
    assert (await world.store.attempts_of("1"))[0].usage.seconds < 60


async def test_what_is_asked_frees_the_slot_and_the_answer_waits_for_one():
    world = World(ONE_SLOT)
    async with world.running():
        world.script("1", one_turn(RM, mark_done()))
        world.script("2", one_turn(RM, mark_done()))
        world.drop("1")
        await world.until(lambda: asked(world, "1"))
        world.drop("2")
        await world.until(lambda: asked(world, "2"))
        await world.operations.permit("2", None, PermissionAnswer.DENY)
        await world.operations.permit("1", None, PermissionAnswer.ALWAYS)
        await world.until(lambda: world.state_of("1") == world.state_of("2") == "Done")
    assert [session.permissions for session in world.agents.sessions] == [
        [PermissionAnswer.ALWAYS],
        [PermissionAnswer.DENY],
    ]


async def test_nobody_answers_for_a_day_and_it_is_refused(world):
    async with world.running():
        world.script("1", one_turn(RM, mark_done()))
        world.drop("1")
        await world.until(lambda: asked(world))
        await world.clock.advance(world.clock.now() + PATIENCE)
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.agents.sessions[0].permissions == [PermissionAnswer.DENY]
    assert "rm -rf build: nobody answered in a day" in [
        line.get("text") for line in world.run_logs.lines["1"]
    ]


async def test_cancelling_the_issue_withdraws_the_request(world):
    async with world.running():
        world.script("1", one_turn(RM, mark_done()))
        world.drop("1")
        await world.until(lambda: asked(world))
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        with pytest.raises(CommandRefused) as caught:
            await world.operations.permit("1", None, PermissionAnswer.ONCE)
    assert caught.value.code == "no_open_permission"
    assert world.agents.sessions[0].permissions == []


async def test_a_drain_does_not_wait_for_a_person_and_the_next_run_asks_again(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(RM, mark_done()))
    world.drop("1")
    await world.until(lambda: asked(world))
    before = world.clock.now()
    await engine.mailbox.put(DrainAsked())
    await world.until(task.done)
    assert (world.clock.now() - before).total_seconds() < 5
    async with world.running():
        await world.until(lambda: asked(world))
        await world.operations.permit("1", None, PermissionAnswer.ONCE)
        await world.until(lambda: world.state_of("1") == "Done")


async def test_a_run_until_idle_ends_when_only_a_permission_is_missing(world):
    await world.build()
    world.script("1", one_turn(RM, mark_done()))
    world.issues.drop("Todo", "1", "")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON


async def test_a_turn_may_ask_for_permission_and_then_a_person(world):
    async with world.running():
        world.script("1", Script((Turn((RM, ask("Red?"))), Turn((RM, mark_done())))))
        world.drop("1")
        await world.until(lambda: asked(world))
        await world.operations.permit("1", None, PermissionAnswer.ONCE)
        await world.until(lambda: isinstance(world.claim("1"), Waiting))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: asked(world))
        await world.operations.permit("1", None, PermissionAnswer.ONCE)
        await world.until(lambda: world.state_of("1") == "Done")
    assert len(world.agents.sessions[0].permissions) == 2
