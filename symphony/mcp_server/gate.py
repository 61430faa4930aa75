"""Opens the MCP endpoint for one dispatch at a time and answers what agents say to it.

The engine admits; the HTTP listener passes every POST on, and a dispatch whose agent runs in a
machine has a socket of its own. Neither sees the SDK, which is imported on the first admission, in
a thread, because it takes most of a second.
"""

import asyncio
import importlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from symphony.core.operations import DoorReply
from symphony.core.ports import AgentReports, McpAccess
from symphony.mcp_server.desk import Desk
from symphony.mcp_server.door import Admissions, Refused, parse_message
from symphony.mcp_server.socket_folder import SocketFolder, SocketFolderError
from symphony.mcp_server.socket_server import SocketServer

if TYPE_CHECKING:
    from symphony.mcp_server.line import Line

ANSWER_BOUND_S: Final = 45.0  # agents give up on a tool at 60 s or later [CONTRACT 6.2]
REPORT_BOUND_S: Final = 43.0  # leaves time to say so within the answer's own bound
GRACE_S: Final = 2.0  # lets the answer to the call that ended the dispatch reach its agent


@dataclass(frozen=True, slots=True)
class Admission:
    """A running dispatch: its secret and its line."""

    token: str = field(repr=False)
    line: "Line"


class Gate:
    """The McpGate that the engine uses and the AgentDoor that the listener uses."""

    def __init__(
        self,
        base_url: Callable[[], str],
        *,
        host_url: str | None = None,
        report_bound_s: float = REPORT_BOUND_S,
        answer_bound_s: float = ANSWER_BOUND_S,
        grace_s: float = GRACE_S,
        sockets: SocketFolder | None = None,
    ) -> None:
        """Prepare; `base_url` is asked at each admission, since the port is known only after listening.

        Args:
            base_url: the listener's URL without a path.
            host_url: what agents are told instead of it [`mcp.host_url`].
            report_bound_s: how long the engine may take over one call.
            answer_bound_s: how long any request may take.
            grace_s: how long requests in flight may go on after their dispatch has ended.
            sockets: where the sockets of dispatches lie.
        """
        self._base_url = base_url
        self._host_url = host_url
        self._report_bound_s = report_bound_s
        self._answer_bound_s = answer_bound_s
        self._grace_s = grace_s
        self._sockets = sockets
        self._admissions: Admissions[Admission] = Admissions()

    async def warm(self) -> None:
        """Import the SDK off the loop, so that the first admission does not wait for it."""
        await asyncio.to_thread(importlib.import_module, "symphony.mcp_server.line")

    @asynccontextmanager
    async def admit(
        self, issue_id: str, reports: AgentReports, *, socket: bool = False
    ) -> AsyncIterator[McpAccess]:
        """Mint a token, and make a socket if it is wanted, that are good until the context is left.

        Raises:
            SocketFolderError: on entering: the socket cannot be made.
        Cancellation: calls in flight end in bounded time, as on any other way out.
        """
        await self.warm()
        from symphony.mcp_server.line import Line

        desk = Desk(issue_id, reports, self._report_bound_s)
        line = Line(issue_id, desk, bound_s=self._answer_bound_s, grace_s=self._grace_s)
        admission = Admission(secrets.token_urlsafe(32), line)
        url = endpoint(self._host_url or self._base_url(), issue_id)
        async with self._listening(issue_id, line, wanted=socket) as path:
            self._admissions.enter(issue_id, admission)
            try:
                yield McpAccess(url, admission.token, path)
            finally:
                self._admissions.leave(issue_id, admission)

    @asynccontextmanager
    async def _listening(self, issue_id: str, line: "Line", *, wanted: bool) -> AsyncIterator[Path | None]:
        """Serve a line on a socket if it is wanted; close both."""
        server = await self._open_socket(issue_id, line) if wanted else None
        try:
            yield server.path if server else None
        finally:
            if server:
                server.retire()
            try:
                await line.aclose()
            finally:
                if server:
                    await server.aclose()

    async def _open_socket(self, issue_id: str, line: "Line") -> SocketServer:
        if self._sockets is None:
            raise SocketFolderError("This gate was opened without a folder for sockets.")
        server = SocketServer(issue_id, line, await asyncio.to_thread(self._sockets.new_path))
        try:
            await server.open()
        except OSError as error:
            raise SocketFolderError(
                f"The socket {server.path} cannot be made: {error.strerror}.",
                remedy="Set TMPDIR to a folder that sockets can be made in.",
            ) from error
        return server

    async def post(self, issue_id: str, authorization: str | None, body: bytes) -> DoorReply:
        """Answer one POST; every refusal is a reply too."""
        try:
            admission = self._admissions.find(issue_id, authorization)
            return await admission.line.answer(parse_message(body))
        except Refused as refused:
            return refused.reply


def endpoint(base_url: str, issue_id: str) -> str:
    """Return the URL of an issue's endpoint; the id is one path segment whatever is in it."""
    return f"{base_url.rstrip('/')}/api/v1/issues/{quote(issue_id, safe='')}/mcp"
