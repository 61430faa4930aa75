"""How the agent of one attempt reaches symphony's tools: over HTTP, or by a socket in its machine.

Opened by the attempt before the sandbox, since a machine is made with its socket in it. No token
goes to an agent that has a socket.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from symphony.core.agent import OWN_SERVER, McpServer
from symphony.core.ports import McpAccess, Sandbox
from symphony.engine.context import AttemptContext
from symphony.engine.reports import DispatchReports


@dataclass(frozen=True, slots=True)
class Reach:
    """What an attempt's agent is given; nothing when `mcp.enabled` is false."""

    access: McpAccess | None = None

    @property
    def socket(self) -> Path | None:
        """The socket that the sandbox is to show to its guest."""
        return self.access.socket if self.access else None

    def servers(self, sandbox: Sandbox) -> tuple[McpServer, ...]:
        """Return the MCP servers that a session in this sandbox is offered."""
        if self.access is None:
            return ()
        if self.access.socket is not None and sandbox.machine is not None:
            command, *arguments = sandbox.machine.mcp_command
            return (McpServer(OWN_SERVER, command=command, args=tuple(arguments)),)
        headers = {"Authorization": f"Bearer {self.access.token}"}
        return (McpServer(OWN_SERVER, url=self.access.url, headers=headers),)


@asynccontextmanager
async def open_reach(context: AttemptContext, reports: DispatchReports) -> AsyncIterator[Reach]:
    """Let the attempt's agent report until the block is left.

    Raises:
        SymphonyError: on entering, `mcp.*`.
    """
    if not context.settings.mcp.enabled:
        yield Reach()
        return
    socket = context.ports.driver_of(context.settings.sandbox).has_machines
    async with context.ports.gate.admit(context.issue_id, reports, socket=socket) as access:
        context.progress.run_log.hide([access.token])
        reports.hide([access.token])
        yield Reach(access)
