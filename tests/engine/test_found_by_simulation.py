"""What the simulation found, each as the shortest story that shows it."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.script import Hang, Script, Spend, Turn, Work, ask, mark_done, one_turn
from symphony.core.claim import Retrying, Waiting
from symphony.core.decide import CommandRefused
from symphony.core.event import DrainAsked
from symphony.core.usage import Usage
from symphony.store.errors import store_full
from symphony.tracker.errors import TrackerError
from symphony.workflow.memory import MemoryWorkflowFile
from symphony.workspace.memory import Fault
from symphony.workspace.memory_history import MemoryCommit
from tests.support.agent_work import writes

RIDES = "---\nsandbox: local\nacp: {adapter: demo}\nmerge_train: {branch: train}\n---\nDo it.\n"
CHECKED = RIDES.replace("merge_train:", "checks: [{name: unit, run: unit}]\nmerge_train:")


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


async def test_an_attempt_that_starts_during_a_discard_works_in_a_workspace_of_its_own(world):
    written, going_on, remove = asyncio.Event(), asyncio.Event(), world.workspaces.remove

    async def write(_, cwd):
        world.workspaces._folders[cwd.name].files["new.txt"] = b"new"
        written.set()

    async def slowly(*arguments):
        await going_on.wait()
        await remove(*arguments)

    world.script("1", one_turn(Hang()), one_turn(Work(write), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.cancel("1")
        await world.until(lambda: not world.engine.supervisor.controls)
        world.workspaces.remove = slowly
        discard = asyncio.create_task(world.operations.discard("1"))
        await world.quiet()
        with pytest.raises(CommandRefused, match="is being discarded"):
            await world.operations.discard("1")
        await world.operations.retry("1")
        await world.quiet()
        assert not written.is_set()
        world.workspaces.remove = remove
        going_on.set()
        await world.until(lambda: world.state_of("1") == "Done")
        await discard
        assert len(world.workspaces.patches) == 1


async def test_an_agent_that_asks_in_every_turn_stays_within_its_budget(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {budget: {tokens: 300}}\n---\n")
    world.script("1", one_turn(Spend(Usage(input_tokens=200)), ask("And now?")))
    async with world.running():
        world.drop("1")
        for _ in range(2):
            await world.until(lambda: world.engine.snapshot().waiting)
            await world.operations.reply("1", "Go on.")
            await world.quiet()
        assert world.record("1").usage.tokens == 400
        assert [view.code for view in world.engine.snapshot().blocked] == ["out_of_budget"]


async def test_a_daemon_that_dies_again_and_again_does_not_lift_a_budget(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {budget: {tokens: 300}}\n---\n")
    spends = Turn((Spend(Usage(input_tokens=200)),))
    world.script("1", Script((spends, Turn((Hang(),)))))
    for number in range(3):
        task = asyncio.create_task((await world.build()).run())
        if number == 0:
            world.drop("1")
        await world.quiet()
        store = world.store.crash()
        task.cancel()
        await asyncio.wait({task})
        world.store = store
    assert len(world.agents.sessions) == 2
    await world.build()
    assert world.record("1").usage.tokens == 400


async def test_a_drain_ends_although_a_handoff_for_an_issue_moved_by_hand_takes_longer(world):
    async def hang(*_):
        await asyncio.Event().wait()

    hand_off, world.workspaces.hand_off = world.workspaces.hand_off, hang
    world.script("1", one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.move("1", "Cancelled")
        await world.until(lambda: world.record("1").completion)
        await world.engine.mailbox.put(DrainAsked())
        await world.until(lambda: world.engine.supervisor.idle)
    world.workspaces.hand_off = hand_off
    await world.run_until_idle()
    assert world.record("1").completion is None


async def test_a_retry_of_a_handoff_by_hand_keeps_the_question_that_is_open(world):
    world.script("1", one_turn(writes(world, "new.txt", b"new"), ask("Which?")))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().waiting)
        world.workspaces.fail(Fault.HAND_OFF)
        await world.operations.move("1", "Done")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        await world.operations.retry("1")
        await world.until(lambda: world.record("1").completion is None)
        assert isinstance(world.claim("1"), Waiting)
        assert world.claim("1").steering.open


async def test_what_is_handed_over_is_not_begun_again_when_its_move_cannot_be_read(world):
    async def break_the_tracker(*_):
        world.issues.fail_next("refresh", OSError("it cannot be read"))

    world.script("1", one_turn(Work(break_the_tracker), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.record("1").last_handoff)
        await world.quiet()
        assert world.record("1").attempts == 1
        assert world.state_of("1") == "Done"


async def test_a_file_whose_move_was_not_told_is_found_where_it_is_before_it_is_worked_on_again(world):
    async with world.running():
        move = world.issues.move

        async def moved_and_not_told(*arguments, **words):
            await move(*arguments, **words)
            raise TrackerError("Whether the file was moved is not known.", code="tracker.failed")

        world.issues.move = moved_and_not_told
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        await world.operations.discard("1")
        await world.clock.advance(world.clock.now() + timedelta(seconds=11))  # and before the next poll
        await world.quiet()
    assert [len(world.agents.sessions), world.state_of("1")] == [1, "Done"]


def puts_a_file(world, content, name="a.txt"):
    """Let a person put a commit onto the merge train's branch."""
    workspaces = world.workspaces
    head = workspaces.train.heads.get("train", workspaces._base)
    files = {**workspaces.files_of(head), name: content}
    workspaces.train.heads["train"] = workspaces._history.add(MemoryCommit(files, "By hand", head))


async def test_work_boards_on_top_of_what_a_person_put_onto_the_merge_train(world):
    world.file = MemoryWorkflowFile(RIDES)
    await world.build()
    puts_a_file(world, b"theirs", "b.txt")
    world.script("1", one_turn(writes(world, "a.txt", b"ours"), mark_done()))
    world.drop("1")
    await world.run_until_idle()
    train = world.workspaces.train
    assert set(world.workspaces.files_of(train.heads["train"])) == {"README.md", "a.txt", "b.txt"}
    assert len(train.aboard("train")) == 1


async def test_no_person_is_said_to_have_finished_what_was_finished_before_the_merge_train_was_on(world):
    world.file = MemoryWorkflowFile(RIDES.replace("merge_train: {branch: train}\n", ""))
    await world.build()
    world.workspaces.fail(Fault.HAND_OFF)
    world.script("1", one_turn(writes(world, "a.txt", b"ours"), mark_done()))
    world.drop("1")
    async with world.running():
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.state_of("1") == "Done"
        world.file.write(CHECKED)
        await world.until(lambda: world.record("1").last_handoff)
    said = "It did not board the merge train: its checks had not passed when the issue was finished."
    assert world.record("1").last_handoff.endswith(said)
    assert world.workspaces.train.heads == {}


async def test_no_person_is_said_to_have_finished_an_issue_whose_file_is_gone(world):
    world.file = MemoryWorkflowFile(RIDES)
    await world.build()
    world.workspaces.train.stopped = "Somebody has it checked out."
    world.script("1", one_turn(writes(world, "a.txt", b"ours"), mark_done()))
    world.drop("1")
    async with world.running():
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        (path,) = world.issues.paths()
        world.issues.remove(path)
        await world.operations.refresh()
        await world.until(lambda: world.state_of("1") is None)
        puts_a_file(world, b"theirs")
        world.workspaces.train.stopped = ""
        await world.until(lambda: world.record("1").last_handoff)
    said = (
        "It did not board the merge train, and no agent goes on with it: it is in conflict with the merge"
        " train: a.txt."
    )
    assert world.record("1").last_handoff.endswith(said)
    assert world.workspaces.train.aboard("train") == ()
