"""The McpGate for tests: the same door, desk and sentences, without the SDK, time or threads.

It answers the part of the protocol that agents of tests use: `initialize`, `ping`, `tools/list`,
`tools/call` and notifications.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from symphony.core.errors import SymphonyError
from symphony.core.operations import DoorReply
from symphony.core.ports import AgentReports, McpAccess
from symphony.core.text import one_line
from symphony.mcp_server.desk import UNKNOWN_CLIENT, Desk, ToolAnswer
from symphony.mcp_server.door import Admissions, Refused, not_a_message, parse_message
from symphony.mcp_server.gate import endpoint
from symphony.mcp_server.socket_client import as_line
from symphony.mcp_server.tools import instructions_of, unknown_tool

PROTOCOL_VERSION = "2025-11-25"
INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
NO_SOCKET = 66  # the exit status of the guest's relay when its socket is not there


class ProgramIO(Protocol):
    """What the relay of a memory sandbox sees of the world."""

    argv: tuple[str, ...]

    async def read_stdin(self, limit: int = 65_536) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        ...

    async def write_stdout(self, data: bytes) -> None:
        """Write to stdout, waiting while nobody reads it."""
        ...


@dataclass(slots=True)
class MemoryAdmission:
    """A running dispatch: its secret, its desk, and the client's name once told."""

    token: str = field(repr=False)
    desk: Desk
    client: str = UNKNOWN_CLIENT


class MemoryGate:
    """A gate that lives in one event loop only.

    Attributes:
        fail_next_admit: raised by the next `admit`, once.
    """

    def __init__(self, base_url: str = "http://symphony.test") -> None:
        self._base_url = base_url
        self._admissions: Admissions[MemoryAdmission] = Admissions()
        self._by_socket: dict[str, MemoryAdmission] = {}
        self._admitted = 0
        self.fail_next_admit: SymphonyError | None = None

    @asynccontextmanager
    async def admit(
        self, issue_id: str, reports: AgentReports, *, socket: bool = False
    ) -> AsyncIterator[McpAccess]:
        """Mint a token that is good until the context is left; tokens are `token-1`, `token-2`, ….

        A socket is a name, which `relay` knows until then.
        """
        if self.fail_next_admit is not None:
            error, self.fail_next_admit = self.fail_next_admit, None
            raise error
        self._admitted += 1
        admission = MemoryAdmission(f"token-{self._admitted}", Desk(issue_id, reports, None))
        path = Path(f"/sockets/{self._admitted}.sock") if socket else None
        self._admissions.enter(issue_id, admission)
        if path is not None:
            self._by_socket[str(path)] = admission
        try:
            yield McpAccess(endpoint(self._base_url, issue_id), admission.token, path)
        finally:
            self._admissions.leave(issue_id, admission)
            self._by_socket.pop(str(path), None)
            await admission.desk.aclose()

    async def post(self, issue_id: str, authorization: str | None, body: bytes) -> DoorReply:
        """Answer one POST as the real gate does."""
        try:
            admission = self._admissions.find(issue_id, authorization)
            answer = await self._answer_to(admission, parse_message(body))
        except Refused as refused:
            return refused.reply
        return DoorReply(200, answer) if answer else DoorReply(202)

    async def relay(self, io: ProgramIO) -> int:
        """Be the program `mcp` of a memory sandbox: a stdio server, one line after the other.

        Register it with the sandbox's driver; its argument is the socket's name.
        """
        pending = b""
        while data := await io.read_stdin():
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                admission = self._by_socket.get(io.argv[-1])
                if admission is None:
                    return NO_SOCKET
                if answer := await self._answer_line(admission, line):
                    await io.write_stdout(answer)
        return 0

    async def connect(self, issue_id: str, token: str, client: str = UNKNOWN_CLIENT) -> None:
        """List the tools, as an agent's client does when its session opens.

        Raises:
            Refused: the token is not good.
        """
        await self._admissions.find(issue_id, f"Bearer {token}").desk.listed(client)

    async def call(self, issue_id: str, token: str, tool: str, **arguments: Any) -> ToolAnswer:
        """Call a tool without the protocol around it.

        Raises:
            Refused: the token is not good.
        """
        admission = self._admissions.find(issue_id, f"Bearer {token}")
        return await admission.desk.call(tool, arguments, admission.client)

    async def _answer_line(self, admission: MemoryAdmission, line: bytes) -> bytes:
        message: dict[str, Any] | None = None
        try:
            message = parse_message(line)
            answer = await self._answer_to(admission, message)
        except Refused as refused:
            return as_line(message, refused)
        return answer + b"\n" if answer else b""

    async def _answer_to(self, admission: MemoryAdmission, message: Mapping[str, Any]) -> bytes:
        """Return the answer to a message; empty when it expects none."""
        check_envelope(message)
        if "method" not in message or "id" not in message:
            return b""
        answer = await self._answer(admission, message["method"], message.get("params") or {})
        return json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}).encode("ascii")

    async def _answer(
        self, admission: MemoryAdmission, method: str, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        match method:
            case "initialize":
                info = params.get("clientInfo", {})
                admission.client = one_line(f"{info.get('name', '')} {info.get('version', '')}")
                return {
                    "result": {
                        "protocolVersion": params.get("protocolVersion", PROTOCOL_VERSION),
                        "capabilities": {"tools": {"listChanged": False}},
                        "serverInfo": {"name": "symphony", "version": "memory"},
                        "instructions": instructions_of(admission.desk.exits),
                    }
                }
            case "ping":
                return {"result": {}}
            case "tools/list":
                await admission.desk.listed(admission.client)
                shapes = [
                    {"name": tool.name, "description": tool.description, "inputSchema": tool.schema}
                    for tool in admission.desk.tools.values()
                ]
                return {"result": {"tools": shapes}}
            case "tools/call" if params.get("name") not in admission.desk.tools:
                message = unknown_tool(str(params.get("name")), admission.desk.tools)
                return {"error": {"code": INVALID_PARAMS, "message": message}}
            case "tools/call":
                answer = await admission.desk.call(
                    params["name"], params.get("arguments") or {}, admission.client
                )
                content = [{"type": "text", "text": answer.text}]
                return {"result": {"content": content, "isError": answer.failed}}
            case _:
                return {"error": {"code": METHOD_NOT_FOUND, "message": "Method not found"}}


def check_envelope(message: Mapping[str, Any]) -> None:
    """Return if this is a JSON-RPC message.

    Raises:
        Refused: 400.
    """
    answer = "result" in message or "error" in message
    if "method" not in message and answer:
        return
    identified = "id" not in message or (
        isinstance(message["id"], str | int) and not isinstance(message["id"], bool)
    )
    params = message.get("params")
    shaped = isinstance(message.get("method"), str) and (params is None or isinstance(params, dict))
    if message.get("jsonrpc") != "2.0" or not identified or not shaped:
        raise not_a_message()
