"""How an attempt's agent is given its tools: over HTTP on the host, by a socket in a machine."""

from pathlib import Path

import pytest

from symphony.agent.script import Call, Script, Turn, ask, mark_done, one_turn
from symphony.core.claim import Retrying
from symphony.core.errors import SymphonyError
from symphony.core.idle import Idleness
from symphony.core.machine import Credential, GuestNeeds
from symphony.sandbox.memory import MemoryDriver
from tests.engine.conftest import World

NEEDS = GuestNeeds(
    ("api.example",),
    (Credential("KEY", "KEY", ("api.example",)),),
    {"BASE_URL": "https://api.example/", "SYMPHONY_ISSUE_ID": "never over the issue's own"},
)


@pytest.fixture
def guarded() -> World:
    """A world whose sandboxes have machines."""
    return World(driver=MemoryDriver(has_machines=True))


@pytest.fixture
def specs(guarded: World, monkeypatch: pytest.MonkeyPatch) -> list:
    """What every sandbox was opened with."""
    opened: list = []
    open_sandbox = guarded.driver.open_sandbox

    def note(spec):
        opened.append(spec)
        return open_sandbox(spec)

    monkeypatch.setattr(guarded.driver, "open_sandbox", note)
    return opened


async def test_an_agent_in_a_machine_is_offered_a_stdio_server_and_no_token(guarded: World, specs) -> None:
    await guarded.build(until_idle=True)
    guarded.drop("1")
    assert await guarded.run_until_idle() is Idleness.DONE
    assert guarded.state_of("1") == "Done"
    session = guarded.agents.sessions[0].spec
    (server,) = session.mcp_servers
    assert (server.name, server.url, dict(server.headers)) == ("symphony", None, {})
    assert (server.command, *server.args) == ("mcp", "/sockets/1.sock")
    assert specs[0].mcp_socket == Path("/sockets/1.sock")
    assert "token-1" not in str((specs, session, guarded.run_logs.lines["1"]))
    assert "mcp_connected" in guarded.kinds("1")


async def test_an_agent_on_the_host_is_offered_the_url_with_its_token(world: World) -> None:
    await world.build(until_idle=True)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    (server,) = world.agents.sessions[0].spec.mcp_servers
    assert server.command is None
    assert server.url == "http://symphony.test/api/v1/issues/1/mcp"
    assert server.headers == {"Authorization": "Bearer token-1"}


async def test_without_mcp_there_is_neither(guarded: World, specs) -> None:
    guarded.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nmcp: {enabled: false}\nagent: {max_turns: 1}\n---\n"
    )
    async with guarded.running():
        guarded.drop("1")
        guarded.script("1", one_turn())
        await guarded.until(lambda: guarded.agents.sessions)
    assert guarded.agents.sessions[0].spec.mcp_servers == ()
    assert specs[0].mcp_socket is None


async def test_a_machine_is_opened_with_what_its_agent_and_its_settings_need(guarded: World, specs) -> None:
    guarded.file.write(
        "---\nsandbox: local\nacp: {adapter: demo}\nsmolvm: {cpus: 3, mem_mib: 512}\n---\nDo it.\n"
    )
    guarded.agents.needs = NEEDS
    await guarded.build(until_idle=True)
    guarded.drop("1")
    assert await guarded.run_until_idle() is Idleness.DONE
    spec = specs[0]
    assert (spec.smolvm.cpus, spec.smolvm.mem_mib, spec.needs) == (3, 512, NEEDS)
    assert spec.environment["BASE_URL"] == "https://api.example/"
    assert spec.environment["SYMPHONY_ISSUE_ID"] == "1"


async def test_a_sandbox_without_a_machine_is_not_asked_what_a_guest_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(world.agents, "guest_needs", asked.append)
    await world.build(until_idle=True)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert asked == []


async def test_a_question_and_its_answer_pass_through_the_machine(guarded: World) -> None:
    async with guarded.running():
        guarded.drop("1")
        guarded.script("1", Script((Turn((ask("Red?"),)), Turn((mark_done(),)))))
        await guarded.until(lambda: guarded.said)
        await guarded.operations.reply("1", "Yes.")
        await guarded.until(lambda: guarded.state_of("1") == "Done")
    assert guarded.said[0] == "1 asks: Red?  (answer with: symphony reply 1 TEXT)"
    assert "Yes." in guarded.agents.sessions[0].prompts[1]


async def test_a_socket_that_cannot_be_made_fails_the_attempt_with_its_reason(guarded: World, specs) -> None:
    guarded.gate.fail_next_admit = SymphonyError(
        "No folder can hold the agents' sockets.", code="mcp.no_socket_folder", remedy="Set TMPDIR."
    )
    async with guarded.running():
        guarded.drop("1")
        await guarded.until(lambda: isinstance(guarded.claim("1"), Retrying))
        assert "Set TMPDIR." in str(guarded.claim("1"))
        assert specs == []


async def test_what_an_agent_left_running_is_not_heard_while_its_work_is_imported(guarded: World) -> None:
    heard: list[object] = []
    collect = guarded.workspaces.collect

    async def collecting(workspace, sandbox):
        process = await sandbox.start(sandbox.machine.mcp_command)
        await process.write(b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        heard.append(await process.read_stdout(100))
        return await collect(workspace, sandbox)

    guarded.workspaces.collect = collecting
    await guarded.build(until_idle=True)
    guarded.drop("1")
    guarded.script("1", one_turn(mark_done()))
    assert await guarded.run_until_idle() is Idleness.DONE
    assert heard == [b""]


async def test_the_tools_answer_the_same_words_in_a_machine(guarded: World) -> None:
    await guarded.build(until_idle=True)
    guarded.drop("1")
    guarded.script("1", one_turn(Call("mark_done", {"title": ""}), mark_done("T", "S")))
    assert await guarded.run_until_idle() is Idleness.DONE
    (failed, text), (accepted, _) = guarded.agents.sessions[0].answers
    assert (failed, accepted) == (True, False)
    assert text.startswith("mark_done was not accepted: title is blank")
