"""What a reviewer of delivered work is told, and what they say to it [CONTRACT 9.1, 9.4]."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from symphony.core.guard.finding import Finding
from symphony.core.usage import Usage

WORDS_LIMIT: Final = 65_536  # characters that an agent is sent of one review


@dataclass(frozen=True, slots=True)
class Background:
    """What is known of a piece of work when it is handed over.

    Attributes:
        issue_title, issue_text: of the issue as it was; empty when its file was gone.
        summary: what the agent said of its work, and nothing else.
        attempts: how many there were.
        usage: what all of them have cost.
        findings: of the guard rails.
    """

    issue_title: str = ""
    issue_text: str = ""
    summary: str = ""
    attempts: int = 0
    usage: Usage = Usage()
    findings: tuple[Finding, ...] = ()


UNKNOWN: Final = Background()


@dataclass(frozen=True, slots=True)
class Comment:
    """What a reviewer wrote into the patch.

    Attributes:
        file: that the comment stands in; empty outside of any.
        line: of that file, 1 for the first; 0 where there is none.
        above: the line of the patch that it is about.
        number: of its own first line in the patch, 1 for the first.
    """

    file: str
    line: int
    above: str
    text: str
    number: int

    @property
    def where(self) -> str:
        """Its place, for people and agents."""
        if not self.file:
            return "outside of the files"
        return f"{self.file}:{self.line}" if self.line else self.file


def review_words(words: str, comments: Sequence[Comment]) -> str:
    """Return all that a reviewer says as one text: their words, then each comment with its place."""
    parts = [words.strip("\n")] if words.strip() else []
    parts += [
        f"{comment.where}, at this line of the patch:\n\n    {comment.above}\n\n{comment.text}"
        for comment in comments
    ]
    return "\n\n".join(parts)
