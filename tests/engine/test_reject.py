"""Delivered work that a reviewer sends back, over in-memory rooms [CONTRACT 9.4]."""

import asyncio
from pathlib import Path

import pytest

from symphony.agent.script import Hang, Spend, mark_done, one_turn
from symphony.core.claim import Waiting
from symphony.core.errors import SymphonyError
from symphony.core.idle import Idleness
from symphony.core.usage import Usage
from symphony.workspace.memory import PATCHES, Fault
from tests.engine.test_restart import crash
from tests.support.agent_work import writes

PATCH = PATCHES / "agent_1.patch"


async def delivered(world, *later, steps=()):
    """Hand over one file of issue 1; `later` are the scripts of the attempts after that."""
    first = one_turn(*steps, writes(world, "first.txt", b"one\n"), mark_done("Do it", "Done."))
    world.script("1", first, *later)
    world.drop("1", "---\ntitle: Fix it\n---\n")
    await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)


def comment(world, text="#> why?"):
    """Write a comment into the patch."""
    world.workspaces.patches[PATCH] += f"\n{text}\n".encode()


async def used(world):
    return [
        request.id for request in await world.store.steering_of("1") if request.id in world.store._disk.used
    ]


async def test_the_words_are_the_next_prompt_on_the_same_branch(world):
    async with world.running():
        again = one_turn(writes(world, "second.txt", b"two\n"), mark_done("Do it", "Now it is."))
        await delivered(world, again)
        base = world.workspaces._base
        issue = await world.operations.reject("1", "The second file is missing.", None)
        assert issue.state == "Todo"
        await world.until(lambda: len(world.agents.sessions) == 2 and world.state_of("1") == "Done")
        await world.until(lambda: world.claim("1") is None)
        prompt = world.agents.sessions[1].prompts[0]
        assert prompt.endswith(
            "A person has reviewed the work that was handed over, and sends it back. "
            "It is on the current branch: go on from it, do what the reviewer asks for, "
            "and finish it again.\n\n"
            "The reviewer says:\n\n> The second file is missing.\n"
        )
        handoff = (await world.store.handoff_of("1")).handoff
        files = world.workspaces.files_of(handoff.head_commit)
        assert (files["first.txt"], files["second.txt"]) == (b"one\n", b"two\n")
        # the first attempt's work and the second's, against the base that both began from
        assert world.workspaces._history.commits[base].files == {"README.md": b"a project\n"}
        assert handoff.note.startswith("Patch with 2 commits: ")
        assert len(await used(world)) == 1


async def test_comments_in_the_patch_are_sent_with_the_line_above_them(world):
    async with world.running():
        await delivered(world, one_turn(mark_done()))
        before = world.workspaces.patches[PATCH]
        comment(world)
        await world.operations.reject("1", "", None)
        assert world.workspaces.patches[PATCH].rstrip() == before.rstrip()
        await world.until(lambda: len(world.agents.sessions) == 2 and world.agents.sessions[1].prompts)
        assert (
            "The reviewer says:\n\n> outside of the files, at this line of the patch:\n"
            in (world.agents.sessions[1].prompts[0])
        )
        assert "> why?\n" in world.agents.sessions[1].prompts[0]


async def test_a_new_handoff_does_not_lose_comments_that_were_never_sent(world):
    async with world.running():
        await delivered(world, one_turn(writes(world, "first.txt", b"two\n"), mark_done()))
        comment(world)
        await world.operations.move("1", "Todo")
        await world.until(lambda: len(world.agents.sessions) == 2 and world.state_of("1") == "Done")
        await world.until(lambda: world.claim("1") is None)
        kept = Path(f"{PATCH}.unread-1")
        assert b"#> why?" in world.workspaces.patches[kept]
        assert str(kept) in world.record("1").last_handoff


@pytest.mark.parametrize(
    ("prepare", "words", "to", "code"),
    [
        ("nothing", "Why?", None, "issue_not_found"),
        ("blocked", "Why?", None, "not_delivered"),
        ("running", "Why?", None, "already_running"),
        ("moved", "Why?", None, "nothing_to_reject"),
        ("delivered", "  \n", None, "nothing_said"),
        ("delivered", "x" * 70_000, None, "review_too_long"),
        ("delivered", "Why?", "Nowhere", "invalid_state"),
        ("delivered", "Why?", "Done", "invalid_state"),
    ],
)
async def test_what_does_not_fit_is_refused_and_changes_nothing(world, prepare, words, to, code):
    async with world.running():
        match prepare:
            case "blocked":
                world.drop("1", "---\nblocked_by: ['9']\n---\n")
                await world.quiet()
            case "running":
                world.script("1", one_turn(Hang()))
                world.drop("1")
                await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
            case "moved":
                world.drop("1", state="Done")
                await world.quiet()
            case "delivered":
                await delivered(world)
        state = world.state_of("1")
        with pytest.raises(SymphonyError) as refused:
            await world.operations.reject("1", words, to)
        assert refused.value.code == code
        assert refused.value.remedy
        assert world.state_of("1") == state
        assert await world.store.steering_of("1") == ()


async def test_without_words_and_comments_it_says_how_to_give_them(world):
    async with world.running():
        await delivered(world)
        with pytest.raises(SymphonyError) as refused:
            await world.operations.reject("1", "", None)
        assert str(refused.value) == (
            "Nothing is said to the agent of issue 1, and its patch has no comments. "
            '`symphony reject 1 "why"`, or lines that begin with `#>` in the patch.'
        )


async def test_it_goes_to_the_state_that_is_asked_for(world):
    async with world.running():
        await delivered(world, one_turn(Hang()))
        assert (await world.operations.reject("1", "More.", "in progress")).state == "In Progress"
        await world.until(lambda: len(world.agents.sessions) == 2)


async def test_other_words_on_the_same_work_are_told_as_well(world):
    async with world.running():
        await delivered(world, one_turn(mark_done()))
        await world.operations.pause(None)
        await world.operations.reject("1", "Mend the tests and the docs.", None)
        await world.operations.move("1", "Done")
        await world.operations.reject("1", "the docs", None)
        await world.operations.resume(None)
        await world.until(lambda: len(world.agents.sessions) == 2 and world.state_of("1") == "Done")
        prompt = world.agents.sessions[1].prompts[0]
        assert "> Mend the tests and the docs.\n" in prompt
        assert prompt.endswith("> the docs\n")


async def test_a_budget_that_is_spent_keeps_the_words_until_there_is_more(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nagent: {budget: {tokens: 100}}\n---\nDo it.\n"
    )
    async with world.running():
        await delivered(world, one_turn(mark_done()), steps=(Spend(Usage(input_tokens=150)),))
        await world.operations.reject("1", "More.", None)
        await world.quiet()
        assert len(world.agents.sessions) == 1
        assert "out of budget" in (await world.operations.detail("1")).standing
        assert isinstance(world.claim("1"), Waiting)


async def test_two_at_once_send_it_back_once(world):
    async with world.running():
        await delivered(world, one_turn(Hang()))
        answers = await asyncio.gather(
            world.operations.reject("1", "More.", None),
            world.operations.reject("1", "More.", None),
            return_exceptions=True,
        )
        assert [getattr(each, "code", "done") for each in answers] in (
            ["done", "already_running"], ["done", "not_delivered"],
        )  # fmt: skip
        assert len(await world.store.steering_of("1")) == 1


@pytest.mark.parametrize("cut", ["ask", "clear", "move", "fulfil"])
async def test_a_kill_at_any_step_neither_loses_the_words_nor_says_them_twice(world, cut):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await delivered(world, one_turn(writes(world, "second.txt", b"two\n"), mark_done()))
    comment(world)

    async def hang(*_arguments, **_more):
        await asyncio.Event().wait()

    room = {
        "ask": world.store,
        "fulfil": world.store,
        "clear": world.workspaces.reviews,
        "move": world.issues,
    }[cut]
    real = getattr(room, cut)
    setattr(room, cut, hang)
    rejecting = asyncio.create_task(world.operations.reject("1", "More.", None))
    await world.quiet()
    await world.quiet()
    assert not rejecting.done()
    setattr(room, cut, real)
    rejecting.cancel()
    await asyncio.wait({rejecting})
    await crash(world, task)
    assert await world.run_until_idle() is Idleness.DONE
    told = [prompt for session in world.agents.sessions for prompt in session.prompts if "> More." in prompt]
    assert len(told) == 1
    assert "> why?" in told[0]
    (review,) = await world.store.steering_of("1")
    assert await used(world) == [review.id]
    assert world.state_of("1") == "Done"
    assert b"#>" not in world.workspaces.patches[PATCH]
    assert Path(f"{PATCH}.unread-1") not in world.workspaces.patches


async def test_a_person_who_moves_the_issue_after_a_kill_has_the_last_word(world):
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    await delivered(world)

    async def hang(*_arguments, **_more):
        await asyncio.Event().wait()

    world.issues.move, move = hang, world.issues.move
    rejecting = asyncio.create_task(world.operations.reject("1", "More.", None))
    await world.quiet()
    world.issues.move = move
    rejecting.cancel()
    await asyncio.wait({rejecting})
    await crash(world, task)
    await world.issues.move("1", "Cancelled")
    assert await world.run_until_idle() is Idleness.DONE
    assert world.state_of("1") == "Cancelled"
    assert len(world.agents.sessions) == 1
    assert [request.reply for request in await world.store.steering_of("1")] == ["More."]


async def test_an_attempt_that_fails_before_it_was_told_leaves_the_words_to_the_next(world):
    async with world.running():
        await delivered(world, one_turn(writes(world, "second.txt", b"two\n"), mark_done()))
        world.workspaces.fail(Fault.PREPARE)
        await world.operations.reject("1", "More.", None)
        await world.until(lambda: len(world.agents.sessions) == 2 and world.state_of("1") == "Done")
        await world.until(lambda: world.claim("1") is None)
        assert "> More." in world.agents.sessions[1].prompts[0]
        head = (await world.store.handoff_of("1")).handoff.head_commit
        assert set(world.workspaces.files_of(head)) >= {"first.txt", "second.txt"}


async def test_discard_after_a_handoff_deletes_the_patch(world):
    async with world.running():
        await delivered(world)
        await world.operations.discard("1")
        assert PATCH not in world.workspaces.patches
        with pytest.raises(SymphonyError) as refused:
            await world.operations.discard("1")
        assert str(refused.value) == "Issue 1 has no workspace and no patch."
