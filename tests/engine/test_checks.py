"""The checks after `mark_done`: quick and slow, passing, failing, hanging and cut off [CONTRACT 6.2]."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from symphony.agent.script import Call, Hang, Say, Script, Turn, Work, ask, mark_done, one_turn
from symphony.core.claim import Parked, Phase, Running
from symphony.core.decide import CommandRefused
from symphony.core.event import DrainAsked
from symphony.core.idle import Idleness
from symphony.core.receipt import CheckRun, Receipt
from symphony.engine.conversation import FREE_TURNS
from symphony.engine.reports import ACCEPTED, ANSWER_WITHIN, CHECKS_RUN
from symphony.engine.verifier import MOST_FAILURES, MOST_ROUNDS
from symphony.workspace.errors import WorkspaceError
from tests.support.agent_work import writes

CHECKED = (
    "---\nsandbox: local\nacp: {adapter: demo}\nagent: {max_failures: 1}\n"
    "checks: [{name: tests, run: make test, timeout_ms: 120000}]\n---\nDo it.\n"
)
ONE_TURN = CHECKED.replace("max_failures: 1", "max_failures: 1, max_turns: 1")
FAILED = (
    "Your `mark_done` does not count yet: a check fails.\n\ntests (exit status 1):\n\n> 1 failed\n\n"
    "Correct the cause, commit, and call `mark_done` again.\n"
)


class Checks:
    """The check: each run takes so long and ends so, the last one for ever."""

    def __init__(self, world, *runs):
        self._world = world
        self._runs = list(runs)
        self.saw = []
        world.driver.clock = world.clock
        world.file.write(CHECKED)
        world.driver.register("sh", self._run)

    async def _run(self, io):
        seconds, status, said = self._runs.pop(0) if len(self._runs) > 1 else self._runs[0]
        self.saw.append(dict(self._world.workspaces.files_at(io.cwd)))
        await self._world.clock.sleep_until(self._world.clock.now() + seconds * SECOND)
        await io.write_stdout(said.encode())
        return status


SECOND = ANSWER_WITHIN / ANSWER_WITHIN.total_seconds()
PASS, FAIL = (1, 0, "ok"), (1, 1, "1 failed")
SLOW_PASS, SLOW_FAIL = (90, 0, "ok"), (90, 1, "1 failed")


def session(world):
    return world.agents.sessions[0]


def done(world):
    return world.state_of("1") == "Done" and world.claim("1") is None


async def test_checks_that_pass_quickly_are_answered_for_in_the_call(world):
    checks = Checks(world, PASS)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert session(world).answers == [(False, ACCEPTED)]
    assert [set(files) for files in checks.saw] == [{"README.md", "fix.txt"}]


async def test_a_check_that_fails_quickly_is_the_answer_and_is_mended_in_the_same_turn(world):
    Checks(world, FAIL, PASS)
    world.script("1", one_turn(writes(world), mark_done(), writes(world, "more.txt"), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert session(world).answers == [(True, FAILED.strip()), (False, ACCEPTED)]
    assert len(session(world).prompts) == 1
    (row,) = await world.store.attempts_of("1")
    assert (row.outcome, row.turns) == ("delivered", 1)


async def test_checks_that_take_long_are_answered_for_in_time_and_pass_after_the_turn(world):
    Checks(world, SLOW_PASS)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: session(world).answers if world.agents.sessions else False)
        answered = world.clock.now()
        began = (await world.store.attempts_of("1"))[0].started_at
        await world.until(lambda: done(world))
    assert session(world).answers == [(False, CHECKS_RUN)]
    assert CHECKS_RUN == (
        "Accepted, and the project's checks are running. End your turn now: if one fails, its output is "
        "your next prompt."
    )
    assert answered - began == ANSWER_WITHIN


async def test_a_check_that_fails_late_is_the_next_prompt_free_of_charge(world):
    Checks(world, SLOW_FAIL, PASS)
    world.file.write(ONE_TURN)
    world.script(
        "1", Script((Turn((writes(world), mark_done())), Turn((writes(world, "more"), mark_done()))))
    )
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert session(world).prompts[1] == FAILED
    (row,) = await world.store.attempts_of("1")
    assert (row.outcome, row.turns) == ("delivered", 1)


async def test_a_turn_that_ends_on_a_failed_check_costs_a_turn(world):
    Checks(world, FAIL)
    world.file.write(ONE_TURN)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(world.agents.sessions) == 2)
    row = (await world.store.attempts_of("1"))[0]
    assert (row.outcome, row.turns) == ("turns_exhausted", 1)
    assert "> 1 failed" in row.message


async def test_free_turns_come_to_an_end(world):
    Checks(world, SLOW_FAIL)
    world.file.write(ONE_TURN)
    await world.build(until_idle=True)
    turns = tuple(Turn((writes(world, str(number)), mark_done())) for number in range(FREE_TURNS + 5))
    world.script("1", Script(turns))
    world.drop("1")
    await world.run_until_idle()
    assert len(session(world).prompts) == 1 + FREE_TURNS


async def test_a_mark_done_while_checks_run_joins_them(world):
    checks = Checks(world, (30, 0, "ok"))
    second = []

    async def again(*_):
        answer = asyncio.create_task(session(world)._call("mark_done", mark_done().arguments))
        second.append(answer)

    world.script("1", one_turn(writes(world), Work(again), mark_done("Again")))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert len(checks.saw) == 1
    assert (await second[0], session(world).answers) == ((False, ACCEPTED), [(False, ACCEPTED)])


async def test_an_agent_that_goes_on_calling_in_one_turn_with_nothing_changed_is_stopped(world):
    checks = Checks(world, *((1, 1, f"1 failed in {number}.5 s") for number in range(9)))
    await world.build(until_idle=True)
    world.script("1", one_turn(writes(world), *[mark_done()] * 9))
    world.drop("1")
    assert await world.run_until_idle() is Idleness.NEEDS_A_PERSON
    assert len(checks.saw) == 3
    assert session(world).answers[2][1].endswith("`mark_done` again.\n\nEnd your turn now.")
    assert session(world).answers[3] == (
        True,
        "Checks have failed too often in this turn; none runs in it any more. End your turn now.",
    )
    assert (await world.store.attempts_of("1"))[0].outcome == "no_progress"


async def test_an_agent_that_goes_on_failing_in_one_turn_is_given_the_next_one(world):
    checks = Checks(world, *[FAIL] * MOST_FAILURES, PASS)
    steps = [
        step for number in range(MOST_FAILURES + 2) for step in (writes(world, str(number)), mark_done())
    ]
    world.script("1", Script((Turn(tuple(steps)), Turn((mark_done(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert len(checks.saw) == MOST_FAILURES + 1
    assert len(session(world).prompts) == 2


async def test_a_question_may_follow_a_check_that_failed_in_the_same_turn(world):
    Checks(world, FAIL, PASS)
    world.script("1", Script((Turn((writes(world), mark_done(), ask("How?"))), Turn((mark_done(),)))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.record("1").claim and world.engine.snapshot().waiting)
        await world.operations.reply("1", "So.")
        await world.until(lambda: done(world))
    assert [failed for failed, _ in session(world).answers] == [True, False, False]


async def test_what_an_agent_does_to_its_branch_while_checks_run_is_checked_as_well(world):
    checks = Checks(world, PASS, FAIL, PASS)
    late = Turn((writes(world), mark_done(), writes(world, "late.txt")))
    world.script("1", Script((late, Turn((writes(world, "mended.txt"), mark_done())))))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert ["late.txt" in files for files in checks.saw] == [False, True, True]
    assert session(world).prompts[1] == FAILED
    (row,) = await world.store.recent_handoffs(1)
    assert world.workspaces.files_of(row.handoff.head_commit) == checks.saw[-1]


async def test_a_branch_that_never_rests_is_not_handed_over(world):
    checks = Checks(world, PASS)
    run = checks._run

    async def meddles(io):
        world.workspaces._folders["1"].files[f"{len(checks.saw)}.txt"] = b"junk\n"
        return await run(io)

    world.driver.register("sh", meddles)
    world.script("1", one_turn(writes(world), mark_done()), one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: world.record("1").failure_reasons)
        assert world.record("1").failure_reasons[0] == (
            f"The branch changed {MOST_ROUNDS} times while its checks ran. "
            "Look in the run log for what writes to the workspace; a check must not."
        )
        assert world.workspaces.patches == {}


async def test_a_check_that_hangs_is_ended_at_its_timeout_and_fails(world):
    Checks(world, (100_000, 0, ""), PASS)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert session(world).prompts[1] == (
        "Your `mark_done` does not count yet: a check fails.\n\ntests (was killed at its timeout):\n\n"
        "> (no output)\n\nCorrect the cause, commit, and call `mark_done` again.\n"
    )


async def test_a_person_may_cancel_while_checks_run(world):
    Checks(world, SLOW_PASS)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: running_checks(world))
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        await world.quiet()
        assert world.record("1").completion is None
        assert world.workspaces.patches == {}
        assert world.driver.sandboxes == []


async def test_a_person_may_not_cancel_what_has_passed_its_checks(world):
    Checks(world, PASS)
    hand_off = world.workspaces.hand_off

    async def slow(*arguments):
        await world.clock.sleep_until(world.clock.now() + 60 * SECOND)
        return await hand_off(*arguments)

    world.workspaces.hand_off = slow
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(c := world.claim("1"), Running) and c.phase is Phase.HANDOFF)
        with pytest.raises(CommandRefused) as refused:
            await world.operations.cancel("1")
        assert refused.value.code == "already_done"
        await world.until(lambda: done(world))


async def test_checks_that_a_drain_cuts_off_run_again_after_the_start(world):
    checks = Checks(world, SLOW_PASS)
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: running_checks(world))
        await world.engine.mailbox.put(DrainAsked(now=True))
        await world.until(lambda: world.engine.supervisor.idle)
    assert world.workspaces.patches == {}
    async with world.running():
        await world.until(lambda: done(world))
    assert len(checks.saw) == 2
    assert len(world.agents.sessions) == 1


async def test_checks_that_a_kill_cuts_off_run_again_after_the_start(world):
    checks = Checks(world, SLOW_FAIL)
    world.file.write(CHECKED.replace("max_failures: 1", "max_failures: 2"))
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(writes(world), mark_done()), one_turn(Hang()))
    world.drop("1")
    await world.until(lambda: running_checks(world))
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store = store
    async with world.running():
        await world.until(lambda: len(world.agents.sessions) == 2 and world.agents.sessions[1].prompts)
        assert len(checks.saw) == 2
        assert world.record("1").completion is None
        assert "The check tests failed after mark_done: 1 failed" in world.agents.sessions[1].prompts[0]


async def test_an_agent_that_says_that_it_is_done_while_it_dies_is_checked_all_the_same(world):
    Checks(world, SLOW_PASS)
    world.script("1", one_turn(writes(world), mark_done(), Say("bye"), Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert len(world.workspaces.patches) == 1


async def test_words_that_fail_the_arguments_start_no_check(world):
    checks = Checks(world, PASS)
    world.script("1", one_turn(writes(world), Call("mark_done", {"title": ""}), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
    assert len(checks.saw) == 1


async def test_what_passed_is_a_receipt_of_the_handoff(world):
    Checks(world, (2.5, 0, "ok"))
    world.file.write(CHECKED.replace("checks:", "hooks: {after_run: publish}\nchecks:"))
    receipts = []
    run_hook = world.workspaces.run_hook

    async def reads(name, script, cwd, environment, timeout_ms):
        receipts.append(json.loads(Path(environment["SYMPHONY_RECEIPT_FILE"]).read_text()))
        return await run_hook(name, script, cwd, environment, timeout_ms)

    world.workspaces.run_hook = reads
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
        receipt = (await world.operations.detail("1")).receipt
    (row,) = await world.store.recent_handoffs(1)
    tree = world.workspaces._history.commits[row.handoff.head_commit].tree
    assert receipt == row.handoff.receipt == Receipt(tree, (CheckRun("tests", "make test", 0, 2.5),))
    assert receipts == [json.loads(json.dumps(asdict(receipt)))]


async def test_work_without_checks_has_no_receipt(world):
    world.script("1", one_turn(writes(world), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
        assert (await world.operations.detail("1")).receipt is None


@pytest.mark.parametrize("changed", [False, True], ids=["the same check", "another check"])
async def test_work_that_has_passed_before_a_kill_is_checked_again_only_if_the_checks_are_others(
    world, changed
):
    checks = Checks(world, PASS)
    move = world.workspaces.hand_off

    async def hang(*_):
        await asyncio.Event().wait()

    world.workspaces.hand_off = hang
    engine = await world.build()
    task = asyncio.create_task(engine.run())
    world.script("1", one_turn(writes(world), mark_done()))
    world.drop("1")
    await world.until(lambda: isinstance(c := world.claim("1"), Running) and c.phase is Phase.HANDOFF)
    store = world.store.crash()
    task.cancel()
    await asyncio.wait({task})
    world.store, world.workspaces.hand_off = store, move
    world.issues.edit(world.issues.paths()[0], "back again")
    await world.issues.move("1", "Todo")
    if changed:
        world.file.write(CHECKED.replace("make test", "make all"))
    async with world.running():
        await world.until(lambda: done(world))
    assert len(checks.saw) == 1 + changed
    (row,) = await world.store.recent_handoffs(1)
    assert row.handoff.receipt.checks[0].command == ("make all" if changed else "make test")


THREE = CHECKED.replace(
    "checks: [{name: tests, run: make test, timeout_ms: 120000}]",
    "checks: [{name: a, run: a}, {name: b, run: b}, {name: c, run: c}]",
).replace("max_failures: 1", "max_failures: 3, max_turns: 1")


def failing_by_file(world):
    """Let those of the three checks fail that the file names."""
    world.file.write(THREE)

    async def sh(io):
        name = io.argv[-1].split()[-1]
        return name.encode() in world.workspaces.files_at(io.cwd)["failing"]

    world.driver.register("sh", sh)


def fails(world, names):
    """A step in which the agent commits what these checks fail on."""

    async def action(_, cwd):
        folder = world.workspaces._folders[cwd.name]
        world.workspaces.write(folder.workspace, "failing", names)
        world.workspaces.commit(folder.workspace, "Work")

    return Work(action)


async def test_an_attempt_that_ends_worse_is_followed_by_an_offer_of_the_best_state(world):
    failing_by_file(world)
    world.script(
        "1",
        one_turn(fails(world, b"a"), mark_done()),
        one_turn(fails(world, b"abc"), mark_done()),
        one_turn(Hang()),
    )
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(world.agents.sessions) == 3 and world.agents.sessions[2].prompts)
        detail, explained = await world.operations.detail("1"), await world.operations.explain("1")
    best = detail.best
    good, bad = best.best.commit[:12], best.last.commit[:12]
    assert "The work was better once" not in world.agents.sessions[1].prompts[0]
    assert (
        f"The work was better once: commit {good} of attempt 1, on which 1 of 3 checks fails (a). Checked "
        f"last was commit {bad} of attempt 2, on which 3 of 3 checks fail (a, b, c). `git diff {good}` shows "
        f"what has changed since, and `git checkout {good} -- .` brings its files back."
    ) in world.agents.sessions[2].prompts[0]
    assert explained.next[-1].text == (
        f"It was better once, at commit {best.best}; now it is {best.last}. `git fetch /memory/host.git "
        "refs/symphony/best/1:refs/heads/best/1` gets it"
    )


async def test_work_that_was_never_committed_is_offered_to_a_person(world):
    failing_by_file(world)

    async def leaves(_, cwd):
        world.workspaces._folders[cwd.name].files["failing"] = b"a"

    world.script(
        "1",
        one_turn(Work(leaves), mark_done()),
        one_turn(fails(world, b"abc"), mark_done()),
        one_turn(Hang()),
    )
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(world.agents.sessions) == 3 and world.agents.sessions[2].prompts)
    assert (
        "It was never committed here; a person gets it with `git fetch /memory/host.git "
        "refs/symphony/best/1:refs/heads/best/1`."
    ) in world.agents.sessions[2].prompts[0]


async def test_the_best_state_goes_when_the_issue_is_delivered(world):
    failing_by_file(world)
    world.script("1", one_turn(fails(world, b"a"), mark_done(), fails(world, b""), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
        assert (await world.operations.detail("1")).best is None


async def test_the_best_state_goes_when_the_work_is_discarded(world):
    failing_by_file(world)
    world.file.write(THREE.replace("max_failures: 3", "max_failures: 1"))
    world.script("1", one_turn(fails(world, b"a"), mark_done(), mark_done(), mark_done()), one_turn(Hang()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: len(world.agents.sessions) == 2)
        await world.operations.cancel("1")
        await world.until(lambda: isinstance(world.claim("1"), Parked))
        assert (await world.operations.detail("1")).best is not None
        await world.operations.discard("1")
        assert (await world.operations.detail("1")).best is None


async def test_a_best_state_that_cannot_be_kept_keeps_no_agent_from_going_on(world):
    Checks(world, FAIL, PASS)

    async def broken(*_):
        raise WorkspaceError("git is ill.", code="workspace.git_failed")

    world.workspaces.bests.keep = world.workspaces.bests.of = broken
    world.script("1", one_turn(writes(world), mark_done(), mark_done()))
    async with world.running():
        world.drop("1")
        await world.until(lambda: done(world))
        assert (await world.operations.detail("1")).best is None
    assert "problem" in world.kinds("1")


def running_checks(world):
    claim = world.claim("1")
    return isinstance(claim, Running) and claim.phase is Phase.CHECKS and world.record("1").completion
