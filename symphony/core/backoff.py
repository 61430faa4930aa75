"""How long a failed issue waits before it is tried again [CONTRACT 4.5]."""

from datetime import timedelta

FIRST_DELAY = timedelta(seconds=10)
CONTINUATION_DELAY = timedelta(seconds=1)  # lets a file that the agent just moved be seen first
REST_UNTOLD = timedelta(minutes=5)  # of a model that does not say until when it refuses
REST_LEAST = timedelta(seconds=10)  # no failure is counted for it, so that it must not go round at once
REST_MOST = timedelta(days=30)  # longer than any quota; a later reset is a misread number
MOST_DOUBLINGS = 40  # beyond any configured ceiling, and small enough not to overflow a timedelta


def retry_delay(failures: int, ceiling_ms: int) -> timedelta:
    """Return min(10 s x 2^(n-1), ceiling) for the n-th failure in a row, n >= 1."""
    doublings = min(max(failures, 1) - 1, MOST_DOUBLINGS)
    ceiling = timedelta(milliseconds=ceiling_ms)
    seconds = FIRST_DELAY.total_seconds() * 2.0**doublings
    return ceiling if seconds >= ceiling.total_seconds() else timedelta(seconds=seconds)


def rest(told_s: float | None) -> timedelta:
    """Return how long a model rests that refuses for now, by what its agent says of that."""
    if not told_s or not 0 < told_s < REST_MOST.total_seconds():
        return REST_UNTOLD
    return max(REST_LEAST, timedelta(seconds=told_s))
