"""What falls due while the engine is busy with something else."""

import asyncio
from datetime import timedelta

from symphony.agent.script import Hang, one_turn
from symphony.core.claim import Phase, Running
from symphony.core.event import AttemptProgressed
from symphony.core.usage import Usage
from tests.support.agent_work import writes

WRITE = timedelta(milliseconds=20)  # of one decision on a slow disk
ONE_TURN = "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 1}\n---\n"


async def test_a_continuation_that_falls_due_while_a_decision_is_written_starts_in_time(world):
    world.file.write(ONE_TURN)
    apply = world.store.apply

    async def slow(changes):
        await world.clock.sleep_until(world.clock.now() + WRITE)
        await apply(changes)

    world.store.apply = slow
    async with world.running():
        for issue_id in ("1", "2"):
            world.script(issue_id, one_turn(writes(world)), one_turn(Hang()))
            world.drop(issue_id)
        await world.until(lambda: len(world.agents.sessions) == 4)
    for issue_id in ("1", "2"):
        first, second = await world.store.attempts_of(issue_id)
        assert (second.started_at - first.ended_at).total_seconds() < 3


async def test_time_passes_for_an_orchestrator_that_always_has_letters(world):
    noisy = AttemptProgressed("none", "none.1", Phase.TURN, 1, "", Usage(), world.clock.now())
    ended = False

    async def be_noisy():
        while not ended:
            world.engine.mailbox.offer(noisy)
            await asyncio.sleep(0)

    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Running) and world.claim("1").turn == 1)
        noise = asyncio.create_task(be_noisy())
        try:
            await world.clock.advance(world.clock.now() + timedelta(minutes=6))
            await world.quiet()
            outcomes = [row.outcome for row in await world.store.attempts_of("1")]
        finally:
            ended = True
            await noise
    assert outcomes[0] == "stalled"


async def test_a_stall_is_noticed_at_its_limit_however_long_the_poll_interval_is(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\npolling: {interval_ms: 3600000}\n---\n")
    async with world.running():
        world.script("1", one_turn(Hang()))
        world.drop("1")
        await world.until(lambda: world.claim("1") is not None and not isinstance(world.claim("1"), Running))
    (row,) = await world.store.attempts_of("1")
    assert row.outcome == "stalled"
    assert (row.ended_at - row.started_at).total_seconds() < 302


async def test_a_snapshot_is_of_the_moment_in_which_it_is_asked_for(world):
    async with world.running():
        await world.quiet()
        world.engine.snapshot()
        await world.clock.advance(world.clock.now() + timedelta(minutes=5, seconds=7))
        assert world.engine.snapshot().generated_at == world.clock.now()
