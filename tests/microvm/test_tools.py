"""Symphony's own tools as an agent in a guest reaches them: the gate's socket, the relay, the kit.

The machine runs under another user than a root daemon; the gate lets it in and answers it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from symphony.core.ports import SandboxSpec
from symphony.mcp_server.gate import Gate
from symphony.mcp_server.socket_folder import SocketFolder
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.sandbox import SmolvmSandbox
from tests.agents.harness import Reports
from tests.support.microvm import BOUND_S, SETTINGS, open_place
from tests.support.sockets import short_folder

pytestmark = [pytest.mark.timeout(420), pytest.mark.asyncio(loop_scope="module")]

HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "guest", "version": "1"}}
DONE = {"name": "mark_done", "arguments": {"title": "T", "summary": "s" * 15_000}}


@dataclass
class Guest:
    """A machine with the gate's socket in it."""

    sandbox: SmolvmSandbox
    reports: Reports

    async def say(self, *messages: dict) -> list[dict]:
        """Return the answers to all that one client says before it closes its half."""
        relay = await self.sandbox.start(self.sandbox.machine.mcp_command)
        try:
            async with asyncio.timeout(BOUND_S):
                for message in messages:
                    await relay.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
                await relay.close_stdin()
                said = b""
                while data := await relay.read_stdout(1 << 16):
                    said += data
                assert await relay.wait() == 0
        finally:
            await relay.kill()
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as folder:
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest(place: Path) -> AsyncIterator[Guest]:
    workspace, reports = place / "workspace", Reports()
    workspace.mkdir()
    with short_folder() as base:
        gate = Gate(lambda: "http://x", sockets=SocketFolder("t", base=base))
        async with gate.admit("12", reports, socket=True) as access:
            labels = {"installation": str(place), "issue": "12", "attempt": "12.1"}
            spec = SandboxSpec(workspace, {}, labels, SETTINGS, mcp_socket=access.socket)
            async with SmolvmDriver(os.environ, place / "kit").open_sandbox(spec) as sandbox:
                yield Guest(sandbox, reports)


async def test_an_agent_in_a_guest_lists_the_tools_and_reports(guest: Guest) -> None:
    hello, tools, done = await guest.say(
        {"id": 1, "method": "initialize", "params": HELLO},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": DONE},
    )
    assert hello["result"]["serverInfo"]["name"] == "symphony"
    assert len(tools["result"]["tools"]) == 3
    assert done["result"]["content"][0]["text"] == "Accepted."
    assert guest.reports.said == [("connected", "guest 1"), ("mark_done", "T")]


async def test_a_line_of_1_mib_passes_and_a_longer_one_is_refused(guest: Guest) -> None:
    pad = "x" * 1_048_000
    (ping,) = await guest.say({"id": 1, "method": "ping", "params": {"_meta": {"pad": pad}}})
    (refused,) = await guest.say({"id": 1, "method": "ping", "params": {"_meta": {"pad": pad * 5}}})
    assert ping == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert refused["error"]["message"] == "The request is larger than 1 MiB."


async def test_the_demo_agent_starts_from_the_kit_on_the_guests_own_python(guest: Guest) -> None:
    agent = await guest.sandbox.start(["python3", "-W", "error", "/run/symphony/demo.pyz"])
    try:
        async with asyncio.timeout(BOUND_S):
            await agent.write(b'{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}\n')
            answer = json.loads(await agent.read_stdout(1 << 16))
    finally:
        await agent.kill()
    assert answer["result"]["agentInfo"]["name"] == "symphony-demo"


async def test_no_guest_can_change_the_kit(guest: Guest) -> None:
    script = "cd /run/symphony && ls && ! touch new && ! rm -f mcp && ! sh -c 'echo x >> end' && test -x mcp"
    result = await guest.sandbox.run(["sh", "-c", script], timeout_s=BOUND_S)
    assert (result.exit_status, result.stdout) == (0, b"demo.pyz\nend\nlaunch\nmcp\n"), result.stderr
