"""Agents in memory: scripts are followed to the letter, session after session."""

from pathlib import Path

from symphony.agent.errors import AgentRateLimited
from symphony.agent.memory import MemoryAgents, MemorySession, issue_of
from symphony.agent.script import Call, Fail, Say, Script, Turn, Work, ask, mark_done, one_turn
from symphony.core.agent import McpServer, SessionSpec
from symphony.core.ports import Sandbox, SandboxSpec
from symphony.core.settings import AcpSettings
from symphony.mcp_server.memory import MemoryGate
from symphony.sandbox.memory import MemoryDriver
from tests.agents.harness import Heard, Reports


def spec_for(issue_id: str, *servers: McpServer) -> SessionSpec:
    return SessionSpec(AcpSettings(), Path("/workspaces") / issue_id, servers)


async def speak(agents: MemoryAgents, spec: SessionSpec, turns: int = 1) -> list[str]:
    said = []
    async with (
        MemoryDriver().open_sandbox(SandboxSpec(spec.cwd)) as sandbox,
        agents.open_session(spec, sandbox, Heard()) as session,
    ):
        for _ in range(turns):
            try:
                said.append((await session.prompt("go")).text)
            except AgentRateLimited as limit:
                said.append(f"limited for {limit.retry_after_s}")
    return said


async def test_each_session_follows_its_own_script_and_the_last_one_repeats() -> None:
    agents = MemoryAgents(default=one_turn(Say("default")))
    agents.script("1", one_turn(Fail(AgentRateLimited("It", "slow down", 7))), one_turn(Say("second")))
    said = [await speak(agents, spec_for("1")) for _ in range(3)]
    assert said == [["limited for 7"], ["second"], ["second"]]
    assert await speak(agents, spec_for("2")) == ["default"]
    assert [session.prompts for session in agents.sessions] == [["go"]] * 4
    assert all(session.closed for session in agents.sessions)


async def test_the_last_turn_of_a_script_repeats() -> None:
    agents = MemoryAgents(default=Script((Turn((Say("one"),)), Turn((Say("two"),)))))
    assert await speak(agents, spec_for("1"), turns=3) == ["one", "two", "two"]


async def test_an_agents_own_work_is_done_on_its_sandbox() -> None:
    seen: list[tuple[str, Path]] = []

    async def work(sandbox: Sandbox, cwd: Path) -> None:
        seen.append((sandbox.kind, cwd))

    await speak(MemoryAgents(default=one_turn(Work(work))), spec_for("1"))
    assert seen == [("memory", Path("/workspaces/1"))]


async def test_tools_are_called_through_the_door_and_their_answers_kept() -> None:
    gate, reports = MemoryGate(), Reports()
    agents = MemoryAgents(
        gate, default=one_turn(ask("Which?"), mark_done("T", "S"), Call("mark_done", {"title": ""}))
    )
    async with gate.admit("a b", reports) as access:
        server = McpServer("symphony", url=access.url, headers={"Authorization": f"Bearer {access.token}"})
        await speak(agents, spec_for("folder", server))
    session: MemorySession = agents.sessions[0]
    assert issue_of(session.spec) == "a b"
    assert [failed for failed, _ in session.answers] == [False, False, True]
    assert session.answers[1] == (False, "Accepted.")
    assert reports.said == [("connected", "memory-agent 1"), ("ask", "Which?"), ("mark_done", "T")]
