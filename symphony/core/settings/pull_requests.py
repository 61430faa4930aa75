"""How open pull requests are watched, and what sends work back to its agent."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from symphony.core.settings.base import Natural, Section, Words, digits

SHORTEST_MS = 10_000  # forges count requests by the hour, and a look is five of them


class PullRequestsSettings(Section):
    """The way back from a pull request to the issue [CONTRACT 9.5]."""

    watch: bool = False
    """Whether open pull requests are looked at: merged or closed ends the issue, the rest sends it back."""

    interval_ms: Annotated[int, BeforeValidator(digits), Field(ge=SHORTEST_MS)] = 60_000
    """Milliseconds between two looks. What is new goes back once nothing was added between two of them."""

    authors: Annotated[Words, Field(examples=[["ada", "bob"]])] = ()
    """Whose reviews and comments the agent is told; nobody else's reach it, and by default nobody's do."""

    checks: bool = True
    """Whether checks that fail send the work back, once all of a commit's have ended."""

    conflicts: bool = True
    """Whether a conflict with the base sends the work back, with the names of the files."""

    max_reopenings: Natural = 5
    """How often one pull request may send its issue back; then it waits for a person."""
