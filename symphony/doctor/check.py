"""One check: a name, a bound and what it finds; and how checks run side by side.

It must never hang: a check that finds nothing within its bound has failed.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from symphony.core.errors import SymphonyError

T = TypeVar("T")


class Status(StrEnum):
    """How a check came out; later ones are worse."""

    SKIPPED = "skipped"
    """It does not concern what is set, or needs what another check missed."""
    OK = "ok"
    WARNING = "warning"
    """Worth knowing; symphony may work all the same."""
    FAILED = "failed"


WORSE = tuple(Status)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        found: what there is, a line for each thing.
        remedy: what to do; empty when nothing is to be done.
    """

    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at.

    Attributes:
        bound_s: seconds after which it has failed.
        look: returns what it finds; an expected error is a failed check.
    """

    name: str
    bound_s: float
    look: Callable[[], Awaitable[Finding]]


@dataclass(frozen=True, slots=True)
class Result:
    """A check that was run.

    Attributes:
        seconds: that it took.
    """

    name: str
    finding: Finding
    seconds: float


def ok(found: str) -> Finding:
    """Return that all is well."""
    return Finding(Status.OK, found)


def warning(found: str, remedy: str) -> Finding:
    """Return something worth knowing."""
    return Finding(Status.WARNING, found, remedy)


def failed(found: str, remedy: str) -> Finding:
    """Return something that keeps symphony from working."""
    return Finding(Status.FAILED, found, remedy)


def skipped(why: str) -> Finding:
    """Return that there was nothing to look at, and why."""
    return Finding(Status.SKIPPED, why)


def together(findings: Iterable[Finding]) -> Finding:
    """Return several findings as one: as bad as the worst, all that was found, each remedy once."""
    parts = list(dict.fromkeys(findings))
    worst = max((part.status for part in parts), key=WORSE.index)
    remedies = dict.fromkeys(part.remedy for part in parts if part.remedy)
    return Finding(worst, "; ".join(part.found for part in parts), " ".join(remedies))


async def run_checks(checks: Iterable[Check], clock: Callable[[], float]) -> list[Result]:
    """Run checks side by side and return their results in the same order.

    Cancellation: each one is cancelled and ends first.
    """
    async with asyncio.TaskGroup() as scope:
        tasks = [scope.create_task(run_check(check, clock)) for check in checks]
    return [task.result() for task in tasks]


async def run_check(check: Check, clock: Callable[[], float]) -> Result:
    """Run one check within its bound."""
    began = clock()
    try:
        async with asyncio.timeout(check.bound_s):
            finding = await check.look()
    except TimeoutError:
        finding = failed(
            f"nothing was found out within {check.bound_s:g} s",
            "Look whether this machine is overloaded, or a disk or a network mount does not answer.",
        )
    except SymphonyError as error:
        finding = failed(error.message, error.remedy)
    except OSError as error:
        finding = failed(str(error), "Look at the file system and its rights.")
    return Result(check.name, finding, clock() - began)


async def in_thread(work: Callable[[], T]) -> T:
    """Return what blocking work returns; a thread that hangs does not keep the process from ending."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    outcome: Future[T] = Future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    def run() -> None:
        try:
            outcome.set_result(work())
        except Exception as error:  # noqa: BLE001 - raised again where the work is awaited
            outcome.set_exception(error)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(end)

    threading.Thread(target=run, daemon=True).start()
    await ended
    return outcome.result()
