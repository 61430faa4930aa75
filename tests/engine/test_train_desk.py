"""A person starts the merge train anew: journaled, said in the audit, answered for after a crash."""

import asyncio

import pytest

from symphony.agent.script import mark_done, one_turn
from symphony.core.effect import Audit
from symphony.core.journal import Action
from symphony.core.train import TrainStopped, TrainView
from symphony.engine.recovery import DECISION as RECOVERY
from symphony.engine.train_desk import DECISION, EngineTrainDesk
from symphony.workspace.errors import WorkspaceError
from tests.engine.test_journal import CutOff, crash
from tests.engine.test_train import TRAIN, rides
from tests.support.agent_work import writes


def desk_of(world, said: list[str] | None = None) -> EngineTrainDesk:
    told = (lambda _: None) if said is None else said.append
    return EngineTrainDesk(
        lambda: world.engine.state.workflow.settings, world.workspaces.train, world.store, world.clock, told
    )


async def board(world, *ids: str) -> TrainView:
    """Let the work of these issues board, and the daemon end; return the train."""
    await rides(world)
    for issue_id in ids:
        world.script(issue_id, one_turn(writes(world, f"{issue_id}.txt", issue_id.encode()), mark_done()))
        world.drop(issue_id)
    await world.run_until_idle()
    return await desk_of(world).look()


async def said_of(world, issue_id: str | None, decision: str = DECISION) -> list[str]:
    audit = await world.store.audit_of(issue_id)
    return [entry.reason for entry in audit if entry.decision == decision]


def words(before: TrainView) -> str:
    return (
        f"a person moved the merge train train from {before.head[:12]} to main ({before.base_commit[:12]}); "
    )


async def test_a_reset_is_said_once_of_the_train_and_of_each_issue_that_was_aboard(world):
    before = await board(world, "1", "2")
    heard = []
    assert await desk_of(world, heard).reset() == before
    assert world.workspaces.train.heads["train"] == before.base_commit
    assert heard == await said_of(world, None) == [f"{words(before)}not aboard any more: 1, 2"]
    for issue_id in ("1", "2"):
        newest = (await world.store.audit_of(issue_id))[0]
        reason = f"{words(before)}the issue is not aboard any more"
        assert newest == Audit(world.clock.now(), issue_id, DECISION, reason)
    assert (await world.store.load()).open_intents == ()


async def test_a_train_that_is_at_its_base_or_has_no_branch_is_left_as_it_is_and_nothing_is_said(world):
    await board(world)
    assert (await desk_of(world).reset()).head == ""
    before = await board(world, "1")
    desk = desk_of(world)
    await desk.reset()
    assert (await desk.reset()).head == before.base_commit
    assert len(await said_of(world, None)) == len(await said_of(world, "1")) == 1


async def test_a_reset_that_is_refused_says_nothing(world):
    await board(world, "1")
    train = world.workspaces.train
    train.stopped, head = "It is checked out.", train.heads["train"]
    with pytest.raises(TrainStopped, match=r"^It is checked out\.$"):
        await desk_of(world).reset()
    assert train.heads["train"] == head
    assert await said_of(world, None) == await said_of(world, "1") == []
    assert (await world.store.load()).open_intents == ()


async def test_a_train_that_cannot_be_looked_at_stands_still_with_the_reason(world):
    await rides(world)

    async def look(_):
        raise TrainStopped("It needs a newer git.", code="train.git_too_old")

    world.workspaces.train.look = look
    assert await desk_of(world).look() == TrainView("train", stopped="It needs a newer git.")


async def test_where_there_is_no_train_none_is_shown_or_reset(world):
    await rides(world, TRAIN.replace("{branch: train}", "{branch: null}"))
    for ask in (desk_of(world).look, desk_of(world).reset):
        with pytest.raises(WorkspaceError, match=r"^There is no merge train: "):
            await ask()


@pytest.mark.parametrize(("when", "why", "rows"), [
    ("before", "the merge train is not moved unless you ask for it again", 0),
    ("after", "the merge train starts anew from the base", 1),
])  # fmt: skip
async def test_a_reset_that_was_cut_off_is_answered_for_where_the_branch_is(world, when, why, rows):
    before = await board(world, "1", "2")
    task = asyncio.create_task((await world.build()).run())
    cut = CutOff(world, Action.RESET_TRAIN, when)
    resetting = asyncio.create_task(desk_of(world).reset())
    await world.until(cut.reached.is_set)
    memory = await crash(world, task)
    resetting.cancel()
    await asyncio.wait({resetting})
    assert [intent.action for intent in memory.open_intents] == [Action.RESET_TRAIN]

    await world.run_until_idle()

    assert await said_of(world, None, RECOVERY) == [f"reset train was cut off: {why}"]
    assert await said_of(world, None) == [f"{words(before)}not aboard any more: 1, 2"] * rows
    for issue_id in ("1", "2"):
        reason = f"{words(before)}the issue is not aboard any more"
        assert await said_of(world, issue_id) == [reason] * rows
    assert (await world.store.load()).open_intents == ()
