"""The workflow's own tools as an attempt offers and runs them [CONTRACT 6.5]."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from symphony.agent.script import Call, Hang, Script, Turn, mark_done, one_turn
from symphony.core.idle import Idleness
from symphony.core.ports import RunResult
from symphony.core.tool import OWN_TOOLS
from symphony.engine.toolbox import AT_ONCE, CALLS
from symphony.host.clock import settle
from tests.engine.conftest import World

TICKET = {
    "name": "ticket",
    "description": "Return a ticket.",
    "input": {
        "properties": {"key": {"type": "string"}, "lines": {"type": "integer", "default": 5}},
        "required": ["key"],
    },
    "argv": ["ticket", "--lines={lines}", "{key}"],
    "timeout_ms": 20_000,
    "output_limit_bytes": 100,
}
SECRET = "s3cret-of-the-host-41"


def workflow(*tools: Mapping[str, Any], **sections: Any) -> str:
    front = {"sandbox": "local", "acp": {"adapter": "demo"}, "tools": list(tools), **sections}
    return f"---\n{yaml.safe_dump(front)}---\nDo it.\n"


@pytest.fixture
def world() -> World:
    return World(workflow(TICKET), environ={"TRACKER_TOKEN": SECRET})


def prints(world: World, stdout: bytes = b"", stderr: bytes = b"", status: int | None = 0) -> list[Any]:
    """Let `ticket` print this; return what it is run with."""
    given: list[Any] = []

    async def ticket(argv: tuple[str, ...], environment: Mapping[str, str]) -> RunResult:
        given.append((argv, dict(environment)))
        return RunResult(status, stdout, stderr)

    world.commands.register("ticket", ticket)
    return given


async def answers_to(world: World, *calls: Call) -> list[tuple[bool, str]]:
    """Return what an agent is answered that makes these calls and is done."""
    await world.build(until_idle=True)
    world.drop("1", "---\ntitle: Say hello\n---\n")
    world.script("1", one_turn(*calls, mark_done()))
    assert await world.run_until_idle() is Idleness.DONE
    return world.agents.sessions[0].answers[:-1]


def logged(world: World) -> list[dict[str, Any]]:
    wanted = ("name", "arguments", "status", "problem", "seconds")
    lines = (line for line in world.run_logs.lines["1"] if line["kind"] == "host_tool")
    return [{name: line[name] for name in wanted} for line in lines]


async def test_a_tool_runs_its_command_and_answers_what_it_printed(world: World) -> None:
    given = prints(world, b"Open: the roof leaks\n")
    answers = await answers_to(world, Call("ticket", {"key": "A 1"}))
    assert answers == [(False, "stdout:\nOpen: the roof leaks")]
    assert [argv for argv, _ in given] == [("ticket", "--lines=5", "A 1")]
    assert logged(world) == [
        {"name": "ticket", "arguments": '{"key": "A 1"}', "status": 0, "problem": "", "seconds": 0.0}
    ]


async def test_a_command_is_told_of_the_issue_and_not_of_the_workspace(world: World) -> None:
    world.file.write(workflow({**TICKET, "env": {"TOKEN": "Bearer ${env:TRACKER_TOKEN}", "MODE": "x"}}))
    given = prints(world)
    await answers_to(world, Call("ticket", {"key": "1"}))
    ((_, environment),) = given
    assert environment["TOKEN"] == f"Bearer {SECRET}"
    assert environment["MODE"] == "x"
    assert sorted(name for name in environment if "LABEL" not in name) == [
        "MODE",
        "SYMPHONY_ATTEMPT",
        "SYMPHONY_BASE",
        "SYMPHONY_BRANCH",
        "SYMPHONY_ISSUE_ID",
        "SYMPHONY_ISSUE_IDENTIFIER",
        "SYMPHONY_ISSUE_STATE",
        "SYMPHONY_ISSUE_TITLE",
        "SYMPHONY_REPO_DIR",
        "SYMPHONY_WORKFLOW",
        "TOKEN",
    ]


async def test_a_secret_that_a_command_prints_or_an_agent_gives_is_shown_nowhere(world: World) -> None:
    world.file.write(workflow({**TICKET, "env": {"TOKEN": "${env:TRACKER_TOKEN}"}, "output_limit_bytes": 60}))
    prints(world, SECRET.encode() + b" " * 9_000 + SECRET.encode() + b"x" * 40, f"no: {SECRET}".encode(), 1)
    answers = await answers_to(world, Call("ticket", {"key": SECRET}))
    assert answers == [
        (
            True,
            "ticket ended with status 1.\n\nstdout, only the last 60 bytes of it:\n"
            f"{' ' * 10}[redacted]{'x' * 40}\n\nstderr:\nno: [redacted]",
        )
    ]
    assert logged(world)[0]["arguments"] == '{"key": "[redacted]"}'
    assert SECRET not in str((world.run_logs.lines, world.log.lines, answers))


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ((b"", b"", 0), (False, "It printed nothing.")),
        ((b"a", b"b", 0), (False, "stdout:\na\n\nstderr:\nb")),
        ((b"", b"no such ticket\n", 4), (True, "ticket ended with status 4.\n\nstderr:\nno such ticket")),
        ((b"\x1b[31ma\x00\xff\n", b"", 0), (False, "stdout:\n[31ma\ufffd")),
        ((b"", b"", -9), (True, "ticket ended with status -9.\n\nIt printed nothing.")),
    ],
)
async def test_the_answer_says_how_it_ended_and_what_it_printed(
    world: World, result: tuple[bytes, bytes, int], said: tuple[bool, str]
) -> None:
    prints(world, *result)
    assert await answers_to(world, Call("ticket", {"key": "1"})) == [said]


async def test_a_long_output_is_cut_to_its_end(world: World) -> None:
    prints(world, b"".join(b"line %d\n" % number for number in range(10_000)))
    ((failed, text),) = await answers_to(world, Call("ticket", {"key": "1"}))
    assert not failed
    assert text.startswith("stdout, only the last 100 bytes of it:\n")
    assert text.endswith("line 9998\nline 9999")
    assert len(text.partition(":\n")[2]) <= 100


async def test_a_command_that_hangs_is_ended_at_its_timeout(world: World) -> None:
    async def hangs(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
        return await asyncio.get_running_loop().create_future()

    world.commands.register("ticket", hangs)
    answers = await answers_to(world, Call("ticket", {"key": "1"}))
    assert answers == [(True, "ticket did not end within 20 s and was ended.\n\nIt printed nothing.")]
    assert world.commands.ended == [("ticket", "--lines=5", "1")]
    assert logged(world) == [
        {
            "name": "ticket",
            "arguments": '{"key": "1"}',
            "status": None,
            "problem": "did not end in time",
            "seconds": 20.0,
        }
    ]


async def test_a_value_that_would_be_an_option_is_refused(world: World) -> None:
    prints(world)
    answers = await answers_to(world, Call("ticket", {"key": "--delete"}))
    said = "ticket was not accepted: key must not begin with `-`. Call it again with this corrected."
    assert answers == [(True, said)]
    assert world.commands.ran == []
    assert logged(world)[0]["problem"] == said.removeprefix("ticket ")


async def test_a_program_that_is_not_there_is_said_to_be_a_persons_to_mend(world: World) -> None:
    answers = await answers_to(world, Call("ticket", {"key": "1"}))
    assert answers == [
        (
            True,
            "ticket could not be started: program not found: 'ticket'. Install it, or correct the command. "
            "Only a person can mend that; go on without it.",
        )
    ]


async def test_an_agent_that_calls_without_end_is_told_to_go_on_without(world: World) -> None:
    given = prints(world)
    answers = await answers_to(world, *[Call("ticket", {"key": "1"})] * (CALLS + 1))
    assert len(given) == CALLS
    assert answers[-1] == (
        True,
        "ticket was not run: you have called the workflow's tools 500 times, which is the most in one "
        "attempt. Go on without them.",
    )


async def test_so_many_run_side_by_side_and_one_more_is_told_to_wait(world: World) -> None:
    release = asyncio.Event()

    async def waits(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
        await release.wait()
        return RunResult(0, b"", b"")

    world.commands.register("ticket", waits)
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(Hang()))
        await world.until(lambda: world.agents.sessions)
        calls = [
            asyncio.create_task(world.gate.call("1", "token-1", "ticket", key=str(number)))
            for number in range(AT_ONCE + 1)
        ]
        await settle()
        said = "ticket was not run: 4 tools run already. Wait for an answer, then call it again."
        assert [call.result().text for call in calls if call.done()] == [said]
        release.set()
        await settle()
        assert [call.result().failed for call in calls] == [False] * AT_ONCE + [True]
        assert not (await world.gate.call("1", "token-1", "ticket", key="again")).failed


async def test_an_attempt_that_is_cancelled_ends_its_commands(world: World) -> None:
    async def hangs(_: tuple[str, ...], __: Mapping[str, str]) -> RunResult:
        return await asyncio.get_running_loop().create_future()

    world.commands.register("ticket", hangs)
    async with world.running():
        world.drop("1")
        world.script("1", one_turn(Hang()))
        await world.until(lambda: world.agents.sessions)
        call = asyncio.create_task(world.gate.call("1", "token-1", "ticket", key="1"))
        await settle()
        assert world.commands.ran
        await world.operations.cancel("1")
        await world.until(call.done)
        assert (call.result().failed, call.result().text) == (True, "The attempt has ended.")
        assert world.commands.ended == [("ticket", "--lines=5", "1")]
    assert logged(world)[0]["problem"] == "was cut off by the end of the attempt"


async def test_after_mark_done_no_tool_runs_any_more(world: World) -> None:
    prints(world)
    await world.build(until_idle=True)
    world.drop("1")
    world.script("1", one_turn(mark_done(), Call("ticket", {"key": "1"})))
    assert await world.run_until_idle() is Idleness.DONE
    assert world.agents.sessions[0].answers[1:] == [(True, "You have called mark_done. End your turn.")]
    assert world.commands.ran == []


STATES = {
    "Todo": {"role": "active"},
    "Review": {"role": "active"},
    "Proposed": {"role": "holding"},
    "Done": {"role": "terminal"},
}


@pytest.mark.parametrize(("state", "offered"), [("Todo", ["both", "early"]), ("Review", ["both"])])
async def test_a_tool_is_offered_in_its_states_alone(state: str, offered: list[str]) -> None:
    both = {"name": "both", "description": "Both.", "argv": ["true"]}
    early = {"name": "early", "description": "Early.", "argv": ["true"], "states": [" todo "]}
    world = World(workflow(both, early, states=STATES))
    async with world.running():
        world.drop("1", state=state)
        world.script("1", one_turn(Hang()))
        await world.until(lambda: world.agents.sessions)
        admission = world.gate._admissions.find("1", "Bearer token-1")
        assert [name for name in admission.desk.tools if name not in OWN_TOOLS] == offered


async def test_a_running_attempt_keeps_the_tools_that_it_began_with(world: World) -> None:
    given = prints(world, b"as it was")
    async with world.running():
        world.drop("1")
        world.script("1", Script((Turn((Hang(),)),)))
        await world.until(lambda: world.agents.sessions)
        world.file.write(workflow({**TICKET, "name": "other", "argv": ["other", "{key}", "{lines}"]}))
        world.drop("2")
        await world.until(lambda: len(world.agents.sessions) == 2)
        assert (await world.gate.call("1", "token-1", "ticket", key="1")).text == "stdout:\nas it was"
        newer = world.gate._admissions.find("2", "Bearer token-2").desk.tools
    assert [argv for argv, _ in given] == [("ticket", "--lines=5", "1")]
    assert [name for name in newer if name not in OWN_TOOLS] == ["other"]
