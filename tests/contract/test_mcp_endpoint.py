"""The MCP endpoint [CONTRACT 6.1-6.4]: one suite over HTTP and over a socket, for the gate over the
SDK and the one for tests.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from symphony.core.operations import DoorReply
from symphony.core.ports import SandboxSpec
from symphony.core.report import ReportRefused
from symphony.core.settings import ToolSettings
from symphony.core.states import StateRole
from symphony.core.tool import Tool
from symphony.core.transition import Exits, Target
from symphony.mcp_server.arguments import BadArguments
from symphony.mcp_server.door import Refused
from symphony.mcp_server.gate import Gate
from symphony.mcp_server.line import IN_FLIGHT_LIMIT
from symphony.mcp_server.memory import MemoryGate
from symphony.mcp_server.socket_folder import SocketFolder
from symphony.sandbox.memory import MemoryDriver
from tests.support.reports import QuietReports
from tests.support.sockets import short_folder

BOUND = 20.0  # far above what any of this takes
MIB = 1_048_576
ISSUE = "ä b/c"


class Spoilt(Exception):
    """A defect behind a tool."""


@dataclass
class Reports(QuietReports):
    """The engine's side, which remembers what it was told and can be made to refuse or to wait."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    failure: Exception | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False
    exits: Exits = Exits()
    cancelled: int = 0
    tools: Sequence[Tool] = ()
    done: asyncio.Event = field(default_factory=asyncio.Event)

    async def connected(self, client: str) -> None:
        self.told.append(("connected", client))

    async def mark_done(self, title: str, summary: str) -> str:
        return await self._take("Accepted.", "mark_done", title, summary)

    async def transition(self, to_state: str, notes: str | None) -> str:
        return await self._take("Accepted.", "transition", to_state, notes)

    async def request_human_steering(self, question: str, context: str | None) -> str:
        return await self._take("Asked.", "request_human_steering", question, context)

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        return await self._take("Proposed.", "propose_issue", title, description, tuple(labels), priority)

    async def use_tool(self, name: str, arguments: Mapping[str, Any]) -> str:
        return await self._take(f"{name} ran.", name, dict(arguments))

    async def _take(self, answer: str, *told: Any) -> str:
        self.began.set()
        if self.failure is not None:
            raise self.failure
        if self.holds:
            try:
                await self.release.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        self.told.append(told)
        self.done.set()
        return f"{answer} {told[1]}" if answer == "Accepted." else answer

    @property
    def calls(self) -> list[tuple[Any, ...]]:
        return [told for told in self.told if told[0] != "connected"]


@dataclass
class Agent:
    """One dispatch's agent, over HTTP as the listener sees it or over its socket."""

    gate: Gate | MemoryGate
    token: str
    url: str
    reports: Reports
    issue_id: str = ISSUE
    socket: Path | None = None

    async def post(self, body: bytes) -> DoorReply:
        async with asyncio.timeout(BOUND):
            if self.socket is None:
                return await self.gate.post(self.issue_id, f"Bearer {self.token}", body)
            said = await (over_unix if isinstance(self.gate, Gate) else over_memory)(self, body + b"\n")
        return DoorReply(200, said[:-1]) if said else DoorReply(202)

    async def send(self, method: str, params: Any = None, **envelope: Any) -> Any:
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}, **envelope}
        reply = await self.post(json.dumps(message).encode())
        assert reply.status == 200, reply
        return json.loads(reply.body)

    async def tell(self, method: str, params: Any = None) -> DoorReply:
        return await self.post(
            json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}).encode()
        )

    async def initialize(self, version: str = "2025-11-25", name: str = "claude-code") -> Any:
        client = {"name": name, "version": "2.1"}
        answer = await self.send(
            "initialize", {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
        )
        assert await self.tell("notifications/initialized") == DoorReply(202, b"")
        return answer["result"]

    async def call(self, tool: str, /, **arguments: Any) -> tuple[str, bool]:
        return read(await self.send("tools/call", {"name": tool, "arguments": arguments}))


async def over_unix(agent: Agent, said: bytes) -> bytes:
    """Return what comes back on a connection of its own, whose half is closed after what is said."""
    reader, writer = await asyncio.open_unix_connection(agent.socket)
    writer.write(said)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def over_memory(agent: Agent, said: bytes) -> bytes:
    """Return what the relay of a memory sandbox answers."""
    driver = MemoryDriver({"mcp": agent.gate.relay}, has_machines=True)
    async with driver.open_sandbox(SandboxSpec(Path("/w"), mcp_socket=agent.socket)) as sandbox:
        process = await sandbox.start(sandbox.machine.mcp_command)
        await process.write(said)
        await process.close_stdin()
        answer = b""
        while data := await process.read_stdout(1 << 16):
            answer += data
        return answer


@asynccontextmanager
async def admitted(gate: Gate | MemoryGate, transport: str, reports: Reports) -> AsyncIterator[Agent]:
    """Admit an agent that has not said anything yet."""
    async with gate.admit(ISSUE, reports, socket=transport == "socket") as access:
        yield Agent(gate, access.token, access.url, reports, socket=access.socket)


def read(answer: Any) -> tuple[str, bool]:
    result = answer["result"]
    assert [each["type"] for each in result["content"]] == ["text"]
    return result["content"][0]["text"], result["isError"]


def error_of(reply: DoorReply) -> tuple[int, str, str]:
    error = json.loads(reply.body)["error"]
    return reply.status, error["code"], error["message"]


def real_gate(sockets: SocketFolder | None = None, **bounds: float) -> Gate:
    return Gate(lambda: "http://127.0.0.1:4711", sockets=sockets, **bounds)


@pytest.fixture
def sockets() -> Iterator[SocketFolder]:
    with short_folder() as base:
        yield SocketFolder("test", base=base)


@pytest.fixture(params=["http", "socket"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


over_http = pytest.mark.parametrize("transport", ["http"], indirect=True)


@pytest.fixture(params=["sdk", "memory"])
def gate(request: pytest.FixtureRequest, sockets: SocketFolder) -> Gate | MemoryGate:
    return real_gate(sockets) if request.param == "sdk" else MemoryGate("http://127.0.0.1:4711")


@pytest.fixture
async def agent(gate: Gate | MemoryGate, transport: str) -> AsyncIterator[Agent]:
    async with admitted(gate, transport, Reports()) as agent:
        await agent.initialize()
        yield agent


@pytest.fixture
async def sdk_agent(sockets: SocketFolder, transport: str) -> AsyncIterator[Agent]:
    async with admitted(real_gate(sockets), transport, Reports()) as agent:
        await agent.initialize()
        yield agent


UNAUTHORIZED = (401, "unauthorized", "This endpoint needs the bearer token that symphony gave to the agent.")
NOT_FOUND = (404, "not_found", "No agent is running on this issue with this token.")


class TestTheDoor:
    """What only HTTP has: tokens and statuses."""

    @pytest.fixture
    def transport(self) -> str:
        return "http"

    @pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer  ", "Basic abc", "abc"])
    async def test_no_bearer_token_is_401(self, agent: Agent, authorization: str | None) -> None:
        assert error_of(await agent.gate.post(ISSUE, authorization, b"{}")) == UNAUTHORIZED

    @pytest.mark.parametrize("token", ["wrong", "ü\udcff", "x" * 10_000])
    async def test_a_wrong_token_is_404(self, agent: Agent, token: str) -> None:
        assert error_of(await agent.gate.post(ISSUE, f"Bearer {token}", b"{}")) == NOT_FOUND

    async def test_an_issue_without_an_agent_is_the_same_404(self, agent: Agent) -> None:
        assert error_of(await agent.gate.post("other", f"Bearer {agent.token}", b"{}")) == NOT_FOUND

    async def test_a_token_of_another_issue_is_the_same_404(self, agent: Agent) -> None:
        async with agent.gate.admit("other", Reports()) as access:
            assert access.token != agent.token
            assert error_of(await agent.gate.post(ISSUE, f"Bearer {access.token}", b"{}")) == NOT_FOUND

    async def test_the_token_is_good_until_the_context_is_left(self, gate: Gate | MemoryGate) -> None:
        async with gate.admit(ISSUE, Reports()) as access:
            agent = Agent(gate, access.token, access.url, Reports())
            assert (await agent.send("ping"))["result"] == {}
        assert error_of(await agent.post(b"{}")) == NOT_FOUND

    async def test_a_newer_dispatch_shuts_an_older_one_out_and_outlives_it(
        self, gate: Gate | MemoryGate
    ) -> None:
        older = gate.admit(ISSUE, Reports())
        old = await older.__aenter__()
        async with gate.admit(ISSUE, Reports()) as access:
            assert error_of(await gate.post(ISSUE, f"Bearer {old.token}", b"{}")) == NOT_FOUND
            await older.__aexit__(None, None, None)
            agent = Agent(gate, access.token, access.url, Reports())
            assert (await agent.send("ping"))["result"] == {}

    async def test_the_scheme_is_read_without_case(self, agent: Agent) -> None:
        assert (await agent.gate.post(ISSUE, f"bearer  {agent.token} ", b'{"result": 1}')).status == 202

    async def test_a_body_over_1_mib_is_413_and_one_of_1_mib_is_read(self, agent: Agent) -> None:
        ping = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
        assert (await agent.post(ping.ljust(MIB))).status == 200
        too_large = (413, "body_too_large", "The request is larger than 1 MiB.")
        assert error_of(await agent.post(ping.ljust(MIB + 1))) == too_large

    async def test_who_is_not_admitted_learns_nothing_about_the_body(self, agent: Agent) -> None:
        for body in (b"{", b" " * (MIB + 1)):
            assert error_of(await agent.gate.post(ISSUE, None, body)) == UNAUTHORIZED
            assert error_of(await agent.gate.post(ISSUE, "Bearer wrong", body)) == NOT_FOUND

    @pytest.mark.parametrize(
        "body",
        [b"", b"{", b'{"a": NaN}', b"\xff", b"[" * 100_000, b"1" * 5_000, '{"a": "ü"}'.encode("latin-1")],
    )
    async def test_what_is_not_json_is_400(self, agent: Agent, body: bytes) -> None:
        refused = (400, "invalid_json", "The request body is not JSON.")
        assert error_of(await agent.post(body)) == refused

    async def test_a_batch_is_400(self, agent: Agent) -> None:
        batch = (
            400,
            "batch_not_supported",
            "JSON-RPC batches are not accepted: send one message per request.",
        )
        assert error_of(await agent.post(b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]')) == batch

    @pytest.mark.parametrize(
        "message",
        [
            None,
            "ping",
            {},
            {"method": "ping", "id": 1},
            {"jsonrpc": "1.0", "method": "ping", "id": 1},
            {"jsonrpc": "2.0", "method": "ping", "id": None},
            {"jsonrpc": "2.0", "method": "ping", "id": True},
            {"jsonrpc": "2.0", "method": "ping", "id": 1.5},
            {"jsonrpc": "2.0", "method": 7, "id": 1},
            {"jsonrpc": "2.0", "method": "ping", "id": 1, "params": [1]},
            {"jsonrpc": "2.0", "method": "ping", "params": [1]},
        ],
    )
    async def test_json_that_is_no_json_rpc_message_is_400(self, agent: Agent, message: Any) -> None:
        refused = (400, "invalid_request", "The request body is not a JSON-RPC message.")
        assert error_of(await agent.post(json.dumps(message).encode())) == refused

    async def test_a_notification_is_202_without_a_body(self, agent: Agent) -> None:
        assert await agent.tell("notifications/progress", {"progressToken": 1, "progress": 1}) == DoorReply(
            202
        )
        assert await agent.tell("notifications/of_the_future") == DoorReply(202)

    async def test_an_answer_to_nothing_is_202(self, agent: Agent) -> None:
        assert await agent.post(b'{"jsonrpc": "2.0", "id": 9, "result": {}}') == DoorReply(202)

    async def test_an_unknown_method_is_a_json_rpc_error(self, agent: Agent) -> None:
        assert (await agent.send("resources/list"))["error"]["code"] == -32601

    async def test_the_url_holds_the_issue_id_as_one_segment(self, agent: Agent) -> None:
        assert agent.url == "http://127.0.0.1:4711/api/v1/issues/%C3%A4%20b%2Fc/mcp"

    async def test_the_token_is_not_in_the_access_as_printed(self, gate: Gate | MemoryGate) -> None:
        async with gate.admit(ISSUE, Reports()) as access:
            assert access.token not in repr(access)


class TestTheProtocol:
    @pytest.mark.parametrize("version", ["2025-06-18", "2025-11-25"])
    async def test_a_client_gets_the_version_it_asks_for(
        self, gate: Gate | MemoryGate, transport: str, version: str
    ) -> None:
        async with admitted(gate, transport, Reports()) as agent:
            result = await agent.initialize(version)
            assert result["protocolVersion"] == version
            assert result["serverInfo"]["name"] == "symphony"
            assert "mark_done" in result["instructions"]

    async def test_request_ids_come_back_as_they_were(self, agent: Agent) -> None:
        for given in (0, 7, "7", "", "ü\ud800", 2**40):
            assert (await agent.send("ping", id=given))["id"] == given

    async def test_listing_the_tools_tells_the_engine_who_is_there(self, agent: Agent) -> None:
        listed = (await agent.send("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["mark_done", "request_human_steering", "propose_issue"]
        assert agent.reports.told == [("connected", "claude-code 2.1")]

    async def test_every_tool_and_argument_is_described_and_no_other_is_allowed(self, agent: Agent) -> None:
        for tool in (await agent.send("tools/list"))["result"]["tools"]:
            schema = tool["inputSchema"]
            assert len(tool["description"]) > 100
            assert schema["additionalProperties"] is False
            assert set(schema["required"]) <= set(schema["properties"])
            assert all(argument["description"] for argument in schema["properties"].values())

    async def test_a_call_without_a_listing_tells_the_engine_too(self, agent: Agent) -> None:
        await agent.call("mark_done", title="t", summary="s")
        assert agent.reports.told == [("connected", "claude-code 2.1"), ("mark_done", "t", "s")]

    async def test_an_unknown_tool_is_a_protocol_error_that_names_the_tools(self, agent: Agent) -> None:
        answer = await agent.send("tools/call", {"name": "finish\x1b", "arguments": {}})
        assert answer["error"] == {
            "code": -32602,
            "message": "There is no tool 'finish'. "
            "The tools are mark_done, request_human_steering, propose_issue.",
        }


def declared(name: str = "ticket", **properties: Any) -> Tool:
    """Return a tool of the workflow's with these arguments, as an attempt offers it."""
    settings = ToolSettings.model_validate(
        {
            "name": name,
            "description": "Return a ticket.",
            "argv": ["true"],
            "input": {"properties": properties, "required": list(properties)[:1]},
        }
    )
    return Tool(name, settings.description, settings.schema_of_input())


KEY = {"type": "string", "pattern": "^[A-Z]+-[0-9]+$", "description": "The ticket's key."}


class TestTheWorkflowsTools:
    """What a workflow declares is offered beside symphony's own tools, per dispatch."""

    @asynccontextmanager
    async def offering(
        self, gate: Gate | MemoryGate, transport: str, *tools: Tool, **reports: Any
    ) -> AsyncIterator[Agent]:
        async with admitted(gate, transport, Reports(tools=tools, **reports)) as agent:
            await agent.initialize()
            yield agent

    async def test_they_are_listed_after_symphonys_own_with_their_schema(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        lines = {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}
        labels = {"type": "array", "items": {"type": "string"}}
        tool = declared(key=KEY, lines=lines, labels=labels)
        async with self.offering(gate, transport, tool) as agent:
            listed = (await agent.send("tools/list"))["result"]["tools"]
        assert [each["name"] for each in listed][-2:] == ["propose_issue", "ticket"]
        assert listed[-1]["description"] == "Return a ticket."
        assert listed[-1]["inputSchema"] == {
            "type": "object",
            "properties": {
                "key": {**KEY, "maxLength": 20_000},
                "lines": lines,
                "labels": {
                    "type": "array",
                    "items": {"type": "string", "maxLength": 20_000},
                    "maxItems": 100,
                },
            },
            "required": ["key"],
            "additionalProperties": False,
        }

    async def test_a_dispatch_is_offered_its_own_and_no_other(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        async with self.offering(gate, transport, declared("one")) as first:
            assert (await first.call("one"))[0] == "one ran."
            async with gate.admit("other", Reports(tools=(declared("two"),))) as access:
                other = Agent(gate, access.token, access.url, first.reports, issue_id="other")
                await other.initialize()
                answer = await other.send("tools/call", {"name": "one", "arguments": {}})
        assert answer["error"]["message"] == (
            "There is no tool 'one'. The tools are mark_done, request_human_steering, propose_issue, two."
        )

    async def test_a_call_is_passed_on_with_its_arguments_as_they_are(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        async with self.offering(gate, transport, declared(text={"type": "string"})) as agent:
            assert await agent.call("ticket", text=" -x\n\x1b\u2028ü ") == ("ticket ran.", False)
        assert agent.reports.calls == [("ticket", {"text": " -x\n\x1b\u2028ü "})]

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({}, "key is missing"),
            ({"key": 7}, "key must be a string"),
            ({"key": None}, "key must be a string"),
            ({"key": "a-1"}, "key must match ^[A-Z]+-[0-9]+$"),
            ({"key": "A" * 20_000 + "-1"}, "key has 20,002 characters, at most 20,000 are accepted"),
            (
                {"key": "A-1", "kind": 1},
                "there is no argument 'kind', the arguments are: key, count, size, deep, labels",
            ),
            ({"key": "A-1", "k\x1b[2J" * 900: 1}, "there is no argument 'k[2Jk[2Jk"),
            ({"key": "A-1", "count": True}, "count must be a whole number"),
            ({"key": "A-1", "count": 1.5}, "count must be a whole number"),
            ({"key": "A-1", "count": 0}, "count must be 1 or more"),
            ({"key": "A-1", "count": 10**30}, "count must be 9 or less"),
            ({"key": "A-1", "size": "XL"}, "size must be one of S, M"),
            ({"key": "A-1", "deep": {"a": {"b": []}}}, "deep must be true or false"),
            ({"key": "A-1", "labels": [["x"]]}, "labels[0] must be a string"),
            ({"key": "A-1", "labels": ["x"] * 101}, "labels has 101 entries, at most 100 are accepted"),
        ],
    )
    async def test_wrong_arguments_are_tool_errors_that_say_what_to_fix(
        self, gate: Gate | MemoryGate, transport: str, arguments: dict[str, Any], said: str
    ) -> None:
        tool = declared(
            key=KEY,
            count={"type": "integer", "minimum": 1, "maximum": 9},
            size={"type": "string", "enum": ["S", "M"]},
            deep={"type": "boolean"},
            labels={"type": "array", "items": {"type": "string"}},
        )
        async with self.offering(gate, transport, tool) as agent:
            answer, failed = await agent.call("ticket", **arguments)
        assert failed
        assert answer.startswith(f"ticket was not accepted: {said}")
        assert answer.endswith(". Call it again with this corrected.")
        assert len(answer) < 400
        assert agent.reports.calls == []

    async def test_all_that_is_wrong_is_said_at_once(self, gate: Gate | MemoryGate, transport: str) -> None:
        tool = declared(key=KEY, count={"type": "integer"})
        async with self.offering(gate, transport, tool) as agent:
            answer = await agent.call("ticket", count="many")
        assert answer == (
            "ticket was not accepted: count must be a whole number; key is missing. "
            "Call it again with this corrected.",
            True,
        )

    async def test_a_pattern_that_explodes_elsewhere_takes_no_time_here(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        tool = declared(key={"type": "string", "pattern": "^(a|aa)+(a+)+$"})
        async with self.offering(gate, transport, tool) as agent:
            answer, failed = await agent.call("ticket", key="a" * 19_000 + "!")
        assert (answer.startswith("ticket was not accepted: key must match"), failed) == (True, True)

    async def test_arguments_that_are_nested_without_end_are_refused(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        async with self.offering(gate, transport, declared(key=KEY)) as agent:
            nested = "[" * 900 + "]" * 900
            call = '{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ticket", '
            reply = await agent.post(f'{call}"arguments": {{"key": {nested}}}}}}}'.encode())
        assert "must be a string" in read(json.loads(reply.body))[0]

    async def test_a_refusal_is_a_tool_error_with_its_words(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        refusal = ReportRefused("ticket ended with status 2.")
        async with self.offering(gate, transport, declared(), failure=refusal) as agent:
            assert await agent.call("ticket") == ("ticket ended with status 2.", True)

    async def test_a_call_is_ended_with_its_dispatch(self, sockets: SocketFolder, transport: str) -> None:
        reports = Reports(tools=(declared(),), holds=True)
        async with admitted(real_gate(sockets, grace_s=0.0), transport, reports) as agent:
            await agent.initialize()
            call = asyncio.create_task(agent.post(called("ticket")))
            await reports.began.wait()
        await asyncio.gather(call, return_exceptions=True)
        assert reports.cancelled == 1

    async def test_one_that_takes_too_long_is_answered_within_the_bound(
        self, sockets: SocketFolder, transport: str
    ) -> None:
        reports = Reports(tools=(declared(),), holds=True)
        async with admitted(real_gate(sockets, report_bound_s=0.01), transport, reports) as agent:
            await agent.initialize()
            assert await agent.call("ticket") == (
                "symphony did not finish ticket within 0.01 s and may still accept it. "
                "Its command may still run: do not call it again at once.",
                True,
            )


def called(tool: str) -> bytes:
    """Return a call as it travels."""
    params = {"name": tool, "arguments": {}}
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()


TO_REVIEW = Target("Review", StateRole.ACTIVE, "codex")
TO_BACKLOG = Target("Backlog", StateRole.HOLDING)
TO_DONE = Target("Done", StateRole.TERMINAL)


class TestTheTransition:
    """What an agent of a workflow with `states` sees, which may pass its issue on and not finish it."""

    EXITS = Exits((TO_REVIEW, TO_BACKLOG), finishes=False)

    @pytest.fixture
    async def agent(self, gate: Gate | MemoryGate, transport: str) -> AsyncIterator[Agent]:
        async with admitted(gate, transport, Reports(exits=self.EXITS)) as agent:
            await agent.initialize()
            yield agent

    async def test_it_is_listed_with_the_states_that_it_takes(self, agent: Agent) -> None:
        listed = (await agent.send("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in listed] == ["request_human_steering", "propose_issue", "transition"]
        assert listed[-1]["description"].endswith(
            " The states: Review (its agent works on: codex); Backlog (it rests until a person moves it)."
        )
        schema = listed[-1]["inputSchema"]
        assert schema["properties"]["to_state"]["enum"] == ["Review", "Backlog"]
        assert schema["properties"]["notes"]["maxLength"] == 8_000
        assert schema["required"] == ["to_state"]

    async def test_mark_done_stands_beside_it_where_it_is_allowed(
        self, gate: Gate | MemoryGate, transport: str
    ) -> None:
        async with admitted(gate, transport, Reports(exits=Exits((TO_REVIEW, TO_DONE)))) as agent:
            instructions = (await agent.initialize())["instructions"]
            listed = (await agent.send("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in listed] == [
            "mark_done",
            "request_human_steering",
            "propose_issue",
            "transition",
        ]
        assert listed[-1]["description"].endswith("; Done (it is finished).")
        assert instructions.endswith(
            " Call mark_done when the issue is finished, transition when another state has to take over, "
            "or request_human_steering when only a person can decide."
        )

    @pytest.mark.parametrize(
        ("notes", "passed_on"),
        [({"notes": " a\n\x1bb\n"}, "a\nb"), ({}, None), ({"notes": None}, None), ({"notes": " \n"}, None)],
        ids=["text", "absent", "null", "blank"],
    )
    async def test_it_is_passed_on_and_answered(
        self, agent: Agent, notes: dict[str, Any], passed_on: str | None
    ) -> None:
        assert await agent.call("transition", to_state=" Review ", **notes) == ("Accepted. Review", False)
        assert agent.reports.calls == [("transition", "Review", passed_on)]

    async def test_a_state_that_the_engine_refuses_is_a_tool_error_in_its_words(self, agent: Agent) -> None:
        agent.reports.failure = ReportRefused(
            "You may not move the issue to 'Nowhere', only to: Review, Backlog."
        )
        assert await agent.call("transition", to_state="Nowhere") == (
            "You may not move the issue to 'Nowhere', only to: Review, Backlog.",
            True,
        )

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({}, "to_state is missing, name the state that the issue goes to"),
            ({"to_state": " "}, "to_state is blank, name the state that the issue goes to"),
            ({"to_state": 1}, "to_state must be a string, not a number"),
            ({"to_state": "Review\nDone"}, "to_state has 2 lines, put it on one line"),
            ({"to_state": "Review", "notes": ["a"]}, "notes must be a string, not an array"),
            ({"to_state": "Review", "notes": "n" * 8_001},
             "notes has 8,001 characters, at most 8,000 are accepted, shorten it"),
            ({"state": "Review"},
             "there is no argument 'state', transition takes to_state and notes; "
             "to_state is missing, name the state that the issue goes to"),
        ],
    )  # fmt: skip
    async def test_it_says_what_to_fix(self, agent: Agent, arguments: Any, problem: str) -> None:
        expected = f"transition was not accepted: {problem}. Call it again with this corrected."
        assert await agent.call("transition", **arguments) == (expected, True)
        assert agent.reports.calls == []

    async def test_mark_done_is_no_tool_where_it_would_finish_nothing(self, agent: Agent) -> None:
        call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
        assert (await agent.send("tools/call", call))["error"] == {
            "code": -32602,
            "message": "There is no tool 'mark_done'. "
            "The tools are request_human_steering, propose_issue, transition.",
        }


class TestTheTools:
    async def test_mark_done_is_passed_on_and_answered(self, agent: Agent) -> None:
        assert await agent.call("mark_done", title=" Fix it ", summary="a\nb\n") == (
            "Accepted. Fix it",
            False,
        )
        assert agent.reports.calls == [("mark_done", "Fix it", "a\nb")]

    async def test_a_long_title_is_accepted_with_advice(self, agent: Agent) -> None:
        answer, failed = await agent.call("mark_done", title="t" * 73, summary="s")
        assert not failed
        assert answer.endswith(" The title has 73 characters; 72 or fewer are shown whole everywhere.")
        assert await agent.call("mark_done", title="t" * 72, summary="s") == (f"Accepted. {'t' * 72}", False)

    async def test_what_could_move_a_cursor_or_break_storage_is_taken_out(self, agent: Agent) -> None:
        await agent.call("mark_done", title="a\x1b[2Jb\u202e", summary="c\x00\r\nd\ud800")
        assert agent.reports.calls == [("mark_done", "a[2Jb", "c\nd\ufffd")]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({}, "title is missing, give one line that says what was done; "
                 "summary is missing, say what changed, why, and how it was verified"),
            ({"title": " \t", "summary": "s"}, "title is blank, give one line that says what was done"),
            ({"title": "\u200b", "summary": "s"}, "title is blank, give one line that says what was done"),
            ({"title": "a\nb", "summary": "s"}, "title has 2 lines, put it on one line"),
            ({"title": "a\r\nb\u2028c", "summary": "s"}, "title has 3 lines, put it on one line"),
            ({"title": "t" * 201, "summary": "s"},
             "title has 201 characters, at most 200 are accepted, shorten it"),
            ({"title": 7, "summary": "s"}, "title must be a string, not a number"),
            ({"title": None, "summary": "s"}, "title must be a string, not null"),
            ({"title": ["t"], "summary": {}},
             "title must be a string, not an array; summary must be a string, not an object"),
            ({"title": "t", "summary": True}, "summary must be a string, not a boolean"),
            ({"title": "t", "summary": "\n\n"},
             "summary is blank, say what changed, why, and how it was verified"),
            ({"title": "t", "summary": "s" * 20_001},
             "summary has 20,001 characters, at most 20,000 are accepted, shorten it"),
            ({"title": "t", "sumary": "s"},
             "there is no argument 'sumary', mark_done takes title and summary; "
             "summary is missing, say what changed, why, and how it was verified"),
        ],
    )  # fmt: skip
    async def test_mark_done_says_what_to_fix(self, agent: Agent, arguments: Any, problem: str) -> None:
        answer = await agent.call("mark_done", **arguments)
        expected = f"mark_done was not accepted: {problem}. Call it again with this corrected."
        assert answer == (expected, True)
        assert agent.reports.calls == []

    @pytest.mark.parametrize(
        ("context", "passed_on"), [("c\n", "c"), (None, None), ("  ", None)], ids=["text", "null", "blank"]
    )
    async def test_a_question_is_passed_on(self, agent: Agent, context: Any, passed_on: Any) -> None:
        assert await agent.call("request_human_steering", question="a?\nb?", context=context) == (
            "Asked.",
            False,
        )
        assert agent.reports.calls == [("request_human_steering", "a?\nb?", passed_on)]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({}, "question is missing, ask what you need to know"),
            ({"question": ""}, "question is blank, ask what you need to know"),
            ({"question": "q", "context": 1}, "context must be a string, not a number"),
            ({"question": "q", "context": "c" * 20_001},
             "context has 20,001 characters, at most 20,000 are accepted, shorten it"),
        ],
    )  # fmt: skip
    async def test_a_question_says_what_to_fix(self, agent: Agent, arguments: Any, problem: str) -> None:
        answer = await agent.call("request_human_steering", **arguments)
        expected = f"request_human_steering was not accepted: {problem}. Call it again with this corrected."
        assert answer == (expected, True)

    async def test_a_proposal_is_passed_on(self, agent: Agent) -> None:
        proposal = {"title": "t", "description": "d", "labels": ["Bug ", "bug", "a b"], "priority": 2}
        assert await agent.call("propose_issue", **proposal) == ("Proposed.", False)
        assert await agent.call("propose_issue", title="u") == ("Proposed.", False)
        assert agent.reports.calls == [
            ("propose_issue", "t", "d", ("bug", "a b"), 2),
            ("propose_issue", "u", None, (), None),
        ]

    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({}, "title is missing, give one line that names the issue"),
            ({"title": "t", "labels": "bug"}, "labels must be an array of strings, not a string"),
            ({"title": "t", "labels": [1]}, "every entry of labels must be a string, not a number"),
            ({"title": "t", "labels": [" "]}, "every entry of labels must have 1 to 50 characters"),
            ({"title": "t", "labels": ["l" * 51]}, "every entry of labels must have 1 to 50 characters"),
            ({"title": "t", "labels": ["l"] * 21}, "labels has 21 entries, at most 20 are accepted"),
            ({"title": "t", "priority": "1"}, "priority must be a whole number, not a string"),
            ({"title": "t", "priority": True}, "priority must be a whole number, not a boolean"),
            ({"title": "t", "priority": 1.5}, "priority must be a whole number, not a number"),
            ({"title": "t", "priority": -1}, "priority must be from 0 to 1000"),
        ],
    )  # fmt: skip
    async def test_a_proposal_says_what_to_fix(self, agent: Agent, arguments: Any, problem: str) -> None:
        answer = await agent.call("propose_issue", **arguments)
        expected = f"propose_issue was not accepted: {problem}. Call it again with this corrected."
        assert answer == (expected, True)

    async def test_a_refusal_of_the_engine_is_a_tool_error_in_its_words(self, agent: Agent) -> None:
        agent.reports.failure = ReportRefused("A question is open already.", remedy="End your turn.")
        answer = await agent.call("request_human_steering", question="q")
        assert answer == ("A question is open already. End your turn.", True)

    @pytest.mark.parametrize(
        "failure", [Spoilt("/home/secret"), TimeoutError("secret"), asyncio.CancelledError()], ids=repr
    )
    async def test_a_defect_is_a_tool_error_without_its_details(
        self, agent: Agent, failure: Exception
    ) -> None:
        agent.reports.failure = failure
        text, failed = await agent.call("mark_done", title="t", summary="s")
        assert failed
        assert text in {
            "mark_done failed inside symphony. Call it again; if it fails again, say so in your last message "
            "and end your turn.",
            "The attempt has ended.",
        }

    async def test_the_engine_may_fail_to_hear_of_a_connection(self, agent: Agent) -> None:
        async def connected(client: str) -> None:
            raise Spoilt(client)

        agent.reports.connected = connected  # type: ignore[method-assign]  # this one engine is broken
        assert len((await agent.send("tools/list"))["result"]["tools"]) == 3


class TestBoundsAndConcurrency:
    """What only the gate over the SDK has to show."""

    @over_http
    async def test_a_hundred_parallel_calls_with_one_id_get_their_own_answers(self, sdk_agent: Agent) -> None:
        sdk_agent.reports.holds = True

        async def call(number: int) -> tuple[str, bool]:
            return await sdk_agent.call("mark_done", title=f"t{number}", summary="s")

        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(call(number)) for number in range(100)]
            await sdk_agent.reports.began.wait()
            sdk_agent.reports.release.set()
        assert [call.result() for call in calls] == [(f"Accepted. t{number}", False) for number in range(100)]

    @over_http
    async def test_more_requests_than_any_agent_needs_are_refused(self, sdk_agent: Agent) -> None:
        sdk_agent.reports.holds = True
        call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).encode()
        async with asyncio.TaskGroup() as group:
            posts = [group.create_task(sdk_agent.post(body)) for _ in range(IN_FLIGHT_LIMIT + 1)]
            done, _ = await asyncio.wait(posts, timeout=BOUND, return_when=asyncio.FIRST_COMPLETED)
            assert error_of(done.pop().result()) == (
                429,
                "too_many_requests",
                "Too many requests at once from this agent: wait for answers before sending more.",
            )
            sdk_agent.reports.release.set()

    @pytest.mark.parametrize(
        ("tool", "arguments", "advice"),
        [
            ("mark_done", {"title": "t", "summary": "s"},
             "Call it again with the same arguments: a repeat does no harm."),
            ("transition", {"to_state": "Review"},
             "Call it again with the same arguments: a repeat does no harm."),
            ("request_human_steering", {"question": "q"},
             "Call it again with the same arguments: a repeat does no harm."),
            ("propose_issue", {"title": "t"},
             "Go on without calling it again, so that it is not proposed twice."),
        ],
    )  # fmt: skip
    async def test_a_call_that_outlives_its_bound_says_so_and_is_carried_through(
        self, sockets: SocketFolder, transport: str, tool: str, arguments: Any, advice: str
    ) -> None:
        reports = Reports(holds=True, exits=Exits((TO_REVIEW,)))
        gate = real_gate(sockets, report_bound_s=0.05)
        async with admitted(gate, transport, reports) as agent:
            await agent.initialize()
            assert await agent.call(tool, **arguments) == (
                f"symphony did not finish {tool} within 0.05 s and may still accept it. {advice}",
                True,
            )
            reports.release.set()
            await asyncio.wait_for(reports.done.wait(), BOUND)
        assert [call[0] for call in reports.calls] == [tool]

    async def test_a_request_that_outlives_its_bound_is_answered_all_the_same(
        self, sockets: SocketFolder, transport: str
    ) -> None:
        gate, reports = real_gate(sockets, answer_bound_s=2.5), Reports(holds=True)
        async with admitted(gate, transport, reports) as agent:
            await agent.initialize()
            call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
            assert (await agent.send("tools/call", call, id="a"))["error"] == {
                "code": -32001,
                "message": "symphony did not answer within 2.5 s.",
            }

    async def test_the_answer_to_the_call_that_ends_the_dispatch_reaches_the_agent(
        self, sockets: SocketFolder, transport: str
    ) -> None:
        gate, reports = real_gate(sockets), Reports(holds=True)
        async with asyncio.TaskGroup() as group, admitted(gate, transport, reports) as agent:
            await agent.initialize()
            call = group.create_task(agent.call("mark_done", title="t", summary="s"))
            await reports.began.wait()
            reports.release.set()
        assert call.result() == ("Accepted. t", False)

    async def test_a_call_that_hangs_when_the_dispatch_ends_is_cancelled_and_is_404(self) -> None:
        gate, reports = real_gate(grace_s=0.05), Reports(holds=True)
        async with asyncio.TaskGroup() as group, gate.admit(ISSUE, reports) as access:
            agent = Agent(gate, access.token, access.url, reports)
            await agent.initialize()
            call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call})
            post = group.create_task(agent.post(body.encode()))
            await reports.began.wait()
        assert error_of(post.result()) == NOT_FOUND
        assert reports.cancelled == 1

    async def test_the_body_of_the_context_fails_with_its_own_error(self) -> None:
        with pytest.raises(Spoilt):
            async with real_gate().admit(ISSUE, Reports()) as access:
                raise Spoilt(access.url)

    async def test_a_client_that_cancels_is_answered_and_its_call_is_carried_through(
        self, sdk_agent: Agent
    ) -> None:
        sdk_agent.reports.holds = True
        call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
        async with asyncio.TaskGroup() as group:
            answer = group.create_task(sdk_agent.send("tools/call", call, id="x"))
            await sdk_agent.reports.began.wait()
            await sdk_agent.tell("notifications/cancelled", {"requestId": "y"})
            await sdk_agent.tell("notifications/cancelled", {"requestId": "x"})
        assert answer.result() == {
            "jsonrpc": "2.0",
            "id": "x",
            "error": {"code": -32800, "message": "The client cancelled this request."},
        }
        sdk_agent.reports.release.set()
        assert await sdk_agent.call("mark_done", title="u", summary="s") == ("Accepted. u", False)
        assert sorted(sdk_agent.reports.calls) == [("mark_done", "t", "s"), ("mark_done", "u", "s")]

    async def test_a_cancellation_that_may_mean_two_requests_means_none(self, sdk_agent: Agent) -> None:
        sdk_agent.reports.holds = True
        call = {"name": "mark_done", "arguments": {"title": "t", "summary": "s"}}
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(sdk_agent.send("tools/call", call)) for _ in range(2)]
            await sdk_agent.reports.began.wait()
            await sdk_agent.tell("notifications/cancelled", {"requestId": 1})
            sdk_agent.reports.release.set()
        assert [read(answer.result()) for answer in answers] == [("Accepted. t", False)] * 2

    async def test_clients_of_both_eras_share_a_dispatch(self, sdk_agent: Agent) -> None:
        envelope = {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "newer", "version": "9"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        newer = await sdk_agent.send("tools/list", {"_meta": envelope})
        older = await sdk_agent.send("tools/list")
        assert len(newer["result"]["tools"]) == len(older["result"]["tools"]) == 3
        assert sdk_agent.reports.told == [("connected", "newer 9"), ("connected", "claude-code 2.1")]

    async def test_a_second_client_may_shake_hands_again(self, sdk_agent: Agent) -> None:
        assert (await sdk_agent.initialize("2025-06-18", "codex"))["protocolVersion"] == "2025-06-18"
        await sdk_agent.send("tools/list")
        assert sdk_agent.reports.told == [("connected", "codex 2.1")]

    async def test_a_server_that_broke_is_replaced_at_the_next_message(self, sdk_agent: Agent) -> None:
        gate = sdk_agent.gate
        assert isinstance(gate, Gate)
        (admission,) = gate._admissions._by_issue.values()
        (wire,) = admission.line._wires.values()
        await wire.aclose()
        await sdk_agent.initialize()
        assert await sdk_agent.call("mark_done", title="t", summary="s") == ("Accepted. t", False)

    async def test_the_configured_url_replaces_the_listeners(self) -> None:
        gate = Gate(lambda: "http://127.0.0.1:1", host_url="http://host.internal:8080/")
        async with gate.admit("7", Reports()) as access:
            assert access.url == "http://host.internal:8080/api/v1/issues/7/mcp"

    def test_the_sdk_is_not_imported_before_it_is_needed(self) -> None:
        program = "import sys, symphony.mcp_server.gate; sys.exit('mcp' in sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


class TestTheMemoryGate:
    """What the engine's tests use of it."""

    async def test_an_agent_of_a_test_calls_without_the_protocol(self) -> None:
        gate, reports = MemoryGate(), Reports()
        async with gate.admit("7", reports) as access:
            await gate.connect("7", access.token, "demo 1")
            answer = await gate.call("7", access.token, "mark_done", title="t", summary="s")
        assert (answer.text, answer.failed) == ("Accepted. t", False)
        assert reports.told == [("connected", "demo 1"), ("mark_done", "t", "s")]
        with pytest.raises(Refused):
            await gate.call("7", access.token, "mark_done", title="t", summary="s")

    async def test_it_fails_to_admit_once_when_told_to(self) -> None:
        gate = MemoryGate()
        gate.fail_next_admit = BadArguments("as told")
        with pytest.raises(BadArguments, match="as told"):
            async with gate.admit("7", Reports()):
                pass
        async with gate.admit("7", Reports()) as access:
            assert access.token == "token-1"
