"""Work that a request began and that is carried through, whether or not its client still waits."""

import asyncio
from typing import TypeVar

from symphony.web.errors import Refusal

T = TypeVar("T")


async def result_of(begun: "asyncio.Task[T]", bound_s: float, remedy: str) -> T:
    """Return what it gives, within the bound; it goes on past that.

    Raises:
        Refusal: 504 when it takes too long, 503 when it was cancelled because the daemon stops.
    Cancellation: the work goes on.
    """
    done, _ = await asyncio.wait({begun}, timeout=bound_s)
    if not done:
        raise Refusal(
            504,
            "timed_out",
            f"symphony has not finished this within {bound_s:g} s and goes on with it.",
            remedy=remedy,
        )
    if begun.cancelled():
        raise Refusal(503, "draining", "symphony is stopping and has not finished this.")
    return begun.result()
