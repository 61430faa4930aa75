"""Which agent runs, how often, and how long anything may take."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import AsTuple, Number, Positive, Section
from symphony.core.settings.servers import McpServerSettings


def _float(value: Any) -> Any:
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value
    return value if isinstance(number, float) and not math.isfinite(number) else number


Amount = Annotated[float, BeforeValidator(_float), Field(gt=0, allow_inf_nan=False)]


class Budget(Section):
    """Ceilings per issue, cumulative over its attempts; null is no ceiling."""

    tokens: Annotated[Positive | None, Field(examples=[2_000_000])] = None
    """Tokens of all kinds."""

    usd: Annotated[Amount | None, Field(examples=[5.0])] = None
    """US dollars, as the agent reports them."""

    minutes: Annotated[Amount | None, Field(examples=[90.0])] = None
    """Minutes of turns."""


class AgentSettings(Section):
    """How many attempts at once, how long, and when to stop trying."""

    max_concurrent_agents: Positive = 10
    """Slots: attempts at once over all states."""

    max_turns: Positive = 20
    """Turns of one attempt; a reply turn does not count."""

    max_retry_backoff_ms: Positive = 300_000
    """The longest wait between two retries, in milliseconds."""

    max_concurrent_agents_by_state: Annotated[
        Mapping[str, Positive], Field(examples=[{"In Progress": 2}])
    ] = {}
    """Slots per state, beside the global ones."""

    max_failures: Positive = 5
    """So many failed or fruitless attempts in a row park the issue until a person acts."""

    max_transitions: Positive = 10
    """So many moves of one issue by its agents hold it where it is until a person retries or edits it."""

    budget: Budget = Budget()
    """Ceilings per issue."""


class PermissionRule(Section):
    """How requests for permission of one sort are answered."""

    kind: (
        Literal[
            "read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"
        ]
        | None
    ) = None
    """The kind of tool, as agents name it; null is any."""

    pattern: str = "*"
    """What the command, path or address must look like as a whole; `*` is any text, `?` any character."""

    answer: Literal["allow", "deny", "ask"]
    """allow, deny or ask."""


class AcpSettings(Section):
    """The agent program and its session [CONTRACT 5]."""

    adapter: str = "claude"
    """claude, codex, opencode or demo; beside `command` any name."""

    command: Annotated[str | None, Field(examples=["my-agent --acp"])] = None
    """A shell command that replaces the adapter's own launch."""

    model: Annotated[str | None, Field(examples=["opus"])] = None
    """The model to ask the agent for; null leaves it to the agent."""

    effort: Annotated[str | None, Field(examples=["high"])] = None
    """The reasoning effort to ask the agent for; null leaves it to the agent."""

    mode: Annotated[str | None, Field(examples=["plan"])] = None
    """The session mode to ask the agent for, by its own name for it; null is the one in which it asks no
    questions where `permission` is allow and there are no rules, else the agent's own."""

    shell: str = "bash"
    """The shell that runs `command`."""

    prompt_timeout_ms: Positive = 3_600_000
    """Milliseconds that one turn may take."""

    read_timeout_ms: Positive = 30_000
    """Milliseconds to wait for an answer to anything but a turn, and for an agent whose session is ready to
    have connected to symphony's tools."""

    stall_timeout_ms: Number = 300_000
    """Milliseconds without any event that end an attempt; 0 or less is off."""

    mcp_servers: Annotated[
        tuple[McpServerSettings, ...],
        AsTuple,
        Field(
            strict=False,
            examples=[
                [
                    {"name": "notes", "command": "notes-server", "args": ["--stdio"]},
                    {
                        "name": "docs",
                        "type": "http",
                        "url": "https://docs.example.com/mcp",
                        "headers": {"Authorization": "Bearer ${env:DOCS_TOKEN}"},
                    },
                ]
            ],
        ),
    ] = ()
    """More MCP servers for the session; `${env:X}` in a value is X of symphony's own environment."""

    permission: Literal["allow", "deny", "ask"] = "allow"
    """How the agent's permission requests are answered; `ask` waits for a person."""

    permission_rules: Annotated[
        tuple[PermissionRule, ...],
        AsTuple,
        Field(
            examples=[
                [
                    {"kind": "execute", "pattern": "git push*", "answer": "deny"},
                    {"kind": "fetch", "answer": "ask"},
                ]
            ]
        ),
    ] = ()
    """Answers for some requests, in place of `permission`: the first rule that fits counts."""
