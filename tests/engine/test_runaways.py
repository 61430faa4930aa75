"""What an issue may cost, held while its agent works; and agents that get nowhere [CONTRACT 2.3, 4.4]."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import (
    AskPermission,
    Fail,
    Hang,
    IgnoreCancel,
    Say,
    Script,
    Spend,
    Turn,
    UseTool,
    Work,
    ask,
    mark_done,
    one_turn,
)
from symphony.core.budget import Ceilings, parse_changes
from symphony.core.claim import Parked, Waiting
from symphony.core.decide import CommandRefused
from symphony.core.idle import Idleness
from symphony.core.permission import PermissionAnswer, Proposal
from symphony.core.usage import Usage
from symphony.workspace.memory import Fault
from tests.support.agent_work import writes

TOKENS = "---\nsandbox: local\nacp: {adapter: demo}\nagent: {budget: {tokens: 1000}}\n---\nGo.\n"
MINUTES = TOKENS.replace("demo", "demo, stall_timeout_ms: 0").replace("tokens: 1000", "minutes: 10")


def spend(tokens):
    return Spend(Usage(input_tokens=tokens))


def raised(**given):
    return parse_changes(given)


def blocked(world):
    return [(view.issue_id, view.code) for view in world.engine.snapshot().blocked]


def prompts(world):
    return [prompt for session in world.agents.sessions for prompt in session.prompts]


def files_on(world, branch):
    """Return what the host's own repository has on a branch."""
    return world.workspaces._history.commits[world.workspaces._branches[branch]].files


def failing_checks(world, *outputs):
    """Let the check fail with these outputs in turn, the last one for ever."""
    left = list(outputs)

    async def sh(io):
        await io.write_stdout((left.pop(0) if len(left) > 1 else left[0]).encode())
        return 1

    world.driver.register("sh", sh)


async def killed(world, run):
    """Kill the daemon, and let its store be found by the next one."""
    store = world.store.crash()
    run.cancel()
    await asyncio.wait({run})
    world.store = store


@pytest.mark.parametrize(
    "last", [Hang(), IgnoreCancel(), Say("talking", 10_000)], ids=["silent", "deaf", "flooding"]
)
async def test_a_turn_that_spends_the_budget_is_ended_in_the_middle_and_its_work_is_kept(world, last):
    world.file.write(TOKENS)
    world.script("1", one_turn(writes(world), spend(1200), last))
    async with world.running():
        world.drop("1")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        assert world.engine.snapshot().blocked[0].reason == (
            "out of budget: 1,200 of 1,000 tokens; `symphony budget 1 --tokens +N` raises it"
        )
        row = (await world.store.attempts_of("1"))[-1]
        assert (row.outcome, row.message) == (
            "out_of_budget",
            "The budget was spent: 1,200 of 1,000 tokens. Its work is kept on the branch agent/1: 1 commit, "
            "with what was not committed.",
        )
        assert files_on(world, "agent/1")["fix.txt"] == b"fixed\n"
        assert (world.record("1").failures, world.workspaces.removed) == (0, [])
        assert [line for line in world.said if "out of budget: 1,200 of 1,000 tokens" in line]


async def test_minutes_run_out_by_the_clock_though_the_agent_says_nothing(world):
    world.file.write(MINUTES)
    world.script("1", one_turn(Hang()))
    async with world.running():
        world.drop("1")
        began = world.clock.now()
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        assert timedelta(minutes=10) <= world.clock.now() - began < timedelta(minutes=11)
        assert 600 <= world.record("1").usage.seconds < 601


async def test_minutes_do_not_run_while_a_person_is_waited_for(world):
    world.file.write(MINUTES)
    world.script("1", Script((Turn((ask("Which?"),)), Turn((mark_done(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Waiting))
        await world.clock.advance(world.clock.now() + timedelta(minutes=50))
        await world.operations.reply("1", "That one.")
        await world.until(lambda: world.state_of("1") == "Done")
        assert world.record("1").usage.seconds < 60


async def test_a_turn_that_waits_for_a_permission_spends_no_minutes(world):
    world.file.write(MINUTES.replace("stall_timeout_ms: 0", "stall_timeout_ms: 0, permission: ask"))
    world.script("1", one_turn(AskPermission(Proposal("rm build", "execute", "rm build", "{}")), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.record("1").claim.permissions)
        await world.clock.advance(world.clock.now() + timedelta(hours=5))
        await world.operations.permit("1", None, PermissionAnswer.ONCE)
        await world.until(lambda: world.state_of("1") == "Done")
    assert world.record("1").usage.seconds < 60


async def test_a_budget_is_counted_over_all_attempts(world):
    world.file.write(TOKENS)
    died = Fail(AgentExited("demo", 1, "killed"))
    world.script("1", one_turn(spend(600), died), one_turn(spend(600), Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        assert world.record("1").usage.tokens == 1200
        assert len(world.agents.sessions) == 2


async def test_what_a_turn_had_spent_is_remembered_though_the_daemon_dies_in_its_middle(world):
    world.file.write(TOKENS)
    world.script("1", one_turn(spend(600), Hang()))
    run = asyncio.create_task((await world.build()).run())
    world.drop("1")
    await world.quiet()
    await world.clock.advance(world.clock.now() + timedelta(minutes=2))
    await world.quiet()
    await killed(world, run)
    await world.build()
    assert world.record("1").usage.tokens == 600
    assert world.record("1").usage.seconds >= 60


async def test_work_that_is_finished_in_the_turn_that_overspends_is_handed_over(world):
    world.file.write(TOKENS)
    world.script("1", one_turn(writes(world), mark_done(), spend(5000), Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.state_of("1") == "Done")
        assert len(world.workspaces.patches) == 1


async def test_work_whose_checks_fail_is_kept_when_nothing_is_left_to_mend_it_with(world):
    world.file.write(TOKENS.replace("agent:", "checks: [{name: lint, run: lint}]\nagent:"))
    failing_checks(world, "too long")
    world.script("1", one_turn(writes(world), spend(1200), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        message = (await world.store.attempts_of("1"))[-1].message
        assert "Its work is kept on the branch agent/1: 1 commit" in message
        assert "> too long" in message
        assert world.state_of("1") == "Todo"


async def test_work_that_cannot_be_brought_home_is_said_to_be_in_the_workspace(world):
    world.file.write(TOKENS)
    world.workspaces.fail(Fault.IMPORT)
    world.script("1", one_turn(writes(world), spend(1200)))
    async with world.running():
        world.drop("1")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        assert (await world.store.attempts_of("1"))[-1].message == (
            "The budget was spent: 1,200 of 1,000 tokens. Its work is in /memory/workspaces/1 alone, and was "
            "not brought onto its branch: The workspace's commits were not imported."
        )
        assert world.workspaces.removed == []


async def test_a_question_of_a_turn_that_overspends_is_still_asked(world):
    world.file.write(TOKENS)
    world.script("1", one_turn(spend(1200), ask("Which?")), one_turn(mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Waiting) and not world.claim("1").attempt)
        await world.operations.reply("1", "That one.")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        await world.operations.set_budget("1", raised(tokens="+500"))
        await world.until(lambda: world.state_of("1") == "Done")
        assert "That one." in world.agents.sessions[1].prompts[0]


async def test_the_agent_is_told_once_what_is_nearly_spent(world):
    world.file.write(TOKENS)
    turns = [Turn((Say("a"), spend(850))), Turn((Say("b"), spend(10))), Turn((Say("c"), Hang()))]
    world.script("1", Script(tuple(turns)))
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(prompts(world)) == 3)
        assert "nearly spent" not in prompts(world)[0]
        assert prompts(world)[1].endswith(
            "The budget of this issue is nearly spent: 850 of 1,000 tokens. When it is, your turn is ended "
            "wherever you are. Finish what matters most, commit it, and call `mark_done`; if more is needed "
            "than is left, say so with `request_human_steering`.\n"
        )
        assert "nearly spent" not in prompts(world)[2]


async def test_a_reply_and_a_new_attempt_tell_it_too(world):
    world.file.write(TOKENS)
    died = Fail(AgentExited("demo", 1, "killed"))
    world.script("1", Script((Turn((spend(900), ask("Which?"))), Turn((died,)))), one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.engine.snapshot().waiting)
        await world.operations.reply("1", "That one.")
        await world.until(lambda: len(prompts(world)) == 3)
        told = ["nearly spent: 900 of 1,000 tokens" in prompt for prompt in prompts(world)]
        assert told == [False, True, True]


async def test_one_command_raises_the_budget_and_the_issue_goes_on_in_its_session(world):
    world.file.write(TOKENS)
    world.script("1", one_turn(spend(1200), Hang()), Script((Turn((mark_done(),)),), resumes=True))
    async with world.running():
        world.drop("1")
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        answer = await world.operations.set_budget("1", raised(tokens="+500"))
        assert answer.sentences() == (
            "Issue 1 has spent 1,200 of 1,700 tokens.",
            "Running: preparing the workspace, turn 0 of 20.",
        )
        await world.until(lambda: world.state_of("1") == "Done")
        assert world.agents.sessions[1].resumed


async def test_a_running_turn_is_held_to_what_a_person_gives_it_meanwhile(world):
    world.file.write(TOKENS)
    more = asyncio.Event()

    async def wait(*_):
        await more.wait()

    world.script("1", one_turn(spend(900), Work(wait), spend(900), Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: prompts(world))
        await world.quiet()
        await world.operations.set_budget("1", raised(tokens=10_000))
        more.set()
        await world.until(lambda: world.record("1").spent.tokens == 1800)
        assert world.engine.snapshot().running[0].issue_id == "1"
        answer = await world.operations.set_budget("1", raised(tokens=1))
        assert answer.sentences()[1] == (
            "Nothing is left: its turn ends now, and its work is kept on its branch."
        )
        await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
        assert world.record("1").usage.tokens == 1800


async def test_ceilings_that_a_person_gave_outlive_the_daemon_until_they_are_taken_back(world):
    world.file.write(TOKENS)
    world.script("1", one_turn(spend(1200), Hang()))
    run = asyncio.create_task((await world.build()).run())
    world.drop("1")
    await world.until(lambda: blocked(world) == [("1", "out_of_budget")])
    await world.operations.pause("1")
    await world.operations.set_budget("1", raised(tokens=5000, usd="2.5"))
    await killed(world, run)
    async with world.running():
        detail = await world.operations.detail("1")
        assert [str(each) for each in detail.budget] == [
            "1,200 of 5,000 tokens",
            "0.00 of 2.50 USD",
            "0.0 minutes",
        ]
        await world.operations.set_budget("1", raised(tokens="default", usd="default"))
        assert [each.ceiling for each in (await world.operations.detail("1")).budget] == [1000, None, None]


@pytest.mark.parametrize(
    ("issue_id", "given", "code", "text"),
    [
        ("9", {"tokens": 5}, "issue_not_found", "There is no issue 9. `symphony status` lists the issues."),
        (
            "1",
            {"usd": "+5"},
            "no_ceiling",
            "Issue 1 has no ceiling of USD to add to. Give the ceiling itself: `symphony budget 1 --usd 5`.",
        ),
        (
            "2",
            {"usd": 5},
            "already_done",
            "Issue 2 is finished, in Done: nothing is spent on it any more. `symphony move 2 STATE` opens it "
            "again.",
        ),
    ],
)
async def test_a_budget_that_does_not_fit_is_refused_in_words(world, issue_id, given, code, text):
    world.script("1", one_turn(Hang()))
    async with world.running():
        world.drop("1")
        world.drop("2", state="Done")
        await world.quiet()
        with pytest.raises(CommandRefused) as refused:
            await world.operations.set_budget(issue_id, raised(**given))
        assert (refused.value.code, str(refused.value)) == (code, text)
        assert world.record("1").budget == Ceilings()


async def test_a_run_until_idle_that_ends_out_of_budget_needs_a_person(world):
    world.file.write(TOKENS)
    await world.build(until_idle=True)
    world.script("1", one_turn(spend(1200), Hang()))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON


@pytest.mark.parametrize(
    "lie",
    [
        Usage(input_tokens=-5000, output_tokens=-5000, cost_usd=-1.0, seconds=-9e9),
        Usage(cost_usd=float("nan")),
        Usage(cost_usd=float("-inf")),
        Usage(cost_usd=float("inf")),
    ],
    ids=["negative", "nan", "minus-infinity", "infinity"],
)
async def test_an_agent_that_lies_lowers_nothing_of_what_was_spent(world, lie):
    told = Usage(input_tokens=600, cost_usd=0.5)
    world.script("1", Script((Turn((Spend(told), Say("a"))), Turn((Spend(lie), Say("b"))), Turn((Hang(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(prompts(world)) == 3)
        spent = world.record("1").spent
        assert (spent.input_tokens, spent.cost_usd) == (600, 0.5)


SILENT = "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_failures: 2}\n---\nGo.\n"


@pytest.mark.parametrize(
    "steps", [(), (UseTool("ls"),), (Say("I go on."),)], ids=["silent", "busy", "saying the same"]
)
async def test_turns_without_any_effect_are_told_so_and_then_fail_the_attempt(world, steps):
    world.file.write(SILENT)
    await world.build(until_idle=True)
    world.script("1", one_turn(*steps))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    first = 3 if steps == (Say("I go on."),) else 2
    assert [len(session.prompts) for session in world.agents.sessions] == [first, first]
    told = world.agents.sessions[0].prompts[-1]
    assert told.startswith(
        "Your last turn changed nothing: no commit, no file, and no word that you had not just said. "
        "Another one like it ends this attempt as failed, so do not do the same again.\n\nThe issue `1` is "
    )
    claim = world.claim("1")
    assert isinstance(claim, Parked)
    reason = "Two turns in a row changed nothing: no commit, no file and no new word of the agent's. "
    assert [each.startswith(reason) for each in claim.reasons] == [True, True]


async def test_a_silent_turn_that_changed_a_file_got_somewhere(world):
    world.file.write(SILENT)
    await world.build(until_idle=True)
    turns = tuple(Turn((writes(world, f"{number}.txt"),)) for number in range(4))
    world.script("1", Script((*turns, Turn((mark_done(),)))))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert len(prompts(world)) == 5


CHECKED = SILENT.replace("agent:", "checks: [{name: lint, run: lint}]\nagent:")


async def test_an_agent_that_says_done_again_with_nothing_changed_is_stopped(world):
    world.file.write(CHECKED)
    await world.build(until_idle=True)
    failing_checks(world, *(f"line 7 is too long; took {second}.5 s" for second in range(6)))
    world.script("1", Script((Turn((writes(world), mark_done())), Turn((mark_done(),)))))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    first = world.agents.sessions[0].prompts
    assert len(first) == 3
    assert first[2].startswith("Your last turn changed nothing")
    assert "line 7 is too long" in first[2]
    assert (
        world.record("1")
        .failure_reasons[0]
        .startswith("mark_done was called again and again; nothing had changed, and the same checks failed.")
    )


async def test_an_attempt_that_fails_as_the_last_one_did_is_told_so(world):
    died = Fail(AgentExited("demo", 1, "segfault in process 4711"))
    again = Fail(AgentExited("demo", 1, "segfault in process 4712"))
    world.script("1", one_turn(died), one_turn(again), one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(prompts(world)) == 3)
        assert "ended in the same way" not in prompts(world)[1]
        assert (
            "The last 2 of them ended in the same way. Do not do the same again: find out first why it "
            "fails, then go another way, or ask a person with `request_human_steering`." in prompts(world)[2]
        )


async def test_attempts_that_change_files_and_fail_the_same_checks_are_failures(world):
    world.file.write(CHECKED.replace("max_failures: 2", "max_turns: 1, max_failures: 2"))
    await world.build(until_idle=True)
    failing_checks(world, "too long")
    scripts = [one_turn(writes(world, f"{number}.txt"), mark_done()) for number in range(3)]
    world.script("1", *scripts)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert len(world.agents.sessions) == 3
    assert isinstance(world.claim("1"), Parked)
