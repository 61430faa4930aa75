"""One attempt from the dropped file to the patch, over in-memory rooms [DESIGN: one attempt]."""

from datetime import timedelta

from symphony.agent.errors import AgentExited
from symphony.agent.script import (
    Call,
    Fail,
    Hang,
    IgnoreCancel,
    Say,
    Script,
    Spend,
    Turn,
    ask,
    mark_done,
    one_turn,
)
from symphony.core.agent import StopKind
from symphony.core.claim import Parked, Retrying, Waiting
from symphony.core.handoff import Completion
from symphony.core.idle import Idleness
from symphony.core.usage import Usage
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes


async def test_a_dropped_issue_becomes_a_patch_and_a_done_file(world):
    await world.build(until_idle=True)
    world.drop("1", "---\ntitle: Fix it\n---\nPlease.\n")
    world.script("1", one_turn(writes(world), mark_done("Fixed it", "Wrote the file.")))
    assert await world.run_until_idle() is Idleness.DONE
    assert world.state_of("1") == "Done"
    assert list(world.workspaces.patches.values())
    assert world.workspaces.removed == ["1"]
    assert world.said == ["1 is done: " + world.record("1").last_handoff]
    assert world.agents.sessions[0].prompts[0].startswith("Do Fix it.")


async def test_the_run_log_tells_the_whole_story_in_order(world):
    await world.build(until_idle=True)
    world.drop("1")
    world.script("1", one_turn(writes(world), mark_done()))
    await world.run_until_idle()
    kinds = world.kinds("1")
    story = ["phase", "mcp_connected", "mark_done", "handoff", "ended"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in story] == story


async def test_no_token_reaches_the_run_log(world):
    await world.build(until_idle=True)
    world.drop("1")
    await world.run_until_idle()
    assert "token-1" not in str(world.run_logs.lines["1"])


async def test_an_agent_that_changes_nothing_hands_over_nothing_and_says_so(world):
    await world.build(until_idle=True)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert world.workspaces.patches == {}
    assert world.state_of("1") == "Done"


async def test_turns_go_on_until_max_turns_and_then_a_fresh_look(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 3, max_failures: 2}\n---\n"
    )
    await world.build(until_idle=True)
    world.drop("1")
    world.script("1", one_turn(Say("thinking")))
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert [len(session.prompts) for session in world.agents.sessions] == [3, 3]
    claim = world.claim("1")
    assert isinstance(claim, Parked)
    assert claim.reasons == ("3 turns changed nothing",) * 2


async def test_an_attempt_with_progress_is_no_failure(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 1, max_failures: 1}\n---\n"
    )
    await world.build(until_idle=True)
    world.drop("1")
    world.script("1", one_turn(writes(world)), one_turn(writes(world, "b")), one_turn(mark_done()))
    assert await world.run_until_idle() is Idleness.DONE
    assert len(world.agents.sessions) == 3


async def test_a_question_waits_for_its_answer_which_is_the_next_prompt_and_no_turn(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 1}\n---\n")
    async with world.running():
        world.drop("1")
        world.script("1", Script((Turn((ask("Red or blue?", "For the door."),)), Turn((mark_done(),)))))
        await world.until(lambda: isinstance(world.claim("1"), Waiting))
        assert world.said == ["1 asks: Red or blue?  (answer with: symphony reply 1 TEXT)"]
        await world.operations.reply("1", "Blue.")
        await world.until(lambda: world.state_of("1") == "Done")
    reply = world.agents.sessions[0].prompts[1]
    assert "Red or blue?" in reply
    assert "Blue." in reply


async def test_a_reply_while_the_asking_turn_still_runs_is_kept(world):
    async with world.running():
        world.drop("1")
        world.script("1", Script((Turn((ask("Red?"), Hang())), Turn((mark_done(),)))))
        await world.until(lambda: world.said)
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Yes." in world.agents.sessions[0].prompts[1]


async def test_a_session_is_released_after_an_hour_and_the_reply_starts_a_new_one(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(ask("Red?")), one_turn(mark_done()))
        await world.until(lambda: isinstance(world.claim("1"), Waiting) and world.claim("1").attempt is None)
        assert world.agents.sessions[0].closed
        await world.operations.reply("1", "Yes.")
        await world.until(lambda: world.state_of("1") == "Done")
    assert "Yes." in world.agents.sessions[1].prompts[0]


async def test_an_agent_that_hangs_after_mark_done_is_cancelled_and_its_work_delivered(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done(), Hang()))
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    assert world.workspaces.patches


async def test_an_agent_that_dies_after_mark_done_has_its_work_delivered(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done(), Fail(AgentExited("demo", 1, "killed"))))
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.workspaces.patches


async def test_a_second_mark_done_answers_the_same_and_delivers_once(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done("A", "a"), mark_done("B", "b")))
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    first, second = world.agents.sessions[0].answers
    assert first == second
    assert [row.outcome for row in await world.store.attempts_of("1")] == ["delivered"]


async def test_an_agent_that_never_connects_fails_before_its_model_is_asked_anything(world):
    async with world.running():
        world.drop("1")
        world.script("1", Script(connects=False))
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.claim("1").reason == (
            "The agent opened its session but did not connect to symphony's MCP endpoint within 30 s, so it "
            "could not report; nothing was asked of its model. Check that the agent supports MCP, over HTTP "
            "or, in a machine, by a program on stdio, and that mcp.host_url, if it is set, is reachable; or "
            "raise acp.read_timeout_ms."
        )
    assert world.agents.sessions[0].prompts == []
    (row, *_) = await world.store.attempts_of("1")
    assert (row.outcome, row.turns) == ("mcp_not_connected", 0)
    assert (row.ended_at - row.started_at).total_seconds() == 30


async def test_an_agent_that_ends_before_it_has_connected_is_not_waited_for(world):
    async with world.running():
        world.drop("1")
        world.script("1", Script(connects=False, lost=AgentExited("The agent", 5, "connecting to its tools")))
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
    (row, *_) = await world.store.attempts_of("1")
    assert (row.outcome, row.ended_at) == ("agent.exited", row.started_at)


async def test_without_the_endpoint_no_connection_is_waited_for(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nmcp: {enabled: false}\nagent: {max_turns: 1}\n---\n"
    )
    async with world.running():
        world.drop("1")
        world.script("1", Script(connects=False))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)


async def test_an_agent_whose_connection_comes_late_is_waited_for(world):
    async with world.running():
        world.drop("1")
        world.script("1", Script((Turn((mark_done(),)),), connects=False))
        await world.until(lambda: world.agents.sessions)
        (session,) = world.agents.sessions
        await world.clock.advance(world.clock.now() + timedelta(seconds=29))
        assert session.prompts == []
        await session.connect()
        await world.until(lambda: world.state_of("1") == "Done")


async def test_each_bad_end_of_a_turn_is_a_failure_with_a_code(world):
    for number, (stop, code) in enumerate(
        [
            (StopKind.MAX_TOKENS, "agent.max_tokens"),
            (StopKind.REFUSAL, "agent.refused"),
            (StopKind.CANCELLED, "agent.cancelled"),
            (StopKind.MAX_TURN_REQUESTS, "agent.max_turn_requests"),
        ]
    ):
        issue_id = str(number)
        async with world.running():
            world.script(issue_id, one_turn(stop=stop))
            world.drop(issue_id)
            await world.until(lambda issue_id=issue_id: isinstance(world.claim(issue_id), Retrying))
        rows = await world.store.attempts_of(issue_id)
        assert rows[0].outcome == code


async def test_a_failing_agent_is_retried_after_ten_seconds(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(Fail(AgentExited("demo", 1, "no memory"))), one_turn(mark_done()))
        await world.until(lambda: world.state_of("1") == "Done")
    rows = await world.store.attempts_of("1")
    assert [row.outcome for row in rows] == ["agent.exited", "delivered"]
    assert (rows[1].started_at - rows[0].ended_at).total_seconds() == 10


async def test_a_silent_agent_stalls_and_is_retried(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(Hang()), one_turn(mark_done()))
        await world.until(lambda: world.state_of("1") == "Done")
    rows = await world.store.attempts_of("1")
    assert [row.outcome for row in rows] == ["stalled", "delivered"]
    assert (rows[0].ended_at - rows[0].started_at).total_seconds() >= 300


async def test_an_agent_that_ignores_cancel_does_not_hold_the_attempt(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(IgnoreCancel()))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
    assert world.said == []


async def test_a_failing_before_run_fails_the_attempt_with_its_output(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nhooks: {before_run: make env}\n---\n")
    world.workspaces.answer_hook("before_run", 2, "no rule to make env\n")
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert world.claim("1").reason == (
            "The hook before_run exited 2: no rule to make env "
            "Fix the hook in WORKFLOW.md; the issue is tried again."
        )


async def test_after_run_sees_the_delivered_clone_and_its_failure_loses_nothing(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\nhooks: {after_run: publish}\n---\n")
    world.workspaces.answer_hook("after_run", 1, "no network")
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done("Title", "Summary")))
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    run = next(run for run in world.workspaces.hook_runs if run.name == "after_run")
    assert run.environment["SYMPHONY_OUTCOME"] == "delivered"
    assert run.environment["SYMPHONY_TITLE"] == "Title"
    assert run.environment["SYMPHONY_PATCH"].endswith("agent_1.patch")
    assert "problem" in world.kinds("1")
    assert world.workspaces.patches


async def test_failing_checks_take_mark_done_back_and_tell_the_agent(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nchecks: [{name: tests, run: make test}]\n---\n"
    )
    results = [1, 0]

    async def sh(io):
        await io.write_stdout(b"1 failed\n")
        return results.pop(0)

    world.driver.register("sh", sh)
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done()))
        await world.until(lambda: world.state_of("1") == "Done" and world.claim("1") is None)
    assert "1 failed" in world.agents.sessions[0].prompts[1]
    assert len(world.agents.sessions[0].prompts) == 2


async def test_a_failing_handoff_stays_open_and_is_made_good_later(world):
    world.workspaces.fail(Fault.HAND_OFF, times=2)
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), mark_done()))
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert isinstance(world.record("1").completion, Completion)
        assert world.workspaces.removed == []
        await world.until(lambda: world.claim("1") is None and world.record("1").completion is None)
    assert len(world.workspaces.patches) == 1
    assert len(world.agents.sessions) == 1


async def test_an_edit_reaches_the_next_turn(world):
    async with world.running():
        world.drop("1", "first text")
        world.script("1", Script((Turn((Say("a"),)), Turn((Say("b"), mark_done())))))
        session = lambda: world.agents.sessions and world.agents.sessions[0]  # noqa: E731
        world.script("1", Script((Turn((Hang(),)),)))
        await world.until(lambda: session() and session().prompts)
        path = world.issues.paths()[0]
        world.issues.edit(path, "second text")
        world.engine.tracking.notice([path])
        await world.quiet()
        assert world.engine.supervisor.controls["1.1"].edited
        assert world.engine.supervisor.controls["1.1"].issue.description.strip() == "second text"


async def test_a_move_to_done_by_hand_stops_the_run_and_hands_over_what_there_is(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), Hang()))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.quiet()
        await world.operations.move("1", "Done")
        await world.until(lambda: world.claim("1") is None)
        assert world.workspaces.patches
        assert world.workspaces.removed == ["1"]


async def test_a_move_to_a_holding_state_keeps_the_workspace(world):
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), Hang()))
        await world.until(lambda: world.agents.sessions and world.agents.sessions[0].prompts)
        await world.operations.move("1", "Proposed")
        await world.until(lambda: world.claim("1") is None)
        assert world.workspaces.removed == []
        assert world.workspaces.patches == {}


async def test_a_spent_budget_ends_the_attempt_and_says_so(world):
    world.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_turns: 9, budget: {tokens: 100}}\n---\n"
    )
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(writes(world), Spend(Usage(input_tokens=60))))
        await world.until(
            lambda: any(view.code == "out_of_budget" for view in world.engine.snapshot().blocked)
        )
        assert world.engine.snapshot().blocked[0].reason == (
            "out of budget: 120 of 100 tokens; `symphony budget 1 --tokens +N` raises it"
        )
    assert len(world.agents.sessions[0].prompts) == 2


async def test_a_proposed_issue_rests_until_a_person_approves_it(world):
    async with world.running():
        world.drop("1")
        proposal = Call("propose_issue", {"title": "Clean up", "description": "Later."})
        world.script("1", one_turn(proposal, mark_done()))
        await world.until(lambda: world.state_of("1") == "Done")
        assert world.state_of("2") == "Proposed"
        assert world.engine.state.issues.get("2").extra == {"proposed_by": "1"}
        await world.operations.approve("2")
        await world.until(lambda: world.state_of("2") == "Done")


async def test_a_template_error_fails_the_attempt_and_not_the_daemon(world):
    world.file.write("---\nsandbox: local\nacp: {adapter: demo}\n---\n{{ issue.colour }}\n")
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert "issue.colour" in world.claim("1").reason
        world.file.write("---\nsandbox: local\nacp: {adapter: demo}\n---\n{{ issue.title }}\n")
        await world.until(lambda: world.state_of("1") == "Done")
