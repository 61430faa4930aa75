"""What a scripted model says, in words that no provider and no agent has to itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Say:
    """End the turn with these words."""

    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """Call the agent's own shell."""

    command: str


@dataclass(frozen=True, slots=True)
class Write:
    """Create a file with the agent's own tool for it."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class UseMcp:
    """Call a tool of symphony's MCP server, under the name that the agent gives it."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with an HTTP error.

    Attributes:
        kind: the provider's word for it.
    """

    status: int
    kind: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the stream off in the middle of a word."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Say nothing until the agent hangs up."""


Reply: TypeAlias = Say | Run | Write | UseMcp | Refuse | Cut | Silence


@dataclass(frozen=True, slots=True)
class Spent:
    """What every answer says that it cost, in tokens."""

    input: int = 100
    output: int = 10
    cached: int = 40
