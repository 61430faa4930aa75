"""An agent's requests for permission, the rules of the workflow about them, and a person's answers.

[CONTRACT 5.1, ACP session/request_permission]

The rules save a person questions and keep an honest agent on its way; what an agent says of itself is
its own word, so that only the sandbox keeps a hostile one from anything.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

from symphony.core.settings import AcpSettings

Policy: TypeAlias = Literal["allow", "deny", "ask"]


class PermissionAnswer(StrEnum):
    """What a person says to a request."""

    ONCE = "once"
    """Allowed this time; for good where the agent offers nothing less."""
    ALWAYS = "always"
    """Allowed for the session; this time where the agent offers nothing more."""
    DENY = "deny"
    """Refused this time."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an agent wants to be allowed to do, in its own words, made safe to show.

    Attributes:
        title: one line: the tool call.
        kind: ACP's kind of the tool, such as `execute`, `edit`, `fetch`; `other` when it says none.
        subject: the command, path or address that it is about; the title when it names none.
        arguments: all of the call's arguments as text; empty without any.
        lasting: whether the agent offers an answer for the whole session.
    """

    title: str
    kind: str = "other"
    subject: str = ""
    arguments: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """A proposal that waits for a person.

    Attributes:
        id: unique over all attempts and runs.
        answer: set once a person has given it and the attempt does not have it yet.
    """

    id: str
    issue_id: str
    attempt_id: str
    proposal: Proposal
    asked_at: datetime
    answer: PermissionAnswer | None = None

    @property
    def open(self) -> bool:
        """Say whether a person still has to answer."""
        return self.answer is None


OnPermission: TypeAlias = Callable[[Proposal], Awaitable[PermissionAnswer]]
"""Asks a person about a proposal; cancelled when nobody wants the answer any more."""


def policy_of(acp: AcpSettings, proposal: Proposal) -> tuple[Policy, str]:
    """Return how a proposal is answered and by which setting: the first rule that fits, else `permission`."""
    for number, rule in enumerate(acp.permission_rules, 1):
        if rule.kind in (None, proposal.kind) and fnmatchcase(proposal.subject, rule.pattern):
            return rule.answer, f"rule {number} of acp.permission_rules is {rule.answer}"
    return acp.permission, f"acp.permission is {acp.permission}"
