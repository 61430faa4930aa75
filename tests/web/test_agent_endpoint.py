"""The MCP endpoint over real HTTP [CONTRACT 6.1]: the SDK's own client, and raw requests."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client

from symphony.core.ports import McpAccess
from symphony.mcp_server.gate import Gate
from symphony.web.listener import open_listener
from tests.support.reports import QuietReports
from tests.web.support import BOUND, Answer, Client, Daemon, surface_of

ISSUE = "ü 100%/../7"


@dataclass
class Reports(QuietReports):
    """The engine's side of one dispatch."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    holds: bool = False

    async def connected(self, client: str) -> None:
        self.told.append(("connected", client))

    async def mark_done(self, title: str, summary: str) -> str:
        self.began.set()
        if self.holds:
            await asyncio.Event().wait()
        self.told.append((title, summary))
        return f"Accepted: {title}"

    async def transition(self, to_state: str, notes: str | None) -> str:
        self.told.append((to_state, notes or ""))
        return "Accepted."


@dataclass
class Served:
    """A gate behind an open listener."""

    gate: Gate
    client: Client

    async def post(self, access: McpAccess, body: bytes) -> Answer:
        path = access.url.partition(f":{self.client.port}")[2]
        return await self.client.ask("POST", path, raw=body, Authorization=f"Bearer {access.token}")


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    url = "not listening yet"
    gate = Gate(lambda: url, grace_s=0.1)
    async with open_listener(surface_of(Daemon(), gate), host="127.0.0.1", port=0, token=None) as listener:
        url = listener.url
        yield Served(gate, Client(listener.port))


@asynccontextmanager
async def mcp_client(access: McpAccess, mode: str) -> AsyncIterator[McpClient]:
    headers = {"Authorization": f"Bearer {access.token}"}
    async with (
        asyncio.timeout(BOUND),
        httpx2.AsyncClient(headers=headers) as http,
        McpClient(streamable_http_client(access.url, http_client=http), mode=mode) as client,
    ):
        yield client


MODES = ["auto", "legacy", "2026-07-28"]


class TestTheSdksClient:
    @pytest.mark.parametrize("mode", MODES)
    async def test_it_lists_and_calls_the_tools(self, served: Served, mode: str) -> None:
        reports = Reports()
        async with served.gate.admit(ISSUE, reports) as access, mcp_client(access, mode) as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            assert names == ["mark_done", "request_human_steering", "propose_issue"]
            result = await client.call_tool("mark_done", {"title": "T", "summary": "S"})
            assert (result.content[0].text, result.is_error) == ("Accepted: T", False)
            refused = await client.call_tool("mark_done", {"title": ""})
            assert refused.is_error
        assert reports.told[0][0] == "connected"
        assert reports.told[0][1].startswith("mcp ")
        assert reports.told[-1] == ("T", "S")

    async def test_a_hundred_calls_at_once_are_each_answered(self, served: Served) -> None:
        async with served.gate.admit(ISSUE, Reports()) as access, mcp_client(access, "auto") as client:
            calls = (client.call_tool("mark_done", {"title": f"{n}", "summary": "S"}) for n in range(100))
            answers = [result.content[0].text for result in await asyncio.gather(*calls)]
        assert answers == [f"Accepted: {n}" for n in range(100)]

    async def test_two_clients_of_one_dispatch_do_not_mix_up_their_ids(self, served: Served) -> None:
        async with served.gate.admit(ISSUE, Reports()) as access, asyncio.TaskGroup() as group:

            async def work(mode: str) -> list[str]:
                async with mcp_client(access, mode) as client:
                    calls = [("mark_done", {"title": f"{mode} {n}", "summary": "S"}) for n in range(20)]
                    results = [await client.call_tool(*call) for call in calls]
                    return [result.content[0].text for result in results]

            workers = {mode: group.create_task(work(mode)) for mode in MODES}
        for mode, worker in workers.items():
            assert worker.result() == [f"Accepted: {mode} {n}" for n in range(20)]


class TestRawRequests:
    async def test_the_statuses_of_the_contract(self, served: Served) -> None:
        ping = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
        async with served.gate.admit(ISSUE, Reports()) as access:
            answer = await served.post(access, ping)
            assert (answer.status, answer.json) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})
            assert (await served.post(access, b"{")).error[:2] == (400, "invalid_json")
            assert (await served.post(access, b"[]")).error[:2] == (400, "batch_not_supported")
            assert (await served.post(access, ping.ljust(1_048_577))).error[:2] == (413, "body_too_large")
            told = await served.post(access, b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')
            assert (told.status, told.body, "content-type" in told.headers) == (202, b"", False)
            wrong = await served.post(McpAccess(access.url, "wrong"), ping)
        assert wrong.status == 404
        gone = await served.post(access, ping)
        assert (gone.status, gone.body) == (wrong.status, wrong.body)

    async def test_no_bearer_is_401_and_says_what_is_wanted(self, served: Served) -> None:
        answer = await served.client.ask("POST", "/api/v1/issues/7/mcp")
        assert answer.error[:2] == (401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"

    async def test_a_body_too_large_does_not_tell_strangers_more(self, served: Served) -> None:
        async with served.gate.admit(ISSUE, Reports()) as access:
            answer = await served.post(McpAccess(access.url, "wrong"), b" " * 2_000_000)
            assert answer.status == 404

    async def test_a_dispatch_that_ends_cuts_its_calls_off(self, served: Served) -> None:
        reports = Reports(holds=True)
        call = {"name": "mark_done", "arguments": {"title": "T", "summary": "S"}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        initialize = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "c", "version": "1"},
        }
        async with asyncio.TaskGroup() as group, served.gate.admit(ISSUE, reports) as access:
            shake = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize}
            assert (await served.post(access, json.dumps(shake).encode())).status == 200
            answer = group.create_task(served.post(access, json.dumps(message).encode()))
            await asyncio.wait_for(reports.began.wait(), BOUND)
        assert answer.result().error[:2] == (404, "not_found")
