"""The McpGate for tests: the same door, desk and sentences, without the SDK, time or threads.

It answers the part of the protocol that agents of tests use: `initialize`, `ping`, `tools/list`,
`tools/call` and notifications.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from symphony.core.errors import SymphonyError
from symphony.core.operations import DoorReply
from symphony.core.ports import AgentReports, McpAccess
from symphony.core.text import one_line
from symphony.mcp_server.desk import UNKNOWN_CLIENT, Desk, ToolAnswer
from symphony.mcp_server.door import Admissions, Refused, not_a_message, parse_message
from symphony.mcp_server.gate import endpoint
from symphony.mcp_server.tools import INSTRUCTIONS, TOOLS, unknown_tool

PROTOCOL_VERSION = "2025-11-25"
INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601


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
        self._admitted = 0
        self.fail_next_admit: SymphonyError | None = None

    @asynccontextmanager
    async def admit(self, issue_id: str, reports: AgentReports) -> AsyncIterator[McpAccess]:
        """Mint a token that is good until the context is left; tokens are `token-1`, `token-2`, …."""
        if self.fail_next_admit is not None:
            error, self.fail_next_admit = self.fail_next_admit, None
            raise error
        self._admitted += 1
        admission = MemoryAdmission(f"token-{self._admitted}", Desk(issue_id, reports, None))
        self._admissions.enter(issue_id, admission)
        try:
            yield McpAccess(endpoint(self._base_url, issue_id), admission.token)
        finally:
            self._admissions.leave(issue_id, admission)
            await admission.desk.aclose()

    async def post(self, issue_id: str, authorization: str | None, body: bytes) -> DoorReply:
        """Answer one POST as the real gate does."""
        try:
            admission = self._admissions.find(issue_id, authorization)
            message = parse_message(body)
            check_envelope(message)
        except Refused as refused:
            return refused.reply
        if "method" not in message or "id" not in message:
            return DoorReply(202)
        answer = await self._answer(admission, message["method"], message.get("params") or {})
        return DoorReply(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}).encode("ascii"))

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
                        "instructions": INSTRUCTIONS,
                    }
                }
            case "ping":
                return {"result": {}}
            case "tools/list":
                await admission.desk.listed(admission.client)
                shapes = [
                    {"name": tool.name, "description": tool.description, "inputSchema": tool.schema}
                    for tool in TOOLS.values()
                ]
                return {"result": {"tools": shapes}}
            case "tools/call" if params.get("name") not in TOOLS:
                message = unknown_tool(str(params.get("name")))
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
