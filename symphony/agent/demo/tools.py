"""Symphony's tools as the demo agent calls them: the MCP SDK's client over HTTP or stdio.

Imported in a thread when a session opens, since the SDK is slow to import. Each use is a
connection of its own, so that nothing has to be kept alive between turns.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.types import Implementation

CALL_BOUND_S = 60.0  # symphony answers within 45 s whatever runs behind the tool


@dataclass(frozen=True, slots=True)
class Server:
    """An MCP server as the session was given it: over HTTP when it has a URL."""

    url: str | None
    headers: Mapping[str, str]
    command: str
    args: tuple[str, ...]
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool answered."""

    failed: bool
    text: str


async def list_tools(server: Server) -> tuple[str, ...]:
    """Connect and return the names of the tools."""
    async with _open(server) as client:
        return tuple(tool.name for tool in (await client.list_tools()).tools)


async def call_tool(server: Server, name: str, arguments: Mapping[str, str]) -> Answer:
    """Call one tool."""
    async with _open(server) as client:
        result = await client.call_tool(name, dict(arguments))
    text = "\n".join(block.text for block in result.content if block.type == "text")
    return Answer(bool(result.is_error), text)


@asynccontextmanager
async def _open(server: Server) -> AsyncIterator[Client]:
    info = Implementation(name="symphony-demo-agent", version="1")
    if server.url is None:
        parameters = StdioServerParameters(
            command=server.command, args=[*server.args], env=dict(server.environment)
        )
        async with Client(
            parameters, mode="legacy", client_info=info, read_timeout_seconds=CALL_BOUND_S
        ) as client:
            yield client
        return
    async with create_mcp_http_client(headers=dict(server.headers)) as http:
        transport = streamable_http_client(server.url, http_client=http)
        async with Client(
            transport, mode="legacy", client_info=info, read_timeout_seconds=CALL_BOUND_S
        ) as client:
            yield client
