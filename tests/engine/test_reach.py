"""How an attempt's agent is given its tools: over HTTP on the host, by a socket in a machine."""

from pathlib import Path

import pytest
import yaml

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


SECRET = "s3cret-of-docs-77"
DOCS = {
    "name": "docs",
    "url": "https://docs.example.com/mcp",
    "headers": {"Authorization": "Bearer ${env:DOCS_TOKEN}"},
}


def servers_world(*servers: dict, **options) -> World:
    front = {"sandbox": "local", "acp": {"adapter": "demo", "mcp_servers": list(servers)}}
    text = f"---\n{yaml.safe_dump(front)}---\nDo it.\n"
    return World(text, environ={"DOCS_TOKEN": SECRET}, **options)


async def test_further_servers_are_offered_after_symphonys_own_with_their_secrets_put_in() -> None:
    world = servers_world(
        DOCS, {"name": "notes", "command": "notes", "env": {"T": "x-$", "U": "$DOCS_TOKEN"}}
    )
    world.driver = MemoryDriver()
    await world.build(until_idle=True)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    own, docs, notes = world.agents.sessions[0].spec.mcp_servers
    assert own.name == "symphony"
    assert (docs.url, docs.headers) == (DOCS["url"], {"Authorization": f"Bearer {SECRET}"})
    assert (notes.command, notes.environment) == ("notes", {"T": "x-$", "U": SECRET})
    assert SECRET not in str((world.run_logs.lines, world.log.lines, world.engine.state))


async def printing(io) -> int:
    await io.write_stdout(f"placeholder-of-{io.argv[-1]}\n".encode())
    return 0


async def test_an_agent_in_a_machine_gets_a_placeholder_and_the_engine_the_secret() -> None:
    world = servers_world(DOCS, driver=MemoryDriver({"printenv": printing}, has_machines=True))
    opened: list = []
    open_sandbox = world.driver.open_sandbox
    world.driver.open_sandbox = lambda spec: opened.append(spec) or open_sandbox(spec)
    await world.build(until_idle=True)
    world.drop("1")
    assert await world.run_until_idle() is Idleness.DONE
    assert opened[0].needs.hosts == ("docs.example.com",)
    assert opened[0].needs.credentials == (
        Credential("SYMPHONY_MCP_DOCS_TOKEN", "DOCS_TOKEN", ("docs.example.com",)),
    )
    docs = world.agents.sessions[0].spec.mcp_servers[1]
    assert docs.headers == {"Authorization": "Bearer placeholder-of-SYMPHONY_MCP_DOCS_TOKEN"}
    assert SECRET not in str((opened, docs, docs.headers, world.run_logs.lines))


async def leaking(io) -> int:
    await io.write_stdout(f"{SECRET}\n".encode())
    return 0


async def silent(_) -> int:
    return 1


@pytest.mark.parametrize("program", [leaking, silent])
async def test_a_machine_without_a_placeholder_gets_no_secret_and_no_session(program) -> None:
    world = servers_world(DOCS, driver=MemoryDriver({"printenv": program}, has_machines=True))
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert (
            "The machine has no placeholder for DOCS_TOKEN, which a header of `acp.mcp_servers` names, so "
            "its server was not offered. Look whether the machine has SYMPHONY_MCP_DOCS_TOKEN, or take the "
            "server out."
        ) in str(world.claim("1"))
    assert world.agents.sessions == []


async def test_a_secret_of_a_program_is_refused_when_the_attempt_turns_out_to_be_in_a_machine() -> None:
    notes = {"name": "notes", "command": "notes", "env": {"TOKEN": "${env:DOCS_TOKEN}"}}
    world = servers_world(notes, driver=MemoryDriver(has_machines=True))
    async with world.running():
        world.drop("1")
        await world.until(lambda: isinstance(world.claim("1"), Retrying))
        assert (
            "`acp.mcp_servers` cannot be used in a machine: found `${env:DOCS_TOKEN}`; in a machine this "
            "program runs beside the agent, which would hold the value"
        ) in str(world.claim("1"))
    assert world.agents.sessions == []
