"""Symphony's tools as the demo agent calls them: an MCP client over HTTP or a stdio server.

It knows the part of the protocol that calling tools needs, on the standard library alone. Each use
is a connection of its own, so that nothing has to be kept alive between turns.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from symphony.agent.demo.text import one_line
from symphony.agent.demo.thread import in_thread

PROTOCOL_VERSION = "2025-11-25"
CLIENT = {"name": "symphony-demo-agent", "version": "1"}
CALL_BOUND_S = 60.0  # symphony answers within 45 s whatever runs behind the tool
LEAVE_BOUND_S = 2.0  # for a stdio server to leave once its stdin is closed
CHUNK_BYTES = 1 << 16
ANSWER_BYTES = 16 << 20  # no tool says more; a server gone wild must not fill the memory


class ToolError(Exception):
    """A server cannot be reached or does not speak the protocol; the text says how."""


@dataclass(frozen=True)
class Server:
    """An MCP server as the session was given it: over HTTP when it has a URL."""

    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    args: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a tool answered."""

    failed: bool
    text: str


async def list_tools(server: Server, bound_s: float) -> tuple[str, ...]:
    """Connect and return the names of the tools.

    Raises:
        ToolError: the server cannot be reached in time.
    """
    result = await in_thread(lambda: exchange(server, "tools/list", {}, bound_s))
    return tuple(str(tool.get("name")) for tool in result.get("tools", ()))


async def call_tool(server: Server, name: str, arguments: Mapping[str, str]) -> Answer:
    """Call one tool.

    Raises:
        ToolError: the server cannot be reached in time.
    """
    params = {"name": name, "arguments": dict(arguments)}
    result = await in_thread(lambda: exchange(server, "tools/call", params, CALL_BOUND_S))
    texts = [str(block.get("text")) for block in result.get("content", ()) if block.get("type") == "text"]
    return Answer(bool(result.get("isError")), "\n".join(texts))


def exchange(server: Server, method: str, params: Mapping[str, Any], bound_s: float) -> dict[str, Any]:
    """Shake hands, make one request and leave; it blocks."""
    deadline = time.monotonic() + bound_s
    link: HttpLink | StdioLink = StdioLink(server) if server.url is None else HttpLink(server.url, server)
    hello = {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": CLIENT}
    try:
        result_of(link.send(message("initialize", hello, 1), deadline))
        link.send(message("notifications/initialized", {}, None), deadline)
        return result_of(link.send(message(method, params, 2), deadline))
    finally:
        link.close()


def message(method: str, params: Mapping[str, Any], identity: int | None) -> dict[str, Any]:
    """Return a request, or a notification when it has no id."""
    named = {} if identity is None else {"id": identity}
    return {"jsonrpc": "2.0", **named, "method": method, "params": params}


def result_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a server answered.

    Raises:
        ToolError: it answered with an error.
    """
    if "error" in answer:
        raise ToolError(one_line(str(answer["error"].get("message"))))
    result: dict[str, Any] = answer["result"]
    return result


def find_answer(lines: Iterable[bytes], identity: int) -> dict[str, Any] | None:
    """Return the answer to a request among what a server says; None when it is not there."""
    for line in lines:
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("id") == identity and "method" not in said:
                return said
    return None


class HttpLink:
    """A server over streamable HTTP."""

    def __init__(self, url: str, server: Server) -> None:
        self._url = url
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **server.headers,
        }
        # symphony's endpoint is not behind a proxy
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def send(self, said: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Post one message; return the answer, empty for a notification.

        Raises:
            ToolError: there is none.
        """
        request = urllib.request.Request(self._url, json.dumps(said).encode(), self._headers)  # noqa: S310
        left_s = max(0.1, deadline - time.monotonic())
        try:
            with self._opener.open(request, timeout=left_s) as reply:
                session, body = reply.headers.get("Mcp-Session-Id"), reply.read(ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            raise ToolError(
                f"HTTP {error.code}: {one_line(error.read(4096).decode('utf-8', 'replace'))}"
            ) from error
        except OSError as error:
            raise ToolError(str(error)) from error
        if session:
            self._headers["Mcp-Session-Id"] = session
        if "id" not in said:
            return {}
        lines = [line[5:] if line.startswith(b"data:") else line for line in body.splitlines()]
        answer = find_answer([body, *lines], said["id"])
        if answer is None:
            raise ToolError("the server did not answer with a JSON-RPC message")
        self._headers["MCP-Protocol-Version"] = PROTOCOL_VERSION
        return answer

    def close(self) -> None:
        """Do nothing: each message was a request of its own."""


class StdioLink:
    """A server that is started for this one use."""

    def __init__(self, server: Server) -> None:
        try:
            self._process = subprocess.Popen(
                (server.command, *server.args),
                env={**os.environ, **server.environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        except OSError as error:
            raise ToolError(one_line(f"{server.command} cannot be started: {error}")) from error
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ToolError(f"{server.command} has no pipes")
        self._stdin, self._stdout = stdin, stdout
        self._pending = b""

    def send(self, said: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Write one message; return the answer, empty for a notification.

        Raises:
            ToolError: there is none in time.
        """
        try:
            self._stdin.write(json.dumps(said).encode() + b"\n")
        except OSError as error:
            raise ToolError(one_line(f"the server has ended: {error}")) from error
        if "id" not in said:
            return {}
        while True:
            answer = find_answer([self._line(deadline)], said["id"])
            if answer is not None:
                return answer

    def close(self) -> None:
        """Close its stdin, and end it when it does not leave."""
        self._stdin.close()
        for end in (self._process.terminate, self._process.kill):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LEAVE_BOUND_S)
                break
            end()
        self._stdout.close()

    def _line(self, deadline: float) -> bytes:
        stdout = self._stdout.fileno()
        while b"\n" not in self._pending:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([stdout], [], [], left_s)[0]:
                raise ToolError("the server did not answer in time")
            data = os.read(stdout, CHUNK_BYTES)
            if not data or len(self._pending) > ANSWER_BYTES:
                raise ToolError("the server ended before it answered")
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return line
