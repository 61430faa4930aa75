"""What agents report of tokens, cost and context, made into totals that never count twice.

Pure: the session feeds it what came over the wire, bounded and unchecked [CONTRACT 5.4].
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from symphony.agent.adapters import TokenScope
from symphony.core.usage import Usage

MOST_TOKENS = 10**12  # no session is larger; a larger number is a broken report


class Counter:
    """A total that grows with an absolute one which may be repeated, or fall.

    A fall counts nothing: after a compaction or a restart of the agent's own count, growth is
    counted from the new level on.
    """

    def __init__(self, *, unknown_start: bool = False) -> None:
        """Start at nothing; with `unknown_start` the first report only says where it stands."""
        self.total = 0.0
        self._level: float | None = None if unknown_start else 0.0

    def report(self, level: float) -> None:
        """Take the agent's latest absolute value."""
        if self._level is not None and level > self._level:
            self.total += level - self._level
        self._level = level


class Meter:
    """The totals of one session, and of the turn that is running."""

    def __init__(
        self, scope: TokenScope = TokenScope.TURN, *, resumed: bool = False, cost_survives_load: bool = False
    ) -> None:
        """Start at nothing.

        Args:
            scope: what token counts are a total of.
            resumed: the session had turns in an earlier process.
            cost_survives_load: the cost then includes that of those turns.
        """
        self._scope = scope
        unknown = resumed and scope is TokenScope.SESSION
        self._counters = {
            name: Counter(unknown_start=unknown)
            for name in ("input_tokens", "output_tokens", "cached_tokens")
        }
        self._turns = Usage()
        self._cost = Counter(unknown_start=resumed and cost_survives_load)
        self._window: tuple[int | None, int | None] = (None, None)
        self._filled = Counter(unknown_start=resumed)
        self._turn_start = Usage()

    def begin_turn(self) -> None:
        """Note where the running turn starts."""
        self._turn_start = self.totals

    def update(self, report: Mapping[str, Any]) -> None:
        """Take a `usage_update`: the window, which may shrink, and the cumulative cost."""
        used, size = _count(report.get("used")), _count(report.get("size"))
        self._window = (
            self._window[0] if used is None else used,
            size or self._window[1],
        )
        if used is not None:
            self._filled.report(used)
        cost = report.get("cost")
        if isinstance(cost, Mapping) and str(cost.get("currency", "")).upper() == "USD":
            amount = _amount(cost.get("amount"))
            if amount is not None:
                self._cost.report(amount)

    def answer(self, report: Mapping[str, Any]) -> None:
        """Take the `usage` of a prompt's answer."""
        tokens = normalise(report)
        if self._scope is TokenScope.TURN:
            self._turns = self._turns.plus(tokens)
            return
        for name, counter in self._counters.items():
            counter.report(getattr(tokens, name))

    @property
    def totals(self) -> Usage:
        """The session's totals so far.

        Most agents count tokens at the end of a turn; until then what has come into the window counts.
        """
        counted = {name: int(counter.total) for name, counter in self._counters.items()}
        reported = self._turns.plus(Usage(**counted))
        return replace(
            reported,
            seen_tokens=max(0, int(self._filled.total) - reported.tokens),
            cost_usd=self._cost.total,
            context_used=self._window[0],
            context_size=self._window[1],
        )

    @property
    def turn(self) -> Usage:
        """What the running turn has added; the window's figures are as they are now."""
        now, before = self.totals, self._turn_start
        return replace(
            now,
            input_tokens=now.input_tokens - before.input_tokens,
            output_tokens=now.output_tokens - before.output_tokens,
            cached_tokens=now.cached_tokens - before.cached_tokens,
            seen_tokens=max(0, now.seen_tokens - before.seen_tokens),
            cost_usd=max(0.0, now.cost_usd - before.cost_usd),
        )


def normalise(report: Mapping[str, Any]) -> Usage:
    """Return a prompt answer's token counts with nothing in two of them.

    Agents differ in whether input includes what came from a cache and output the thoughts;
    the reported total tells, where there is one.
    """
    fresh = _count(report.get("inputTokens")) or 0
    output = _count(report.get("outputTokens")) or 0
    thoughts = _count(report.get("thoughtTokens")) or 0
    read = _count(report.get("cachedReadTokens")) or 0
    written = _count(report.get("cachedWriteTokens")) or 0
    total = _count(report.get("totalTokens"))
    cached = read + written
    if total is not None and cached and total in (fresh + output, fresh + output + thoughts):
        fresh = max(0, fresh - cached)
    if total is not None and thoughts and total == fresh + cached + output + thoughts:
        output += thoughts
    return Usage(input_tokens=fresh, output_tokens=output, cached_tokens=cached)


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def _amount(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)
