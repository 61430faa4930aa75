"""What an attempt has cost, as the agent reports it [CONTRACT 5.4]."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Totals over one attempt or one issue.

    Attributes:
        input_tokens, output_tokens, cached_tokens: counts; cached ones are not in input_tokens.
        cost_usd: as the agent reports it; 0 when it reports none.
        seconds: wall time of turns.
        context_used, context_size: tokens in the session's window now; None when unknown.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0
    context_used: int | None = None
    context_size: int | None = None

    @property
    def tokens(self) -> int:
        """All tokens that count against a budget."""
        return self.input_tokens + self.output_tokens + self.cached_tokens

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
        )
