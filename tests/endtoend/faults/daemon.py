"""`symphony`, with faults that a test asks for by the environment; started by path.

SYMPHONY_FAULT_POINTS: a file that takes a line for each point of the journal that is passed.
SYMPHONY_FAULT_KILL: the point at which the process kills itself, such as `hand_off:intended`.
SYMPHONY_FAULT_CLOCK: a file with two numbers, seconds by which the machine's clock is wrong and
    seconds for which the machine has been suspended; it may change at any time.

The product knows nothing of this: what the process is made of is wrapped before it starts.
"""

import os
import signal
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from symphony.cli import main
from symphony.host import clock
from symphony.store.sqlite import SqliteStore

LEFT_OPEN = "left_open"  # an intent of an earlier run, closed by the recovery
SOON_S = 0.1  # what wakes every few seconds looks so often, for a test to be short


def pass_point(point: str) -> None:
    """Note that this point of the journal was reached, and die there if that was asked for."""
    if path := os.environ.get("SYMPHONY_FAULT_POINTS"):
        with Path(path).open("a") as points:
            points.write(f"{point}\n")
    if os.environ.get("SYMPHONY_FAULT_KILL") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def watch_journal() -> None:
    """Pass a point after each intent, after each effect, and after each result."""
    intend: Callable[..., Awaitable[int]] = SqliteStore.intend
    fulfil: Callable[..., Awaitable[None]] = SqliteStore.fulfil
    actions: dict[int, str] = {}

    async def intended(
        store: SqliteStore, at: datetime, issue_id: str, attempt_id: str, action: str, *rest: Any
    ) -> int:
        number = await intend(store, at, issue_id, attempt_id, action, *rest)
        actions[number] = action
        pass_point(f"{action}:intended")
        return number

    async def fulfilled(store: SqliteStore, intent_id: int, *rest: Any) -> None:
        action = actions.get(intent_id, LEFT_OPEN)
        pass_point(f"{action}:performed")
        await fulfil(store, intent_id, *rest)
        pass_point(f"{action}:fulfilled")

    SqliteStore.intend = intended  # type: ignore[method-assign]
    SqliteStore.fulfil = fulfilled  # type: ignore[method-assign]


def bend_time(path: Path) -> None:
    """Let the clocks of the machine, as the daemon reads them, be off by what the file says."""
    wall, elapsed = clock.wall_time, clock.elapsed_seconds

    def offsets() -> tuple[float, float]:
        wrong, suspended = path.read_text().split()
        return float(wrong), float(suspended)

    def bent_wall() -> datetime:
        return wall() + timedelta(seconds=sum(offsets()))

    def bent_elapsed() -> float:
        return elapsed() + offsets()[1]

    clock.SystemClock.__init__.__defaults__ = (bent_wall, bent_elapsed)  # type: ignore[misc]
    clock.SLICE_SECONDS = SOON_S


if __name__ == "__main__":
    watch_journal()
    if wrong := os.environ.get("SYMPHONY_FAULT_CLOCK"):
        bend_time(Path(wrong))
    main.main()
