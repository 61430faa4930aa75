"""Every effect outside the process is answered for by the start that follows its being cut off."""

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from symphony.agent.script import Hang, mark_done, one_turn
from symphony.core.effect import Audit
from symphony.core.idle import Idleness
from symphony.core.journal import Action
from symphony.core.ports import Memory
from symphony.engine.recovery import DECISION, Recovery
from symphony.store.errors import store_full
from symphony.workflow.memory import MemoryWorkflowFile
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes

HOOKED = "---\nsandbox: local\nacp: {adapter: demo}\nhooks: {before_remove: save}\n---\n"


class CutOff:
    """Stops the engine at one action: after its intent is stored, or before its result is."""

    def __init__(self, world, action: Action, when: str) -> None:
        self.reached = asyncio.Event()
        self._action, self._ids = action, set()
        intend, fulfil = world.store.intend, world.store.fulfil

        async def hang() -> None:
            world.driver.abandon()
            self.reached.set()
            await asyncio.Event().wait()

        async def intending(*arguments: Any) -> int:
            intent = await intend(*arguments)
            if arguments[3] is action:
                self._ids.add(intent)
                if when == "before":
                    await hang()
            return intent

        async def fulfilling(intent: int, *arguments: Any) -> None:
            if intent in self._ids:
                await hang()
            await fulfil(intent, *arguments)

        world.store.intend, world.store.fulfil = intending, fulfilling


async def crash(world, task: asyncio.Task[Any]) -> Memory:
    """End the engine as kill -9 would; return what the next run finds."""
    heir = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = heir
    return await heir.load()


async def deliver(world) -> None:
    """Let one issue be worked on and handed over."""
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")


async def discard(world) -> None:
    """Let a person discard work whose handoff fails."""
    world.workspaces.fail(Fault.HAND_OFF, times=99)
    await deliver(world)
    await world.until(lambda: world.record("1").failures)
    await world.operations.discard("1")


async def delivered(world) -> None:
    """Let one issue be handed over, to the end."""
    await deliver(world)
    await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)


async def discard_patch(world) -> None:
    """Let a person discard what was handed over."""
    await delivered(world)
    await world.operations.discard("1")


async def reject(world) -> None:
    """Let a person send back what was handed over, while nothing new starts."""
    await delivered(world)
    await world.operations.pause(None)
    await world.operations.reject("1", "More.", None)


BEGIN: dict[Action, Callable[[Any], Awaitable[None]]] = {
    Action.DISCARD_WORKSPACE: discard,
    Action.DISCARD_PATCH: discard_patch,
    Action.REJECT: reject,
}
PROPOSED = "---\nsandbox: local\nacp: {adapter: demo}\nhandoff: {mode: pull_request}\n---\n"
PROPOSING = {Action.PUSH_BRANCH, Action.OPEN_PULL_REQUEST}
TRAIN = "---\nsandbox: local\nacp: {adapter: demo}\nmerge_train: {branch: train}\n---\n"
AGAIN = "the handoff is repeated from the import on"
ANSWERS = {
    (Action.PREPARE_WORKSPACE, "before"): "the next attempt makes the workspace from the beginning",
    (Action.PREPARE_WORKSPACE, "after"): "the workspace is there",
    (Action.START_SANDBOX, "before"): "nothing of it is left",
    (Action.START_SANDBOX, "after"): "nothing of it is left",
    (Action.IMPORT_BRANCH, "before"): AGAIN,
    (Action.IMPORT_BRANCH, "after"): AGAIN,
    (Action.MOVE_ISSUE, "before"): f"the issue is in Todo; {AGAIN}",
    (Action.MOVE_ISSUE, "after"): "the issue is in Done",
    (Action.BOARD_TRAIN, "before"): AGAIN,
    (Action.BOARD_TRAIN, "after"): AGAIN,
    (Action.HAND_OFF, "before"): AGAIN,
    (Action.HAND_OFF, "after"): AGAIN,
    (Action.PUSH_BRANCH, "before"): AGAIN,
    (Action.PUSH_BRANCH, "after"): AGAIN,
    (Action.OPEN_PULL_REQUEST, "before"): AGAIN,
    (Action.OPEN_PULL_REQUEST, "after"): AGAIN,
    (Action.CLEAN_UP, "before"): AGAIN,
    (Action.CLEAN_UP, "after"): "the workspace is gone",
    (Action.DISCARD_WORKSPACE, "before"): "the workspace is gone, and its handoff is given up",
    (Action.DISCARD_WORKSPACE, "after"): "the workspace is gone",
    (Action.DISCARD_PATCH, "before"): "the patch is gone now",
    (Action.DISCARD_PATCH, "after"): "the patch was gone",
    (Action.REJECT, "before"): "the reviewer's words are kept, and the issue is moved to Todo",
    (Action.REJECT, "after"): "the reviewer's words are kept, and the issue is in Todo",
}
ELSEWHERE = {Action.RETIRE, Action.RESET_TRAIN}  # cut off in test_retention and test_train_desk
EVERY = [(action, when) for action in Action if action not in ELSEWHERE for when in ("before", "after")]


async def cut_off(world, action: Action, when: str) -> Memory:
    """Run until the action is cut off there; return what the next run finds."""
    if action in PROPOSING:
        world.file = MemoryWorkflowFile(PROPOSED)
    if action is Action.BOARD_TRAIN:
        world.file = MemoryWorkflowFile(TRAIN)
    task = asyncio.create_task((await world.build()).run())
    cut = CutOff(world, action, when)
    begun = asyncio.create_task(BEGIN.get(action, deliver)(world))
    await world.until(cut.reached.is_set)
    memory = await crash(world, task)
    begun.cancel()
    await asyncio.wait({begun})
    world.workspaces._faults.clear()
    if action is not Action.START_SANDBOX:  # of the others a start finds what is left by its labels
        await world.driver.reap({"installation": "test"})
    return memory


async def recoveries(world) -> list[str]:
    return [entry.reason for entry in await world.store.audit_of("1") if entry.decision == DECISION]


@pytest.mark.parametrize(("action", "when"), EVERY)
async def test_an_effect_that_was_cut_off_comes_to_its_right_end_and_the_audit_says_so(world, action, when):
    memory = await cut_off(world, action, when)
    assert [intent.action for intent in memory.open_intents] == [action]

    await world.run_until_idle()

    name = action.replace("_", " ")
    assert await recoveries(world) == [f"{name} was cut off: {ANSWERS[action, when]}"]
    assert (await world.store.load()).open_intents == ()
    assert world.driver.sandboxes == []
    if action is Action.DISCARD_WORKSPACE:
        assert world.workspaces.removed[:1] == ["1"]
        assert (await world.store.load()).records["1"].completion is None
        return
    if action is Action.REJECT:
        assert [request.reply for request in (await world.store.load()).steering.values()] == ["More."]
        assert world.state_of("1") == "Todo"
        return
    assert world.state_of("1") == "Done"
    handed_over = world.forge.pulls if action in PROPOSING else world.workspaces.patches
    assert len(world.agents.sessions) == 1
    assert len(handed_over) == (action is not Action.DISCARD_PATCH)
    assert world.workspaces.removed == ["1"]
    assert len(world.workspaces.train.aboard("train")) == (action is Action.BOARD_TRAIN)


@pytest.mark.parametrize(("action", "when"), EVERY)
async def test_recovering_again_changes_nothing(world, action, when):
    memory = await cut_off(world, action, when)
    engine = await world.build()

    async def recover() -> Any:
        await Recovery(engine.ports, engine.mailbox, memory, engine.state.workflow).run()
        return copy.deepcopy((world.store._disk, world.workspaces._folders, world.issues.paths()))

    assert await recover() == await recover()
    assert len(await recoveries(world)) == 1


@pytest.mark.parametrize(("action", "when"), EVERY)
async def test_a_recovery_that_is_cut_off_itself_is_begun_again(world, action, when):
    await cut_off(world, action, when)
    engine = await world.build()
    reached = asyncio.Event()

    async def hang(*_: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    world.store.fulfil = hang
    task = asyncio.create_task(engine.run())
    await world.until(reached.is_set)
    memory = await crash(world, task)
    assert [intent.action for intent in memory.open_intents] == [action]

    await world.run_until_idle()

    assert len(await recoveries(world)) == 1
    assert (await world.store.load()).open_intents == ()
    assert world.workspaces.removed[:1] == ["1"]


def test_every_action_has_its_answers_here():
    assert set(ANSWERS) == set(EVERY)


@pytest.mark.parametrize(("when", "state", "why"), [
    ("before", "Todo", "the issue is in Todo; it is not moved unless you ask for it again"),
    ("after", "In Progress", "the issue is in In Progress"),
])  # fmt: skip
async def test_a_persons_move_that_was_cut_off_is_where_the_file_is(world, when, state, why):
    task = asyncio.create_task((await world.build()).run())
    world.script("1", one_turn(Hang()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    cut = CutOff(world, Action.MOVE_ISSUE, when)
    moving = asyncio.create_task(world.operations.move("1", "In Progress"))
    await world.until(cut.reached.is_set)
    await crash(world, task)
    moving.cancel()
    await asyncio.wait({moving})

    async with world.running():
        await world.until(lambda: world.state_of("1") == state)
        assert await recoveries(world) == [f"move issue was cut off: {why}"]


async def test_what_a_handoff_cannot_carry_outlives_a_crash_in_its_clean_up(world):
    collect = world.workspaces.collect

    async def keeping(*arguments: Any) -> Any:
        return replace(await collect(*arguments), keep_workspace=True)

    world.workspaces.collect = keeping
    await cut_off(world, Action.CLEAN_UP, "after")

    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.removed == []
    assert await recoveries(world) == [
        "clean up was cut off: the workspace is kept, for what is in it and not in the handoff"
    ]


async def test_a_discard_whose_end_was_not_stored_leaves_a_later_attempts_work_alone(world):
    task = asyncio.create_task((await world.build()).run())
    world.script("1", one_turn(writes(world)), one_turn(writes(world, "more.txt"), Hang()))
    world.drop("1")
    await world.until(lambda: world.agents.sessions)
    await world.operations.cancel("1")
    await world.until(lambda: not world.engine.supervisor.controls)
    fulfil = world.store.fulfil

    async def failing(*_: Any) -> None:
        raise store_full("here")

    world.store.fulfil = failing
    with pytest.raises(Exception, match="no room left"):
        await world.operations.discard("1")
    world.store.fulfil = fulfil
    assert world.workspaces.removed == ["1"]
    await world.operations.retry("1")
    await world.until(lambda: len(world.agents.sessions) == 2 and world.agents.sessions[1].prompts)
    await world.quiet()
    await crash(world, task)

    async with world.running():
        await world.quiet()
    assert world.workspaces.removed == ["1"]
    assert "discard workspace was cut off: the workspace belongs to a later attempt" in await recoveries(
        world
    )


async def test_a_hook_that_runs_after_a_crash_is_told_of_the_issue(world):
    world.file.write(HOOKED)
    await cut_off(world, Action.DISCARD_WORKSPACE, "before")

    await world.run_until_idle()

    told = [run.environment for run in world.workspaces.hook_runs if run.name == "before_remove"]
    assert told[0]["SYMPHONY_ISSUE_ID"] == "1"


async def test_an_effect_that_only_a_newer_symphony_knows_is_left_as_it_is(world):
    await world.build()
    await world.store.intend(world.clock.now(), "1", "a1", "polish_issue", {})

    await world.run_until_idle()

    assert await world.store.audit_of("1") == (
        Audit(
            world.clock.now(),
            "1",
            DECISION,
            "polish issue was cut off: this symphony does not know it, and leaves it as it is",
        ),
    )
