"""The daemon explains what it does from its own state and its own decisions."""

import pytest

from symphony.agent.script import Hang, Script, Turn, ask, mark_done, one_turn
from symphony.core.decide import CommandRefused
from symphony.core.eligibility import ReasonCode
from symphony.store.errors import store_full
from tests.engine.conftest import World
from tests.support.explained import check_explained


async def test_an_issue_is_explained_from_its_first_attempt_to_its_handoff():
    world = World()
    world.script("1", Script((Turn((ask("Blue or red?"),)), Turn((mark_done(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().waiting)
        asked = await world.operations.explain("1")
        assert asked.code is ReasonCode.WAITING_FOR_REPLY
        assert [each.decision for each in asked.decisions] == ["wait", "ask", "dispatch"]
        await world.operations.reply("1", "Blue.")
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
        done = await world.operations.explain("1")
        assert done.code is ReasonCode.FINISHED
        assert done.where == f"Finished: {world.record('1').last_handoff}"
        assert done.decisions[0].decision == "delivered"
        assert check_explained(world.engine.state, "1", world.clock.now()).where == done.where


async def test_an_issue_that_nobody_knows_is_refused():
    world = World()
    async with world.running():
        with pytest.raises(CommandRefused, match="There is no issue nope") as refused:
            await world.operations.explain("nope")
    assert refused.value.code == "issue_not_found"


async def test_a_store_that_cannot_be_written_is_what_everything_waits_for():
    async def full(_):
        raise store_full("here")

    world = World()
    world.script("1", one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: "turn" in str(world.run_logs.lines.get("1")))
        apply, world.store.apply = world.store.apply, full
        world.drop("2")
        await world.quiet()
        explained = await world.operations.explain("1")
        world.store.apply = apply
    assert explained.code is ReasonCode.RUNNING
    assert explained.next[0].text.startswith("Nothing is decided until the store can be written: ")
    assert explained.next[1].text.startswith("The agent goes on")
