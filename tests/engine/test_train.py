"""Finished work boards the merge train one at a time, on the head that it was checked on [CONTRACT 9.6]."""

from symphony.agent.script import mark_done, one_turn
from symphony.core.idle import Idleness
from symphony.workflow.memory import MemoryWorkflowFile
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes
from tests.support.world import NOON, make_issue

TRAIN = "---\nsandbox: local\nacp: {adapter: demo}\nmerge_train: {branch: train}\n---\nDo it.\n"
BASE_FILES = {"README.md": b"a project\n"}


async def rides(world, text: str = TRAIN) -> None:
    """Turn the train on, before any issue is there."""
    world.file = MemoryWorkflowFile(text)
    await world.build()


STANDS = "it stands still, and finished work waits for it. Somebody has it checked out."


def said_of_the_train(world) -> list[str]:
    """Return what every surface says of it."""
    problems = world.engine.snapshot().problems
    return [problem.message for problem in problems if problem.where == "merge train train"]


async def notes(world, issue_id: str) -> str:
    return (await world.store.load()).records[issue_id].last_handoff


async def test_finished_work_of_all_issues_is_aboard_in_its_order(world):
    await rides(world)
    for issue_id in ("1", "2", "3"):
        world.script(issue_id, one_turn(writes(world, f"{issue_id}.txt", b"x"), mark_done()))
        world.drop(issue_id)
    assert await world.run_until_idle() is Idleness.DONE
    train = world.workspaces.train
    assert set(world.workspaces.files_of(train.heads["train"])) == {*BASE_FILES, "1.txt", "2.txt", "3.txt"}
    assert len(set(train.aboard("train"))) == 3
    assert " Boarded the merge train train as " in await notes(world, "3")


async def test_work_that_changes_nothing_does_not_board(world):
    await rides(world)
    world.script("1", one_turn(mark_done()))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.train.heads == {}


async def test_a_handoff_that_fails_after_boarding_is_repeated_and_the_work_is_aboard_once(world):
    await rides(world)
    world.workspaces.fail(Fault.HAND_OFF, times=3)
    world.script("1", one_turn(writes(world, "1.txt", b"x"), mark_done()))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.workspaces.train.aboard("train")) == 1
    assert " Boarded the merge train train as " in await notes(world, "1")


async def test_work_waits_for_a_train_that_stands_still_and_boards_once_it_goes_again(world):
    await rides(world)
    train = world.workspaces.train
    train.stopped = "Somebody has it checked out."
    world.script("1", one_turn(writes(world, "1.txt", b"x"), mark_done()))
    world.drop("1")
    async with world.running():
        await world.until(lambda: world.record("1").failures)
        assert world.record("1").completion is not None
        assert world.record("1").failure_reasons[-1] == "Somebody has it checked out."
        assert world.state_of("1") == "Todo"
        assert said_of_the_train(world) == [STANDS]
        train.stopped = ""
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
        assert said_of_the_train(world) == []
    assert len(train.aboard("train")) == 1
    assert len(world.agents.sessions) == 1


async def test_what_is_said_of_a_train_that_stands_still_outlives_the_process_and_is_told_once(world):
    await rides(world)
    world.workspaces.train.stopped = "Somebody has it checked out."
    world.script("1", one_turn(writes(world, "1.txt", b"x"), mark_done()))
    world.drop("1")
    seen = []
    async with world.running():
        await world.until(lambda: world.record("1").failures)
        world.engine.listeners.append(lambda: seen.append(said_of_the_train(world)))
        await world.until(lambda: world.record("1").failures == 3)
        assert seen
        assert all(said == [STANDS] for said in seen)
    await world.build()
    assert said_of_the_train(world) == [STANDS]
    world.file.write(TRAIN.replace("{branch: train}", "{branch: null}"))
    async with world.running():
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
        assert said_of_the_train(world) == []


async def test_without_a_train_nothing_is_merged(world):
    await world.build()
    world.script("1", one_turn(writes(world, "1.txt", b"x"), mark_done()))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.train.heads == {}
    assert "merge train" not in await notes(world, "1")


async def test_work_that_others_overtook_goes_back_to_its_agent_and_boards_once_mended(world):
    await rides(world)
    train, merge = world.workspaces.train, world.workspaces.train.merge
    overtaken = []

    async def merge_late(*arguments, **named):
        if arguments[5:] and not overtaken:  # it boards
            overtaken.append(True)
            other = await world.workspaces.prepare(make_issue("9"), arguments[3], {})
            world.workspaces.write(other, "a.txt", b"theirs")
            theirs = await world.workspaces.collect(other, None)
            assert await train.board(await merge("9", "Other", theirs, arguments[3], NOON), arguments[3])
        return await merge(*arguments, **named)

    train.merge = merge_late
    mends = one_turn(writes(world, "a.txt", b"theirs"), writes(world, "b.txt", b"b"), mark_done())
    world.script("1", one_turn(writes(world, "a.txt", b"ours"), mark_done()), mends)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    rows = await world.store.attempts_of("1")
    assert [row.outcome for row in rows] == ["sent_back", "delivered"]
    assert "In conflict: a.txt." in rows[0].message
    assert "\n\nIn conflict: a.txt.\n\n" in world.agents.sessions[1].prompts[0]
    said = [(entry.decision, entry.reason) for entry in await world.store.audit_of("1")]
    assert ("withdraw", "in conflict with the merge train: a.txt") in said
    assert ("send_back", "in conflict with the merge train: a.txt") in said
    assert len(train.aboard("train")) == 2
    assert (await world.store.load()).records["1"].failures == 0
