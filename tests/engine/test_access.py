"""What a guest is refused becomes a request, and a person's word reaches its machine."""

import asyncio
from datetime import timedelta

import pytest

from symphony.agent.errors import AgentExited
from symphony.agent.script import Fail, Hang, Work, ask, mark_done, one_turn
from symphony.core.access import AccessDecision
from symphony.core.access_answer import MachineAnswer
from symphony.core.claim import Running
from symphony.core.errors import SymphonyError
from symphony.core.machine import Refusal
from symphony.engine.access import LOOK_EVERY
from symphony.engine.mailbox import MailboxClosed
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.memory import MemoryDriver
from tests.engine.conftest import World

ONCE, ISSUE, WORKFLOW, DENY = AccessDecision
HANGS = one_turn(Hang())


@pytest.fixture
def world() -> World:
    return World(driver=MemoryDriver(has_machines=True))


def machine_of(world, issue_id="3"):
    return next(
        box.machine
        for box in world.driver.sandboxes
        if box.machine and box.machine.name == f"memory-{issue_id}"
    )


def refuse(world, *hosts, issue_id="3"):
    machine_of(world, issue_id).refused += [Refusal(host, 443, world.clock.now()) for host in hosts]


async def runs(world, issue_id="3", script=HANGS):
    """Start an issue whose agent is in a turn."""
    world.script(issue_id, script)
    world.drop(issue_id)
    await world.until(lambda: world.driver.sandboxes and "opening the session" in phases(world, issue_id))


def phases(world, issue_id="3"):
    return [line["phase"] for line in world.run_logs.lines[issue_id] if line["kind"] == "phase"]


def lines(world, issue_id="3"):
    return [line["text"] for line in world.run_logs.lines[issue_id] if line["kind"] == "access"]


def ledger(world, issue_id="3"):
    return world.record(issue_id).access


async def decide(world, host="pypi.org", decision=ISSUE, issue_id="3"):
    """Give a person's word, time passing meanwhile."""
    asked = asyncio.create_task(world.operations.decide_access(issue_id, host, decision))
    await world.until(asked.done)
    return asked.result()


async def refusal_of(world, host="pypi.org", decision=ISSUE, issue_id="3"):
    with pytest.raises(SymphonyError) as refused:
        await decide(world, host, decision, issue_id)
    return refused.value.code, str(refused.value)


async def test_a_refused_connection_is_a_request_on_every_surface_and_stops_nothing(world):
    async with world.running():
        await runs(world)
        began = world.clock.now()
        refuse(world, "pypi.org", "pypi.org", "files.example")
        await world.until(lambda: ledger(world).open)
        assert world.clock.now() - began <= LOOK_EVERY
        snapshot = world.operations.snapshot()
        assert [(view.issue_id, view.request.host, view.request.tries) for view in snapshot.access] == [
            ("3", "pypi.org", 2),
            ("3", "files.example", 1),
        ]
        assert snapshot.counts["access"] == 2
        assert (snapshot.status, snapshot.status_reason) == ("attention", "2 hosts to allow or deny")
        assert (await world.operations.detail("3")).access == ledger(world)
        assert lines(world) == ["pypi.org:443 was refused", "files.example:443 was refused"]
        assert world.said == [
            "3 was refused pypi.org:443, files.example:443  (let it with: symphony access approve 3 HOST)"
        ]
        assert isinstance(world.claim("3"), Running)
        stored = (await world.store.load()).records["3"].access
        assert [request.host for request in stored.open] == ["pypi.org", "files.example"]


async def test_a_host_that_is_tried_again_and_again_has_one_line_and_one_write(world):
    async with world.running():
        await runs(world)
        for _ in range(20):
            refuse(world, *["pypi.org"] * 500)
            await world.clock.advance(world.clock.now() + LOOK_EVERY)
            await world.quiet()
        assert ledger(world).open[0].tries == 10_000
        assert lines(world) == ["pypi.org:443 was refused"]
        assert [line for line in world.log.lines if line[1] == "scheduler.access"] == [
            ("info", "scheduler.access", {"issue": "3", "reason": "pypi.org:443"})
        ]


async def test_a_guest_that_tries_a_hundred_thousand_hosts_fills_neither_log_nor_ledger(world):
    async with world.running():
        await runs(world)
        for look in range(10):
            refuse(world, *(f"h{look}-{number}.example" for number in range(10_000)))
            await world.clock.advance(world.clock.now() + LOOK_EVERY)
            await world.quiet()
        assert (len(ledger(world).requests), ledger(world).not_kept) == (50, 99_950)
        assert len(lines(world)) == 200
        assert len(world.said) == 1
        machine = machine_of(world)
        await world.operations.cancel("3")
        await world.until(lambda: machine not in [box.machine for box in world.driver.sandboxes])
        assert lines(world)[-1] == "99800 more hosts were refused and are not listed"


async def test_what_can_never_be_opened_is_in_the_run_log_and_asks_nobody(world):
    async with world.running():
        await runs(world)
        refuse(world, "169.254.169.254", "\x1b[31mred\nhost")
        await world.until(lambda: ledger(world).never)
        assert (ledger(world).requests, ledger(world).never) == ((), 2)
        assert lines(world) == [
            "169.254.169.254:443 was refused, and is never opened",
            "[31mred host:443 was refused, and is never opened",
        ]
        assert world.operations.snapshot().access == ()
        assert world.said == []


@pytest.mark.parametrize(
    ("decision", "sentence"),
    [
        (ONCE, "Issue 3 may reach pypi.org as long as its machine runs."),
        (ISSUE, "Issue 3 may reach pypi.org in all its attempts."),
        (WORKFLOW, "Every issue may reach pypi.org: WORKFLOW.md says so now."),
    ],
)
async def test_an_approval_opens_the_running_machine_before_it_is_said(world, decision, sentence):
    async with world.running():
        await runs(world)
        refuse(world, "pypi.org")
        await world.until(lambda: ledger(world).open)
        answer = await decide(world, "PyPI.org", decision)
        assert answer.sentences() == (sentence, "The running machine can reach it now.")
        assert "pypi.org" in machine_of(world).reachable
        assert ledger(world).open == ()
        assert world.operations.snapshot().access == ()
        assert lines(world)[-1] == "pypi.org was opened by a person"


async def test_a_denied_host_is_closed_and_not_asked_again(world):
    async with world.running():
        await runs(world)
        await decide(world)
        assert "pypi.org" in machine_of(world).reachable
        answer = await decide(world, decision=DENY)
        assert answer.sentences() == (
            "Issue 3 may not reach pypi.org; you are not asked again.",
            "It had not asked for it.",
            "The running machine is cut off from it.",
        )
        assert "pypi.org" not in machine_of(world).reachable
        refuse(world, "pypi.org")
        await world.until(lambda: ledger(world).requests[0].tries)
        assert world.operations.snapshot().access == ()


async def test_an_approval_holds_for_the_next_attempt_and_once_does_not(world):
    hold = asyncio.Event()
    world.script("3", one_turn(Work(lambda *_: hold.wait()), Fail(AgentExited("demo", 1, "working"))), HANGS)
    async with world.running():
        world.drop("3")
        await world.until(lambda: "opening the session" in phases(world))
        await decide(world, "kept.example", ISSUE)
        await decide(world, "once.example", ONCE)
        hold.set()
        await world.until(lambda: phases(world).count("opening the session") == 2)
        assert "kept.example" in machine_of(world).reachable
        assert "once.example" not in machine_of(world).reachable
        assert [request.host for request in ledger(world).requests] == ["kept.example"]


async def test_an_approval_survives_a_restart_of_the_daemon(world):
    async with world.running():
        await runs(world)
        refuse(world, "asked.example")
        await world.until(lambda: ledger(world).open)
        await decide(world, "kept.example", ISSUE)
        await decide(world, "once.example", ONCE)
    world.store = world.store.crash()
    world.script("3", HANGS)
    async with world.running():
        await world.until(lambda: world.driver.sandboxes)
        assert machine_of(world).reachable >= {"kept.example"}
        assert "once.example" not in machine_of(world).reachable
        assert [view.request.host for view in world.operations.snapshot().access] == ["asked.example"]


async def test_what_was_approved_while_the_machine_is_made_reaches_it(world):
    made = asyncio.Event()
    open_sandbox = world.driver.open_sandbox

    class Slow:
        def __init__(self, spec):
            self.opening = open_sandbox(spec)

        async def __aenter__(self):
            await made.wait()
            return await self.opening.__aenter__()

        async def __aexit__(self, *error):
            return await self.opening.__aexit__(*error)

    world.driver.open_sandbox = Slow
    async with world.running():
        world.script("3", HANGS)
        world.drop("3")
        await world.until(lambda: "starting the sandbox" in phases(world))
        answer = await decide(world)
        assert answer.sentences()[-1] == "Its machine is starting and follows when it is up."
        made.set()
        await world.until(lambda: lines(world))
        assert "pypi.org" in machine_of(world).reachable


async def test_a_name_that_cannot_be_resolved_is_said_and_taken_back(world):
    async with world.running():
        await runs(world)
        refuse(world, "pypi.orgg")
        await world.until(lambda: ledger(world).open)
        machine_of(world).unresolvable.add("pypi.orgg")
        for decision in (ONCE, ISSUE, WORKFLOW):
            assert await refusal_of(world, "pypi.orgg", decision) == (
                "sandbox.host_unresolvable",
                "Issue 3 cannot reach pypi.orgg: The name pypi.orgg cannot be resolved. "
                "The decision is taken back.",
            )
        assert ledger(world).open[0].trouble == "The name pypi.orgg cannot be resolved."
        assert await world.file.allow_host("pypi.orgg", write=False), "it was not written"


async def test_a_machine_that_cannot_open_now_leaves_the_word_for_the_next_one(world):
    async with world.running():
        await runs(world)

        async def fail(host):
            raise SandboxError("It has no list of hosts.", code="sandbox.egress_unavailable")

        machine_of(world).allow = fail
        answer = await decide(world)
        assert answer.sentences()[-1] == "The running machine could not open it: It has no list of hosts."
        assert ledger(world).allowed_hosts == ("pypi.org",)
        assert ledger(world).requests[0].trouble == "It has no list of hosts."
        assert (await refusal_of(world, "once.example", ONCE))[0] == "sandbox.egress_unavailable"


async def test_a_machine_that_does_not_answer_keeps_nobody_waiting_for_ever(world):
    async with world.running():
        await runs(world)

        async def hang(host):
            await asyncio.Event().wait()

        machine_of(world).allow = hang
        answer = await decide(world)
        assert answer.machine is MachineAnswer.SILENT


async def test_the_same_word_twice_says_so(world):
    async with world.running():
        await runs(world)
        await decide(world)
        answer = await decide(world)
        assert answer.sentences() == (
            "Issue 3 may reach pypi.org in all its attempts.",
            "That was decided before.",
            "The running machine can reach it now.",
        )


async def test_a_sandbox_without_a_machine_closes_nothing_and_says_so():
    world = World()
    async with world.running():
        await runs(world)
        answer = await decide(world)
        assert answer.sentences()[-1] == "Its sandbox has no machine of its own and closes nothing."


async def test_an_issue_that_does_not_run_keeps_the_word_for_its_next_attempt(world):
    async with world.running():
        world.drop("3", state="Proposed")
        await world.until(lambda: world.state_of("3"))
        answer = await decide(world)
        assert answer.sentences()[-1] == "No machine runs for it now; its next attempt can reach it."
        assert await refusal_of(world, "pypi.org", ONCE) == (
            "access_no_machine",
            "No machine runs for issue 3, and --once is for one that does. "
            "Leave --once out to open the host to its next attempts.",
        )


async def test_what_cannot_be_decided_says_why_and_changes_nothing(world):
    async with world.running():
        await runs(world)
        assert await refusal_of(world, issue_id="9") == (
            "issue_not_found",
            "There is no issue 9. `symphony status` lists the issues.",
        )
        assert (await refusal_of(world, "https://pypi.org"))[0] == "invalid_host"
        assert await refusal_of(world, "127.0.0.1") == (
            "access_never",
            "127.0.0.1 is never opened: it is a private, local or metadata address. "
            "A guest is let out to public hosts only.",
        )
        world.file.write("---\nagent: {max_turns: 0}\n---\n")
        code, message = await refusal_of(world, decision=WORKFLOW)
        assert code == "workflow_not_editable"
        assert message.startswith("/memory/WORKFLOW.md: the file was left as it is: it is not valid now: ")
        assert message.endswith(
            "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."
        )
        assert ledger(world).requests == ()
        assert machine_of(world).reachable == set()
    for decision in (ISSUE, WORKFLOW):
        with pytest.raises(MailboxClosed) as refused:
            await world.operations.decide_access("3", "pypi.org", decision)
        assert str(refused.value) == "symphony is stopping. Start it again first."


async def test_what_an_agent_is_refused_just_before_it_ends_is_a_request_too(world):
    async def try_and_give_up(sandbox, _):
        sandbox.machine.refused.append(Refusal("pypi.org", 443, world.clock.now()))

    world.script("1", one_turn(Work(try_and_give_up), Fail(AgentExited("demo", 1, "working"))), HANGS)
    world.script("2", one_turn(Work(try_and_give_up), ask("May I?")), HANGS)
    async with world.running():
        world.drop("1")
        world.drop("2")
        await world.until(lambda: ledger(world, "1").open)
        await world.until(lambda: ledger(world, "2").open)


async def test_requests_that_cannot_be_read_are_logged_once_and_the_attempt_goes_on(world):
    async with world.running():
        await runs(world)

        async def fail():
            raise SandboxError("The engine does not answer.", code="sandbox.start_failed")

        machine_of(world).refusals = fail
        for _ in range(5):
            await world.clock.advance(world.clock.now() + LOOK_EVERY + timedelta(seconds=1))
            await world.quiet()
        warnings = [fields for level, event, fields in world.log.lines if event == "access.unreadable"]
        assert warnings == [
            {"issue": "3", "code": "sandbox.start_failed", "reason": "The engine does not answer."}
        ]
        assert isinstance(world.claim("3"), Running)


async def test_the_workflow_opens_the_host_to_the_next_attempt_of_any_issue(world):
    async with world.running():
        await runs(world)
        await decide(world, decision=WORKFLOW)
        await world.quiet()
        assert world.engine.state.workflow.settings.smolvm.egress.allow == ("pypi.org",)
        await runs(world, "4")
        assert ledger(world, "4").requests == ()


async def test_a_finished_issue_needs_nobody_for_its_requests(world):
    async def try_it(sandbox, _):
        sandbox.machine.refused.append(Refusal("pypi.org", 443, world.clock.now()))

    world.script("3", one_turn(Work(try_it), mark_done()))
    async with world.running():
        world.drop("3")
        await world.until(lambda: world.state_of("3") == "Done")
        assert [request.host for request in ledger(world).open] == ["pypi.org"]
        assert world.operations.snapshot().access == ()
