"""What an issue has used over time, as the points of a small line; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from symphony.core.ports import AttemptRow
from symphony.core.snapshot import RunningView

WIDTH: Final = 600
HEIGHT: Final = 60
POINTS: Final = 200


@dataclass(frozen=True, slots=True)
class UsageChart:
    """Tokens over time, summed up over the attempts.

    Attributes:
        line: the points as SVG has them.
        top: tokens at the end, which is the height of the picture.
        bars: where an attempt begins, from the left.
    """

    line: str
    top: int
    first: datetime
    last: datetime
    bars: tuple[float, ...]


def usage_chart(attempts: Sequence[AttemptRow], running: RunningView | None) -> UsageChart | None:
    """Return the chart; None before there is anything to draw."""
    points: list[tuple[datetime, int]] = []
    shown = attempts[-POINTS:]
    tokens = sum(row.usage.tokens for row in attempts[: -len(shown)]) if shown else 0
    for row in shown:
        points.append((row.started_at, tokens))
        ended, usage = row.ended_at, row.usage
        if ended is None and running is not None and running.attempt_id == row.id:
            ended, usage = running.last_event_at, running.usage
        if ended is not None:
            tokens += usage.tokens
            points.append((max(ended, row.started_at), tokens))
    if not tokens:
        return None
    first, last = points[0][0], max(moment for moment, _ in points)
    span = (last - first).total_seconds() or 1.0

    def across(moment: datetime) -> float:
        return round(WIDTH * (moment - first).total_seconds() / span, 1)

    drawn = [f"{across(moment)},{round(HEIGHT * (1 - value / tokens), 1)}" for moment, value in points]
    return UsageChart(" ".join(drawn), tokens, first, last, tuple(across(row.started_at) for row in shown))
