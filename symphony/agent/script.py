"""What an agent in memory does, written down: a script is turns, a turn is steps.

For tests and simulation; performed by `memory`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from symphony.agent.errors import AgentError
from symphony.core.agent import StopKind
from symphony.core.permission import Proposal
from symphony.core.ports import Sandbox
from symphony.core.usage import Usage


@dataclass(frozen=True, slots=True)
class Say:
    """Say something; with `count`, as often, which floods."""

    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class UseTool:
    """Show a tool call of this title, with what it was given and gave, without doing anything."""

    title: str
    kind: str = "other"
    given: Mapping[str, Any] = field(default_factory=dict)
    output: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """Await something on the sandbox and the workspace, as the agent's own work."""

    action: Callable[[Sandbox, Path], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Spend:
    """Report that this was spent, and the window's figures if they are given."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Call:
    """Call one of symphony's tools; the session keeps the answer."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AskPermission:
    """Ask to be allowed something and go on with the answer, which the session keeps."""

    proposal: Proposal


@dataclass(frozen=True, slots=True)
class Hang:
    """Do nothing until the turn is cancelled, and end it as cancelled then."""


@dataclass(frozen=True, slots=True)
class IgnoreCancel:
    """Do nothing, whatever one is told; a cancelled turn then ends as a killed agent's does."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Fail in this way; `AgentExited` and `AgentClosedPipe` end the session for good."""

    error: AgentError


Step: TypeAlias = Say | UseTool | Work | Spend | Call | AskPermission | Hang | IgnoreCancel | Fail


def mark_done(title: str = "Done", summary: str = "Did it.") -> Call:
    """Return the step that says that the work is done."""
    return Call("mark_done", {"title": title, "summary": summary})


def ask(question: str, context: str | None = None) -> Call:
    """Return the step that asks a person."""
    known = {"question": question} if context is None else {"question": question, "context": context}
    return Call("request_human_steering", known)


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens after one prompt."""

    steps: tuple[Step, ...] = ()
    stop: StopKind = StopKind.END_TURN


@dataclass(frozen=True, slots=True)
class Script:
    """What one session does.

    Attributes:
        turns: the last one is repeated as often as there are prompts.
        opening: why the session cannot be opened; None opens it.
        connects: whether it connects to symphony's tools when it opens.
        lost: how its program ends once the session is open; None is that it stays.
        resumes: whether it can go on with a session of an earlier process.
    """

    turns: tuple[Turn, ...] = (Turn((Say("hello"),)),)
    opening: AgentError | None = None
    connects: bool = True
    lost: AgentError | None = None
    resumes: bool = False


def one_turn(*steps: Step, stop: StopKind = StopKind.END_TURN) -> Script:
    """Return the script that does these steps in every turn."""
    return Script((Turn(steps, stop),))
