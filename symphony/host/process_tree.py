"""Finds and ends processes that belong together, however far they have run from each other.

Called by `host.process` for what one program started and by the local sandbox for what a
whole sandbox or a dead daemon left behind. It never signals this process or its ancestors.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import psutil

POLL = 0.02  # seconds between two looks at processes that are not children and cannot be awaited
TERM_GRACE = 2.0  # seconds for a program to write its state and leave after SIGTERM
KILL_WAIT = 5.0  # seconds in which the kernel removes killed processes; more means a stuck device

Find = Callable[[], Sequence[psutil.Process]]


def find_family(environment: Mapping[str, str], *, group: int | None = None) -> tuple[psutil.Process, ...]:
    """Return the living processes that were started with all of these variables, and their offspring.

    Args:
        environment: names and values; a child keeps them even when it calls setsid or its
            parent dies. Empty matches nothing.
        group: a process group and session whose members belong to the family as well.
    """
    strangers = _self_and_ancestors()
    living: dict[int, psutil.Process] = {}
    family: set[int] = set()
    parents: dict[int, int] = {}
    for pid in psutil.pids():
        if pid in strangers:
            continue
        with suppress(psutil.Error, OSError):
            process = psutil.Process(pid)
            with process.oneshot():
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                living[pid], parents[pid] = process, process.ppid()
            if _in_group(pid, group) or _carries(process, environment):
                family.add(pid)
    grown = True
    while grown:
        offspring = {pid for pid, parent in parents.items() if parent in family} - family
        family |= offspring
        grown = bool(offspring)
    return tuple(living[pid] for pid in sorted(family))


async def end_all(find: Find, *, term_grace: float = TERM_GRACE) -> tuple[int, ...]:
    """End every process that `find` returns, and again until it returns none.

    SIGTERM first and `term_grace` seconds, then SIGKILL for at most `KILL_WAIT` seconds, since
    what is being ended may start more. `find` is called in a thread.

    Returns:
        The ids of what was alive at the first look.
    """
    first = await asyncio.to_thread(find)
    if not first:
        return ()
    await asyncio.to_thread(send_signal, first, signal.SIGTERM)
    await _gone_within(first, term_grace)
    with suppress(TimeoutError):
        async with asyncio.timeout(KILL_WAIT):
            while left := await asyncio.to_thread(find):
                await asyncio.to_thread(send_signal, left, signal.SIGKILL)
                await _gone_within(left, POLL)
    return tuple(process.pid for process in first)


def send_signal(processes: Iterable[psutil.Process], signum: signal.Signals) -> None:
    """Signal the processes by whole groups, so that none escapes by forking meanwhile.

    A process of another session than ours shares its group only with its own kin; one of our
    session is signalled alone.
    """
    groups: set[int] = set()
    for process in processes:
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == os.getsid(0):
                process.send_signal(signum)
            else:
                groups.add(os.getpgid(process.pid))
    for group in groups:
        with suppress(OSError):
            os.killpg(group, signum)


def group_exists(group: int) -> bool:
    """Say whether a process group has members, zombies that await their parent included."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


async def _gone_within(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Return when all of them have ended, or after `seconds`."""
    left = list(processes)
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while left := await asyncio.to_thread(_living, left):  # noqa: ASYNC110  not our children
                await asyncio.sleep(POLL)


def _living(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    return [process for process in processes if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _self_and_ancestors() -> frozenset[int]:
    strangers = {0, 1}
    process: psutil.Process | None = psutil.Process()
    with suppress(psutil.Error):  # an ancestor that ends meanwhile ends the line
        while process is not None:
            strangers.add(process.pid)
            process = process.parent()
    return frozenset(strangers)


def _in_group(pid: int, group: int | None) -> bool:
    return group is not None and (os.getpgid(pid) == group or os.getsid(pid) == group)


def _carries(process: psutil.Process, environment: Mapping[str, str]) -> bool:
    """Say whether it was started with these variables; one that we may not look into was not."""
    if not environment:
        return False
    try:
        carried = process.environ()
    except psutil.Error:
        return False
    return all(carried.get(name) == value for name, value in environment.items())
