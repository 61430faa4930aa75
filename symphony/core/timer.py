"""When the scheduler has to look again although nothing happened."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from symphony.core.claim import Continuing, Phase, Retrying, Running, Waiting
from symphony.core.decide.reconcile import GONE_GRACE
from symphony.core.scheduler import SchedulerState

HOST_LOOK = timedelta(seconds=5)  # soon enough after memory or disk became free, and no load


def next_due(state: SchedulerState, now: datetime) -> datetime | None:
    """Return the earliest time after `now` at which something in the state falls due, or None.

    What is due already and still there waits for something else, such as a slot.
    """
    return min((due for due in _due_times(state) if due > now), default=None)


def _due_times(state: SchedulerState) -> Iterator[datetime]:
    if state.drain_deadline is not None:
        yield state.drain_deadline
    yield from state.adapter_pauses.values()
    if (state.waits_for_memory or state.was_low) and state.host_seen_at is not None:
        yield state.host_seen_at + HOST_LOOK
    for record in state.records.values():
        match record.claim:
            case Retrying(due_at=due) | Continuing(due_at=due):
                yield due
            case Running(stopping=None) as running:
                yield from _attempt_due(running)
            case Waiting(attempt=Running(stopping=None, missing_since=since)) if since:
                yield since + GONE_GRACE
            case _:
                pass


def _attempt_due(running: Running) -> Iterator[datetime]:
    if running.missing_since is not None:
        yield running.missing_since + GONE_GRACE
    if running.stall_timeout_ms > 0 and running.phase is Phase.TURN and not running.permissions:
        yield running.last_event_at + timedelta(milliseconds=running.stall_timeout_ms)
