"""An agent's session as values: what it is given, what it says, how a turn ends [ACP]."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from symphony.core.errors import SymphonyError
from symphony.core.guard.finding import Finding
from symphony.core.settings import AcpSettings, GuardSettings
from symphony.core.usage import Usage

OWN_SERVER: Final = "symphony"
"""The name of symphony's own server in a session."""


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server that the session offers to the agent.

    Attributes:
        url, headers: for one that is reached over HTTP.
        command, args, environment: for one that the agent starts as a stdio process.
        sse: the URL speaks the older transport of server-sent events.
        secrets: what the other fields hold that is shown nowhere.
    """

    name: str
    url: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    command: str | None = None
    args: tuple[str, ...] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sse: bool = False
    secrets: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What an attempt wants of its agent.

    Attributes:
        cwd: the workspace as the agent sees it.
        mcp_servers: symphony's own endpoint first, then those of `acp.mcp_servers`.
        resume: a session of an earlier process to go on with, if the agent can.
        credentials: names of the variables in which the program finds keys to its model.
        guard: what its tool calls are looked through for.
    """

    acp: AcpSettings
    cwd: Path
    mcp_servers: tuple[McpServer, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    resume: str | None = None
    credentials: frozenset[str] = frozenset()
    guard: GuardSettings = GuardSettings(mode="off")

    @property
    def asking(self) -> AcpSettings:
        """The settings by which a program learns whether to ask, which it has to for `guard: block`."""
        blocks = self.guard.mode == "block" and self.acp.permission == "allow"
        return self.acp.model_copy(update={"permission": "ask"}) if blocks else self.acp


class ModelResting(SymphonyError):
    """The model behind an agent refuses for now: a rate limit, a quota, an overload.

    Attributes:
        retry_after_s: seconds from now until it may be used again; None when it is not told.
    """

    code = "agent.rate_limited"
    retry_after_s: float | None = None


class StopKind(StrEnum):
    """How an agent says that a turn ended [ACP stopReason]."""

    END_TURN = "end_turn"
    MAX_TOKENS = "max_tokens"
    MAX_TURN_REQUESTS = "max_turn_requests"
    REFUSAL = "refusal"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """The end of one turn.

    Attributes:
        stop: the agent's word for it.
        text: the last thing that the agent said in it, bounded.
        usage: what the turn cost, as far as the agent says.
    """

    stop: StopKind
    text: str = ""
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class AgentEvent:
    """A sign of life from the agent.

    Attributes:
        kind: `frame_in`, `frame_out`, `stderr`, `garbage`, `message`, `thought`, `tool_call`,
            `plan`, `usage`, `permission`, `mode`, `commands`, `options`, `session`, `program`,
            `warning`, `guard` or `other`.
        summary: one line for people; empty when there is nothing to show.
        frame: the raw message for the run log, when the event is one.
        usage: the session's totals so far, when the event reports them.
        begins_call: a tool call is shown for the first time.
        finding: of the guard rails, for `guard`.
        refused: the agent had asked for what was found, and was refused it.
        ends_turn: what was found runs already, and must not.
    """

    kind: str
    summary: str = ""
    frame: Mapping[str, Any] | None = None
    usage: Usage | None = None
    begins_call: bool = False
    finding: Finding | None = None
    refused: bool = False
    ends_turn: bool = False
