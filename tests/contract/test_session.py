"""The contract of `Agents` and `Session`, over real programs in a local sandbox and over memory.

[CONTRACT 5]
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from symphony.agent.bounds import Bounds
from symphony.agent.errors import AgentError, AgentExited
from symphony.agent.memory import MemoryAgents
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
    mark_done,
    one_turn,
)
from symphony.core.agent import McpServer, SessionSpec, StopKind
from symphony.core.permission import OnPermission, PermissionAnswer, Proposal
from symphony.core.ports import SandboxSpec, Session
from symphony.core.settings import AcpSettings
from symphony.core.usage import Usage
from symphony.mcp_server.memory import MemoryGate
from symphony.sandbox.memory import MemoryDriver
from tests.agents.harness import BOUND, IMPATIENT, Heard, Reports, open_listener, open_program

Open = Callable[..., AbstractAsyncContextManager[Session]]

SCRIPTS: dict[str, Script] = {
    "plain": one_turn(Say("hello")),
    "tools": one_turn(Say("first"), UseTool("ls"), Say("second")),
    "never_answers": one_turn(Say("thinking"), Hang()),
    "ignores_cancel": one_turn(Say("busy"), IgnoreCancel()),
    "exits_in_turn": one_turn(Say("working"), Fail(AgentExited("The agent", 9, "working on a turn"))),
    "exits_at_once": Script(opening=AgentExited("The agent", 3, "opening its session")),
    "exits_when_ready": Script(lost=AgentExited("The agent", 5, "connecting to its tools")),
    "floods": one_turn(Say("x ", count=10_000)),
    "trivial": one_turn(mark_done("Add trivial.txt", "Wrote it.")),
    "resumes": Script((Turn((Say("I remember"),)),), resumes=True),
    "asks_permission": one_turn(AskPermission(Proposal("rm -rf build", "execute", "rm -rf build"))),
    "stops": Script(),
    "reports_usage": Script(
        (
            Turn((Spend(Usage(100, 10, cost_usd=0.25, context_used=1000, context_size=200_000)),)),
            Turn((Spend(Usage(200, 20, cost_usd=0.25, context_used=2000, context_size=200_000)),)),
            Turn((Spend(Usage(cost_usd=0.25, context_used=3000, context_size=200_000)),)),
        )
    ),
}


@pytest.fixture(params=["acp", "memory"])
def open_session(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Return what opens a session with a named agent, over each driver."""

    @asynccontextmanager
    async def over_memory(
        name: str,
        *arguments: str,
        heard: Heard | None = None,
        servers: tuple[McpServer, ...] = (),
        resume: str | None = None,
        door: MemoryGate | None = None,
        bounds: Bounds | None = None,
        on_permission: OnPermission | None = None,
        **acp: Any,
    ) -> AsyncIterator[Session]:
        script = SCRIPTS[name]
        if arguments:
            script = one_turn(Say(f"stopping: {arguments[0]}"), stop=StopKind(arguments[0]))
        agents = MemoryAgents(door, default=script)
        spec = SessionSpec(AcpSettings.model_validate(acp), tmp_path, servers, resume=resume)
        async with (
            asyncio.timeout(BOUND),
            MemoryDriver().open_sandbox(SandboxSpec(tmp_path)) as sandbox,
            agents.open_session(spec, sandbox, heard or Heard(), on_permission) as session,
        ):
            yield session

    @asynccontextmanager
    async def over_acp(name: str, *arguments: str, door: MemoryGate | None = None, **rest: Any):
        async with open_program(tmp_path, name, *arguments, **rest) as session:
            yield session

    return over_memory if request.param == "memory" else over_acp


async def test_a_turn_ends_with_the_agents_last_words(open_session: Open) -> None:
    async with open_session("plain") as session:
        end = await session.prompt("hi")
    assert session.id
    assert (end.stop, end.text) == (StopKind.END_TURN, "hello")


async def test_a_session_has_as_many_turns_as_there_are_prompts(open_session: Open) -> None:
    async with open_session("plain") as session:
        ends = [await session.prompt(f"turn {number}") for number in range(3)]
    assert [end.text for end in ends] == ["hello"] * 3


async def test_every_frame_is_an_event_and_what_people_read_is_another(open_session: Open) -> None:
    heard = Heard()
    async with open_session("plain", heard=heard) as session:
        await session.prompt("hi")
    sent = [method for method in heard.methods("frame_out") if method != "initialize"]
    assert sent == ["session/new", "session/prompt"]
    assert "session/update" in heard.methods("frame_in")
    assert heard.of("message") == ["hello"]
    assert all(event.frame is not None for event in heard.events if event.kind.startswith("frame"))


@pytest.mark.parametrize("stop", [kind for kind in StopKind if kind is not StopKind.CANCELLED])
async def test_a_turns_end_names_the_agents_own_reason(open_session: Open, stop: StopKind) -> None:
    async with open_session("stops", stop.value) as session:
        end = await session.prompt("hi")
    assert (end.stop, end.text) == (stop, f"stopping: {stop.value}")


async def test_cancel_ends_a_waiting_turn_as_cancelled(open_session: Open) -> None:
    heard = Heard()
    async with open_session("never_answers", heard=heard) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await heard.until("message")
        await session.cancel()
        end = await prompt
        assert end.stop is StopKind.CANCELLED
        assert heard.methods("frame_out")[-1] == "session/cancel"


async def test_cancel_without_a_turn_does_nothing(open_session: Open) -> None:
    async with open_session("plain") as session:
        await session.cancel()
        assert (await session.prompt("hi")).stop is StopKind.END_TURN


async def test_an_agent_that_ignores_cancel_is_killed_and_named(open_session: Open) -> None:
    heard = Heard()
    async with open_session("ignores_cancel", heard=heard, bounds=IMPATIENT) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await heard.until("message")
        await session.cancel()
        with pytest.raises(AgentError) as caught:
            await prompt
        assert caught.value.code == "agent.ignored_cancel"
        with pytest.raises(AgentError):
            await session.prompt("again")


async def test_a_prompt_that_is_cancelled_leaves_a_session_that_can_be_closed(open_session: Open) -> None:
    heard = Heard()
    async with open_session("never_answers", heard=heard) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await heard.until("message")
        prompt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await prompt


async def test_an_agent_that_exits_in_a_turn_fails_it_and_all_later_ones(open_session: Open) -> None:
    async with open_session("exits_in_turn") as session:
        for _ in range(2):
            with pytest.raises(AgentError) as caught:
                await session.prompt("hi")
            assert caught.value.code == "agent.exited"
            assert "exited with status 9 while working on a turn." in caught.value.message


async def test_an_agent_that_exits_at_once_opens_no_session(open_session: Open) -> None:
    with pytest.raises(AgentError) as caught:
        async with open_session("exits_at_once"):
            pytest.fail("it must not open")
    assert caught.value.code == "agent.exited"
    assert "exited with status 3 while opening its session." in caught.value.message


async def test_an_agent_that_exits_once_its_session_is_open_is_known_to_be_lost(open_session: Open) -> None:
    async with open_session("exits_when_ready") as session:
        lost = await session.lost()
    assert lost.code == "agent.exited"
    assert "exited with status 5 while connecting to its tools." in lost.message


async def test_ten_thousand_updates_are_all_heard_in_their_order(open_session: Open) -> None:
    heard = Heard()
    async with open_session("floods", heard=heard) as session:
        end = await session.prompt("hi")
    assert end.stop is StopKind.END_TURN
    assert len(heard.of("message")) == 10_000
    assert len(end.text) <= 8_192


async def test_usage_counts_nothing_twice_and_survives_a_fall(open_session: Open) -> None:
    heard = Heard()
    async with open_session("reports_usage", heard=heard) as session:
        turns = [(await session.prompt("hi")).usage for _ in range(3)]
    assert [(usage.input_tokens, usage.output_tokens) for usage in turns] == [(100, 10), (200, 20), (0, 0)]
    assert [usage.cost_usd for usage in turns] == [0.25, 0.25, 0.25]
    assert [usage.context_used for usage in turns] == [1000, 2000, 3000]
    totals = [event.usage for event in heard.events if event.usage is not None][-1]
    assert (totals.input_tokens, totals.output_tokens, totals.cost_usd) == (300, 30, 0.75)


async def test_a_session_is_resumed_where_the_agent_can(open_session: Open) -> None:
    async with open_session("resumes", resume="old") as session:
        end = await session.prompt("hi")
    assert (session.id, session.resumed, end.text) == ("old", True, "I remember")


async def test_a_new_session_is_opened_where_the_agent_cannot_resume(open_session: Open) -> None:
    async with open_session("plain", resume="old") as session:
        end = await session.prompt("hi")
    assert not session.resumed
    assert session.id != "old"
    assert end.text == "hello"


async def test_an_agent_reports_through_the_endpoint_that_it_was_given(
    open_session: Open, tmp_path: Path
) -> None:
    gate, reports = MemoryGate(), Reports()
    git = await asyncio.create_subprocess_exec("git", "init", "-q", cwd=tmp_path)
    assert await git.wait() == 0
    async with open_listener(gate) as listener, gate.admit("7", reports) as access:
        url = access.url.replace("http://symphony.test", listener.url)
        server = McpServer("symphony", url=url, headers={"Authorization": f"Bearer {access.token}"})
        async with open_session("trivial", servers=(server,), door=gate) as session:
            assert [name for name, _ in reports.said] == ["connected"]
            await session.prompt("hi")
    assert reports.said[1:] == [("mark_done", "Add trivial.txt")]


@pytest.mark.parametrize("answer", list(PermissionAnswer))
async def test_a_turn_waits_for_a_persons_permission_and_goes_on(
    open_session: Open, answer: PermissionAnswer
) -> None:
    asked: list[Proposal] = []

    async def ask(proposal: Proposal) -> PermissionAnswer:
        asked.append(proposal)
        return answer

    heard = Heard()
    async with open_session("asks_permission", heard=heard, permission="ask", on_permission=ask) as session:
        end = await session.prompt("hi")
    assert end.stop is StopKind.END_TURN
    assert [(proposal.title, proposal.kind) for proposal in asked] == [("rm -rf build", "execute")]
    assert heard.of("permission")[-1].endswith("(a person was asked)")


@pytest.mark.parametrize("policy", ["allow", "deny"])
async def test_a_policy_answers_without_a_person(open_session: Open, policy: str) -> None:
    heard = Heard()
    async with open_session("asks_permission", heard=heard, permission=policy) as session:
        end = await session.prompt("hi")
    assert end.stop is StopKind.END_TURN
    assert heard.of("permission")[-1].endswith(f"(acp.permission is {policy})")


async def test_a_cancelled_turn_withdraws_its_request(open_session: Open) -> None:
    asked, withdrawn = asyncio.Event(), asyncio.Event()

    async def ask(_: Proposal) -> PermissionAnswer:
        asked.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            withdrawn.set()

    async with open_session("asks_permission", permission="ask", on_permission=ask) as session:
        prompt = asyncio.create_task(session.prompt("hi"))
        await asked.wait()
        await session.cancel()
        end = await prompt
        await withdrawn.wait()
    assert end.stop in (StopKind.CANCELLED, StopKind.END_TURN)
