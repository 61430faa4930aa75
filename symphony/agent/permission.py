"""How an agent's permission request is answered [CONTRACT 5.1, ACP session/request_permission].

Pure; the session asks it and answers the agent.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ALLOW = ("allow_always", "allow_once")
REJECT = ("reject_once", "reject_always")


@dataclass(frozen=True, slots=True)
class PermissionChoice:
    """One answer that the agent offers."""

    id: str
    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """What the agent wants to be allowed to do.

    Attributes:
        session_id: the agent's name for the session.
        cwd: the workspace as the agent sees it.
        title: one line: the tool call.
    """

    session_id: str
    cwd: Path
    title: str
    choices: tuple[PermissionChoice, ...]


OnPermission = Callable[[PermissionRequest], Awaitable[bool]]
"""Asks a person; True allows."""


def allow(choices: Sequence[PermissionChoice]) -> PermissionChoice | None:
    """Return what allows, for good where it is offered; None when nothing does."""
    return _first(choices, ALLOW)


def deny(choices: Sequence[PermissionChoice]) -> PermissionChoice | None:
    """Return what refuses this once, else for good; None when nothing does but cancelling."""
    return _first(choices, REJECT)


def known_kind(kind: str) -> str:
    """Return the nearest kind that ACP's schema knows, for agents that are ahead of it."""
    if kind in ALLOW or kind in REJECT:
        return kind
    return "allow_once" if kind.startswith("allow") else "reject_once"


def _first(choices: Sequence[PermissionChoice], kinds: Sequence[str]) -> PermissionChoice | None:
    return next((choice for kind in kinds for choice in choices if choice.kind == kind), None)
