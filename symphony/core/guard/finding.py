"""One thing that a guard rail found: what, by which rule and where, and never the secret itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from symphony.core.text import one_line

EXCERPT_LIMIT: Final = 120  # characters
PLACE_LIMIT: Final = 300


class FindingKind(StrEnum):
    """What a finding is about."""

    SECRET = "secret"  # noqa: S105 - the word
    """A key, a password or a token."""
    COMMAND = "command"
    """A command that destroys or escapes."""
    PATH = "path"
    """A write outside the workspace."""
    INJECTION = "injection"
    """A text that speaks to the agent in somebody else's name."""


@dataclass(frozen=True, slots=True)
class Match:
    """What a detector found in one text.

    Attributes:
        start, end: where, in characters of the text; both 0 when it is the text as a whole.
        excerpt: safe to show: what it is about, without any secret.
    """

    rule: str
    excerpt: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that a person should know of.

    Attributes:
        rule: the rule's name, which `guard.allow` may have.
        place: the tool call or the file that it was found in.
        line: of a file; 0 where there are no lines.
        excerpt: one line to recognise it by, without any secret.
    """

    kind: FindingKind
    rule: str
    place: str
    line: int = 0
    excerpt: str = ""

    @classmethod
    def of(cls, kind: FindingKind, match: Match, place: str, line: int = 0) -> "Finding":
        """Return what a detector found as something to show and to keep."""
        excerpt = one_line(match.excerpt, EXCERPT_LIMIT)
        return cls(kind, match.rule, one_line(place, PLACE_LIMIT), line, excerpt)

    @property
    def where(self) -> str:
        """The place, with the line where there is one."""
        return f"{self.place}:{self.line}" if self.line else self.place

    def __str__(self) -> str:
        """Return one line for people."""
        said = f": {self.excerpt}" if self.excerpt else ""
        return f"{self.kind}, {self.rule}, in {self.where}{said}"
