"""What a dispatched agent may say to symphony, and the gate through which it speaks [CONTRACT 6]."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from symphony.core.tool import Tool
from symphony.core.transition import Exits


class AgentReports(Protocol):
    """What one dispatch's agent may say to symphony; the engine implements it.

    Each answer is the text that the agent reads; a refusal raises.

    Raises:
        ReportRefused: with the sentence that the agent reads as a tool error.
    """

    @property
    def tools(self) -> Sequence[Tool]:
        """The workflow's own tools that this dispatch offers; the same for all of its life."""
        ...

    @property
    def exits(self) -> Exits:
        """How the agent may leave the state that its issue is in, the same for the whole dispatch."""
        ...

    async def connected(self, client: str) -> None:
        """Note that the agent's MCP client has listed the tools."""
        ...

    async def mark_done(self, title: str, summary: str) -> str:
        """Accept the agent's word once, durably; a repeat answers the same."""
        ...

    async def transition(self, to_state: str, notes: str | None) -> str:
        """Accept once, durably, that the issue goes to another state; a repeat answers the same."""
        ...

    async def request_human_steering(self, question: str, context: str | None) -> str:
        """Store a question, durably."""
        ...

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        """Write an issue into the first holding state."""
        ...

    async def use_tool(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Run one of `tools` with arguments that its schema allows; return what it printed.

        Cancellation: its command is ended first.
        """
        ...


@dataclass(frozen=True, slots=True)
class McpAccess:
    """How one dispatch's agent reaches its tools.

    Attributes:
        url: the endpoint for this issue.
        token: the bearer token of this dispatch; a secret.
        socket: a Unix socket of the host that speaks MCP's stdio framing for this dispatch and
            needs no token; None unless it was asked for.
    """

    url: str
    token: str = field(repr=False)
    socket: Path | None = None


class McpGate(Protocol):
    """Opens the MCP endpoint for one dispatch at a time [CONTRACT 6]."""

    def admit(
        self, issue_id: str, reports: AgentReports, *, socket: bool = False
    ) -> AbstractAsyncContextManager[McpAccess]:
        """Mint a token, and make a socket if it is wanted, that are good until the context is left.

        Raises:
            SymphonyError: on entering, `mcp.*`: the socket cannot be made.
        """
        ...
