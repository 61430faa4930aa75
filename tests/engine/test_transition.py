"""Issues that agents send from state to state, over in-memory rooms [CONTRACT 2.3, 3.4, 6.4]."""

import pytest

from symphony.agent.script import Call, Hang, Say, Script, Turn, Work, ask, mark_done, one_turn
from symphony.core.claim import Parked, Waiting
from symphony.core.idle import Idleness
from symphony.core.outcome import StopReason
from tests.support.agent_work import writes

WORKFLOW = """---
sandbox: local
acp: {adapter: demo, stall_timeout_ms: 0}
agent: {max_transitions: %d}
states:
  Backlog: {role: holding}
  Todo: {role: active, allowed_transitions: [Review, Backlog]}
  Review: {role: active, adapter: codex, model: small, max_turns: 3, allowed_transitions: [Todo, Done]}
  Done: {role: terminal}
  Cancelled: {role: terminal}
---
{%% if issue.state == "Review" %%}Review {{ issue.title }}.{%% else %%}Do {{ issue.title }}.{%% endif %%}

{{ issue.description }}
"""
TEXT = "---\ntitle: Fix it\n---\nPlease.\n"


def transition(to_state, notes=None):
    """The step that sends the issue on."""
    return Call("transition", {"to_state": to_state} | ({} if notes is None else {"notes": notes}))


def text_of(world):
    """The issue's file as it is now."""
    (path,) = world.issues.paths()
    return world.issues.read(path).decode()


@pytest.fixture
async def staged(world):
    """A world whose workflow has an implementer in Todo and a reviewer in Review."""
    world.file.write(WORKFLOW % 10)
    await world.build(until_idle=True)
    return world


async def test_an_issue_goes_from_one_agent_to_the_other_and_is_done(staged):
    world = staged
    world.drop("1", TEXT)
    world.script(
        "1",
        one_turn(writes(world), transition("Review", "Wrote it.\n\nLook at the edge.")),
        one_turn(mark_done("Fix it", "Looks good.")),
    )
    assert await world.run_until_idle() is Idleness.DONE
    first, second = world.agents.sessions
    assert (first.spec.acp.adapter, first.spec.acp.model) == ("demo", None)
    assert (second.spec.acp.adapter, second.spec.acp.model) == ("codex", "small")
    assert second.spec.cwd == first.spec.cwd
    assert first.answers == [(False, "Accepted. End your turn now; nothing more is needed.")]
    assert world.state_of("1") == "Done"
    assert text_of(world) == (
        "---\ntitle: Fix it\n---\nPlease.\n\n"
        "**Todo → Review**, by attempt 1 (demo):\n\n> Wrote it.\n>\n> Look at the edge.\n"
    )
    assert len(world.workspaces.patches) == 1
    assert [row.outcome for row in await world.store.attempts_of("1")] == ["transitioned", "delivered"]


async def test_the_next_agent_is_told_who_handed_over_and_why_by_its_own_branch_of_the_prompt(staged):
    world = staged
    world.drop("1", TEXT)
    world.script(
        "1", one_turn(writes(world), transition("Review", "Look at the edge.")), one_turn(mark_done())
    )
    await world.run_until_idle()
    prompt = world.agents.sessions[1].prompts[0]
    assert prompt.startswith(
        "Review Fix it.\n\nPlease.\n\n**Todo → Review**, by attempt 1 (demo):\n\n> Look at"
    )
    assert (
        "- Attempt 1 ended after 1 turn (transitioned): "
        "attempt 1 (demo) moved it from Todo to Review: Look at the edge."
    ) in prompt


async def test_a_transition_without_notes_leaves_the_authors_bytes_alone(staged):
    world = staged
    world.drop("1", TEXT)
    world.script("1", one_turn(writes(world), transition("review")), one_turn(mark_done()))
    await world.run_until_idle()
    assert text_of(world) == TEXT


async def test_work_that_was_not_committed_is_imported_before_the_hand_over_and_stays(staged):
    world = staged
    world.drop("1", TEXT)
    seen = []

    async def look(_, cwd):
        seen.append(dict(world.workspaces._folders[cwd.name].files))

    world.script("1", one_turn(writes(world), transition("Review")), one_turn(Work(look), mark_done()))
    await world.run_until_idle()
    assert seen[0]["fix.txt"] == b"fixed\n"
    assert world.workspaces.removed == ["1"]
    assert "uncommitted_work_saved" in world.kinds("1")


@pytest.mark.parametrize(
    ("steps", "answer"),
    [
        (
            (transition("Done"),),
            "You may not move the issue to 'Done', only to: Backlog, Review.",
        ),
        (
            (transition("Todo"),),
            "You may not move the issue to 'Todo', only to: Backlog, Review.",
        ),
        (
            (transition("Review", "a"), transition("Review", "b")),
            "You have sent the issue to Review already. End your turn.",
        ),
        (
            (transition("Review"), transition("Backlog")),
            "You have sent the issue to Review already. End your turn.",
        ),
        ((transition("Review"), ask("Red?")), "You have called transition. End your turn."),
        (
            (ask("Red?"), transition("Review")),
            "Your question is still open. End your turn and wait for the answer.",
        ),
    ],
)
async def test_what_does_not_fit_is_a_tool_error_that_says_what_does(staged, steps, answer):
    world = staged
    world.drop("1", TEXT)
    world.script("1", one_turn(*steps))
    async with world.running():
        await world.until(
            lambda: world.agents.sessions and len(world.agents.sessions[0].answers) == len(steps)
        )
    assert world.agents.sessions[0].answers[-1] == (True, answer)


async def test_a_repeat_answers_the_same_and_moves_once(staged):
    world = staged
    world.drop("1", TEXT)
    again = transition("Review", "Once.")
    world.script("1", one_turn(writes(world), again, again), one_turn(mark_done()))
    await world.run_until_idle()
    first, second = world.agents.sessions[0].answers
    assert first == second == (False, "Accepted. End your turn now; nothing more is needed.")
    assert text_of(world).count("> Once.") == 1


async def test_mark_done_is_not_offered_where_the_finished_state_is_not_allowed(staged):
    world = staged
    world.drop("1", TEXT)
    world.script("1", one_turn(mark_done()), one_turn(mark_done()))
    async with world.running():
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].answers)
        failed, _ = world.agents.sessions[0].answers[0]
    assert failed
    assert world.state_of("1") == "Todo"


async def test_without_states_there_is_no_transition(world):
    await world.build(until_idle=True)
    world.drop("1", TEXT)
    world.script("1", one_turn(transition("Done"), mark_done()))
    await world.run_until_idle()
    assert world.agents.sessions[0].answers[0][0]
    assert world.state_of("1") == "Done"


async def test_a_transition_to_a_terminal_state_hands_over_as_mark_done_does(staged):
    world = staged
    world.drop("1", TEXT, state="Review")
    world.script("1", one_turn(writes(world), transition("Done", "All good.")))
    assert await world.run_until_idle() is Idleness.DONE
    assert world.state_of("1") == "Done"
    assert len(world.workspaces.patches) == 1
    assert "> All good." in text_of(world)
    assert [row.outcome for row in await world.store.attempts_of("1")] == ["delivered"]


async def test_an_issue_that_is_sent_to_a_holding_state_rests_and_says_why(staged):
    world = staged
    world.drop("1", TEXT)
    world.script("1", one_turn(writes(world), transition("Backlog", "Nobody knows the rate.")))
    assert await world.run_until_idle() is Idleness.DONE
    assert world.state_of("1") == "Backlog"
    assert world.workspaces.removed == []
    assert (await world.operations.detail("1")).standing == (
        "Held: Backlog is no active state; "
        "attempt 1 (demo) moved it from Todo to Backlog: Nobody knows the rate."
    )


async def test_agents_that_send_an_issue_back_and_forth_are_held_until_a_person_acts(world):
    world.file.write(WORKFLOW % 4)
    await world.build(until_idle=True)
    world.drop("1", TEXT)
    rounds = [one_turn(transition("Review")), one_turn(transition("Todo"))]
    world.script("1", *rounds, *rounds, *rounds)
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert len(world.agents.sessions) == 4
    assert (await world.operations.detail("1")).standing == (
        "Not running: its agents have moved it 4 times (agent.max_transitions) and it is not done; "
        "`symphony retry 1` or an edit of the file lets them go on. "
        "Last: attempt 4 (codex) moved it from Review to Todo."
    )
    world.script("1", one_turn(transition("Review")), one_turn(mark_done()))
    async with world.running():
        await world.operations.retry("1")
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.record("1").passage.count == 0


async def test_an_edit_lets_agents_go_on_that_had_moved_an_issue_too_often(world):
    world.file.write(WORKFLOW % 2)
    async with world.running():
        world.drop("1", TEXT)
        world.script("1", one_turn(transition("Review")), one_turn(transition("Todo")), one_turn(Say("hm")))
        await world.until(lambda: world.record("1").passage.count == 2 and world.claim("1") is None)
        world.drop("1", f"{TEXT}\nUse the old rate.\n")
        await world.until(lambda: len(world.agents.sessions) == 3)
    assert world.record("1").passage.count == 0


async def test_every_state_has_slots_of_its_own(world):
    world.file.write((WORKFLOW % 10).replace("max_turns: 3", "max_turns: 3, max_concurrent: 1"))
    async with world.running():
        for name in "12":
            world.drop(name, TEXT)
            world.script(name, one_turn(transition("Review")), one_turn(Hang()))
        await world.until(lambda: [world.state_of(name) for name in "12"] == ["Review", "Review"])
        await world.quiet()
        (running,) = world.engine.snapshot().running
        assert (running.state, running.adapter) == ("Review", "codex")
        (blocked,) = world.engine.snapshot().blocked
        assert (blocked.code, blocked.reason) == ("no_slot", "the only slot is taken by issues in Review")


async def test_checks_of_the_state_run_before_a_transition_counts(world):
    text = (
        (WORKFLOW % 10)
        .replace("Backlog], ", "")
        .replace(
            "allowed_transitions: [Review, Backlog]",
            "allowed_transitions: [Review], checks: [{name: tests, run: test}]",
        )
    )
    world.file.write(text)
    await world.build(until_idle=True)
    results = [1, 0]

    async def check(io):
        await io.write_stdout(b"one failed")
        return results.pop(0) if results else 0

    world.driver.register("sh", check)
    world.drop("1", TEXT)
    world.script(
        "1",
        Script(
            (Turn((writes(world), transition("Review"))), Turn((writes(world, "b"), transition("Review"))))
        ),
        one_turn(mark_done()),
    )
    assert await world.run_until_idle() is Idleness.DONE
    assert "Your `transition` does not count yet: a check fails." in str(
        [world.agents.sessions[0].prompts, world.agents.sessions[0].answers]
    )


async def test_a_person_who_moves_the_issue_meanwhile_has_the_last_word(staged):
    world = staged
    async with world.running():
        world.drop("1", TEXT)
        moved = []

        async def person(*_):
            if not moved:
                moved.append(world.issues.move_file(world.issues.paths()[0], "Cancelled"))
                await world.engine.tracking.scan()

        world.script("1", one_turn(writes(world), transition("Review", "Look."), Work(person)))
        await world.until(lambda: world.record("1").last_handoff)
    assert world.state_of("1") == "Cancelled"
    assert len(world.workspaces.patches) == 1


async def test_a_cancelled_issue_is_not_worked_on_in_the_state_that_it_was_sent_to(staged):
    world = staged
    async with world.running():
        world.drop("1", TEXT)
        world.script("1", one_turn(writes(world), Hang()))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
    assert world.state_of("1") == "Todo"


async def test_after_a_crash_the_transition_is_made_once_and_the_other_agent_begins_anew(staged):
    world = staged
    async with world.running():
        world.drop("1", TEXT)
        world.issues.fail_next("move", OSError("the disk is full"))
        world.script("1", one_turn(writes(world), transition("Review", "Look.")), one_turn(mark_done()))
        await world.until(
            lambda: world.record("1").completion is not None and world.record("1").failures == 1
        )
        assert (await world.operations.detail("1")).standing.startswith(
            "On its way to Review, which is not finished: "
        )
    world.store = world.store.crash()
    assert await world.run_until_idle() is Idleness.DONE
    assert text_of(world).count("> Look.") == 1
    assert world.state_of("1") == "Done"
    assert [session.resumed for session in world.agents.sessions] == [False, False]
    assert [session.spec.resume for session in world.agents.sessions] == [None, None]


async def test_a_session_is_not_resumed_by_the_agent_of_another_state(world):
    world.file.write((WORKFLOW % 10).replace("adapter: codex, model: small", "adapter: demo"))
    async with world.running():
        world.drop("1", TEXT)
        world.script("1", Script((Turn((Hang(),)),), resumes=True))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
    assert (await world.store.attempts_of("1"))[0].outcome == StopReason.DRAINED.value
    world.issues.move_file(world.issues.paths()[0], "Review")
    world.store = world.store.crash()
    async with world.running():
        await world.until(lambda: len(world.agents.sessions) == 2)
    assert world.agents.sessions[1].spec.resume is None


async def test_a_state_that_is_gone_from_the_workflow_takes_the_agents_word_back(staged):
    world = staged
    async with world.running():
        world.drop("1", TEXT)
        edited = []

        async def person(*_):
            if not edited:
                edited.append(True)
                text = (WORKFLOW % 10).replace("Review", "Check")
                world.file.write(text)
                await world.operations.refresh()

        world.script("1", one_turn(writes(world), transition("Review", "Look."), Work(person)))
        await world.until(lambda: world.record("1").failures)
        reasons = world.record("1").failure_reasons
    assert world.record("1").completion is None
    assert reasons[0].startswith("The issue cannot go to Review: ")
    assert world.state_of("1") == "Todo"


async def test_a_reply_that_nobody_has_used_goes_to_the_agent_that_takes_over(staged):
    world = staged
    async with world.running():
        world.drop("1", TEXT)
        world.script(
            "1",
            Script((Turn((ask("Red?"),)), Turn((writes(world), transition("Review"))))),
            one_turn(mark_done()),
        )
        await world.until(lambda: isinstance(world.claim("1"), Waiting))
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Yes." in world.agents.sessions[1].prompts[0]
