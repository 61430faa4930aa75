"""What an attempt has cost, as the agent reports it [CONTRACT 5.4]."""

import math
from dataclasses import dataclass, replace
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals over one attempt or one issue.

    Attributes:
        input_tokens, output_tokens, cached_tokens: counts; cached ones are not in input_tokens.
        cost_usd: as the agent reports it; 0 when it reports none.
        seconds: wall time of turns.
        context_used, context_size: tokens in the session's window now; None when unknown.
        seen_tokens: that no report has counted yet, though the window was seen to fill with them.
        tool_calls: that the agent has shown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    context_used: int | None = None
    context_size: int | None = None
    seen_tokens: int = 0
    tool_calls: int = 0

    @property
    def tokens(self) -> int:
        """All tokens that count against a budget."""
        return self.reported_tokens + self.seen_tokens

    @property
    def reported_tokens(self) -> int:
        """The tokens that the agent has reported, kind by kind."""
        return self.input_tokens + self.output_tokens + self.cached_tokens

    def raised_to(self, report: "Usage") -> "Usage":
        """Return the larger of both in each figure, and the report's window.

        What an agent reports may be negative, no number or less than before: it lowers nothing.
        """
        raised = Usage(
            _larger(self.input_tokens, report.input_tokens),
            _larger(self.output_tokens, report.output_tokens),
            _larger(self.cached_tokens, report.cached_tokens),
            _larger(self.cost_usd, report.cost_usd),
            _larger(self.seconds, report.seconds),
            self.context_used if report.context_used is None else report.context_used,
            self.context_size if report.context_size is None else report.context_size,
        )
        seen = max(self.tokens, report.tokens) - raised.tokens  # what is reported now was seen before
        calls = max(self.tool_calls, report.tool_calls)
        return replace(raised, seen_tokens=max(0, seen), tool_calls=calls)

    def plus(self, other: "Usage") -> "Usage":
        """Return the sum; the window's figures are the other's when it has them."""
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cost_usd + other.cost_usd,
            self.seconds + other.seconds,
            self.context_used if other.context_used is None else other.context_used,
            self.context_size if other.context_size is None else other.context_size,
            self.seen_tokens + other.seen_tokens,
            self.tool_calls + other.tool_calls,
        )


Figure = TypeVar("Figure", int, float)


def _larger(known: Figure, reported: Figure) -> Figure:
    return reported if math.isfinite(reported) and reported > known else known
