"""What an agent's permission request says, and which of its options an answer is.

[CONTRACT 5.1, ACP session/request_permission]. Pure; the session asks it and answers the agent.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from symphony.core.permission import Proposal
from symphony.core.text import one_line, plain

ALLOW: Final = ("allow_always", "allow_once")
ALLOW_ONCE: Final = ("allow_once", "allow_always")
REJECT: Final = ("reject_once", "reject_always")
SUBJECTS: Final = ("command", "cmd", "file_path", "filePath", "path", "filename", "url", "query", "pattern")
OWN_TOOL: Final = re.compile(r"(?:mcp__symphony__|Tool: symphony/|symphony_)[a-z_]+")  # as the three say it
SUBJECT_LIMIT: Final = 4_000  # characters; a rule sees no more, and neither does a person
ARGUMENTS_LIMIT: Final = 8_000


@dataclass(frozen=True, slots=True)
class PermissionChoice:
    """One answer that the agent offers."""

    id: str
    name: str
    kind: str


def read_proposal(
    call: Mapping[str, Any],
    choices: Sequence[PermissionChoice],
    known: Mapping[str, Any] = MappingProxyType({}),
) -> Proposal:
    """Return what a tool call, as ACP has it, proposes; what it leaves out or has otherwise is not said.

    Args:
        call: as the request has it.
        choices: what the agent takes for an answer.
        known: what the agent told of the call before.
    """
    whole = {**call, **known}  # some requests have a name of their own for what the call has a better one
    title = one_line(_text(whole.get("title")) or _text(call.get("toolCallId")) or "a tool call")
    given = whole.get("rawInput")
    return Proposal(
        title=title,
        kind=one_line(_text(whole.get("kind")) or "other", 40),
        subject=plain(next(_subjects(given, whole.get("locations")), title), SUBJECT_LIMIT),
        arguments=plain(_arguments(given), ARGUMENTS_LIMIT),
        lasting=any(choice.kind == "allow_always" for choice in choices),
    )


def is_own_tool(proposal: Proposal) -> bool:
    """Say whether an agent asks to use one of symphony's own tools, which it was given to use."""
    return OWN_TOOL.fullmatch(proposal.title) is not None


def allow(choices: Sequence[PermissionChoice]) -> PermissionChoice | None:
    """Return what allows, for good where it is offered; None when nothing does."""
    return _first(choices, ALLOW)


def allow_once(choices: Sequence[PermissionChoice]) -> PermissionChoice | None:
    """Return what allows this time, for good where nothing less is offered; None when nothing does."""
    return _first(choices, ALLOW_ONCE)


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


def _subjects(given: Any, locations: Any) -> Iterator[str]:
    if isinstance(given, Mapping):
        for name in SUBJECTS:
            value = given.get(name)
            if isinstance(value, list) and all(isinstance(word, str) for word in value):
                value = " ".join(value)
            if isinstance(value, str) and value.strip():
                yield value.strip()
    for location in locations if isinstance(locations, list) else ():
        if isinstance(location, Mapping) and (path := _text(location.get("path"))):
            yield path


def _arguments(given: Any) -> str:
    if given in (None, {}, []):
        return ""
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, indent=1, default=str)


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
