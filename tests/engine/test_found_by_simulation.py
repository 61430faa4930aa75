"""What the simulation found, each as the shortest story that shows it."""

import asyncio

import pytest

from symphony.agent.script import Hang, one_turn
from symphony.core.event import DrainAsked
from symphony.store.errors import store_full


async def full(_):
    raise store_full("here")


@pytest.mark.parametrize("text", ["", "---\nagent: {max_turns: many}\n---\n"], ids=["alone", "after an edit"])
@pytest.mark.parametrize("now", [False, True])
async def test_a_signal_that_is_itself_what_a_full_store_cannot_keep_ends_the_daemon(world, now, text):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await world.quiet()
    world.store.apply = full
    if text:
        world.file.write(text)
    await engine.mailbox.put(DrainAsked(now=now))
    try:
        await world.until(task.done)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_store_that_fills_up_during_a_drain_does_not_keep_the_daemon_from_ending(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await world.quiet()
    world.script("1", one_turn(Hang()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    await engine.mailbox.put(DrainAsked())
    await world.quiet()
    world.store.apply = full
    try:
        await world.until(task.done)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
