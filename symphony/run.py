"""A run as the person sees it who started it: what they asked for, what they are told, how they end it.

Called by `app`; the command line takes it up.
"""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from symphony.core.decide import DRAIN_GRACE
from symphony.core.event import DrainAsked
from symphony.core.idle import Idleness
from symphony.core.installation import Installation
from symphony.core.workflow import Workflow
from symphony.engine.mailbox import Mailbox

EXIT_DONE, EXIT_NEEDS_A_PERSON = 0, 3

LAST_WORDS = {
    Idleness.DONE: "nothing is left to do",
    Idleness.NEEDS_A_PERSON: "nothing moves until you act; `symphony inbox` shows what is needed",
    Idleness.BUSY: "stopped before all was done; `symphony status` shows what is left",
}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says about a run.

    Attributes:
        port: beats `server.port`.
        sandbox: beats `sandbox`, at every reload too.
    """

    workflow: Path
    port: int | None = None
    verbose: bool = False
    until_idle: bool = False
    sandbox: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon that is ready, as the banner shows it."""

    workflow: Workflow
    installation: Installation
    url: str
    isolation: str
    notes: tuple[str, ...]


class Console(Protocol):
    """Where a run speaks to the person who started it."""

    def ready(self, running: Running) -> None:
        """Say once that the daemon is ready."""
        ...

    def tell(self, line: str) -> None:
        """Say something that needs a person, or awaits one."""
        ...


def last_words(verdict: Idleness, console: Console) -> int:
    """Say why a run ends that was to end by itself; return its exit status [CONTRACT 1.1]."""
    console.tell(LAST_WORDS[verdict])
    return EXIT_NEEDS_A_PERSON if verdict is Idleness.NEEDS_A_PERSON else EXIT_DONE


@contextmanager
def signals_of_a_person(mailbox: Mailbox, console: Console) -> Iterator[None]:
    """Hear the signals that end a run. First: drain. Second: skip the grace."""
    loop = asyncio.get_running_loop()
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            grace = f"{DRAIN_GRACE.total_seconds():.0f} s"
            console.tell(f"stopping: attempts have {grace} to end; a second signal ends them now")
        mailbox.post(DrainAsked(now=asked > 1))

    caught = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in caught:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
