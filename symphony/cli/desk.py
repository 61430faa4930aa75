"""Who answers a command: the running daemon if there is one, else the files and the store."""

import platform
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from symphony.cli.client import DaemonDesk, NotListening
from symphony.cli.errors import CommandError, lines_of
from symphony.cli.place import Place
from symphony.core.errors import SymphonyError
from symphony.core.issue import IssueDraft
from symphony.host.lock import DaemonFile, DaemonRunning, read_daemon

READY_BOUND_S: Final = 10.0  # a daemon listens, or is gone, some tenths of a second after it says so
LOOK_EVERY_S: Final = 0.1
NO_ANSWER: Final = frozenset({"daemon_elsewhere", "daemon_silent", "daemon_unreachable"})

Json = dict[str, Any]
Answer = TypeVar("Answer")


class Desk(Protocol):
    """What a command may ask; both kinds answer in the HTTP API's shapes."""

    @property
    def daemon(self) -> DaemonFile | None:
        """The daemon that runs; None when none does."""
        ...

    @property
    def live(self) -> bool:
        """Whether it is the daemon that answers."""
        ...

    def state(self) -> Json:
        """Return the whole picture."""
        ...

    def detail(self, issue_id: str) -> Json:
        """Return all that is known of one issue."""
        ...

    def explain(self, issue_id: str) -> Json:
        """Return where an issue stands and what happens next."""
        ...

    def create(self, draft: IssueDraft) -> Json:
        """Write an issue and return it."""
        ...

    def reply(self, issue_id: str, text: str) -> None:
        """Answer the issue's open question."""
        ...

    def move(self, issue_id: str, state: str) -> Json:
        """Move the issue's file and return the issue."""
        ...

    def approve(self, issue_id: str) -> Json | None:
        """Move a proposed issue to where it is worked on, or let held work out; return the issue."""
        ...

    def reject(self, issue_id: str, text: str, to: str | None) -> Json:
        """Send delivered work back with a reviewer's words and return the issue."""
        ...

    def access(self, issue_id: str, host: str, decision: str) -> Json:
        """Open or close a host and return what became of it."""
        ...

    def budget(self, issue_id: str, given: Mapping[str, str]) -> Json:
        """Give an issue ceilings of its own and return where its budget stands."""
        ...

    def permit(self, issue_id: str, request_id: str | None, answer: str) -> None:
        """Answer a request for permission; None is the issue's only open one."""
        ...

    def sweep(self, *, dry_run: bool) -> Json:
        """Remove from the disk what may go, or only say what would, and return that."""
        ...

    def train(self) -> Json:
        """Return how the merge train stands."""
        ...

    def reset_train(self) -> Json:
        """Move the merge train to its base and return what that left out."""
        ...

    def restore(self, name: str) -> None:
        """Put the prepared copy in the store's place; a daemon has only begun to when this returns."""
        ...

    def command(self, name: str, issue_id: str | None) -> None:
        """Carry out `retry`, `cancel`, `pause`, `resume` or `discard`."""
        ...


def read(place: Place, question: Callable[[Desk], Answer]) -> Answer:
    """Return what the daemon answers, or the files when there is none or it does not answer.

    In the last case a line on stderr says so.

    Raises:
        SymphonyError: the answer is a refusal.
    """
    try:
        return act(place, question)
    except CommandError as error:
        if error.code not in NO_ANSWER:
            raise
        with suppress(OSError, ValueError):
            sys.stderr.write(f"{lines_of(error)[0]} What follows is read from the files.\n")
        return question(_files_of(place, read_daemon(place.installation)))


def act(place: Place, command: Callable[[Desk], Answer]) -> Answer:
    """Return what the daemon answers, or the files when none runs.

    Waits, bounded, for a daemon that is just starting or stopping.

    Raises:
        SymphonyError: the answer is a refusal; `daemon_unreachable`, `daemon_silent`,
            `daemon_elsewhere`.
    """
    give_up_at = time.monotonic() + READY_BOUND_S
    while True:
        daemon = read_daemon(place.installation)
        try:
            if daemon is None:
                return command(_files_of(place, None))
            if daemon.url is not None:
                return command(DaemonDesk(_here(daemon), lambda: place.workflow.settings.server.token))
            refusal: SymphonyError = _unreachable(place, daemon, "it does not listen yet")
        except NotListening as error:
            refusal = _unreachable(place, daemon, str(error))
        except DaemonRunning as error:
            # it began in between; one that holds only the tracker belongs to another installation
            if read_daemon(place.installation) is None:
                raise
            refusal = error
        if time.monotonic() >= give_up_at:
            raise refusal
        time.sleep(LOOK_EVERY_S)


def _files_of(place: Place, daemon: DaemonFile | None) -> Desk:
    from symphony.cli.offline import FilesDesk  # the tracker and the store: slow to import

    return FilesDesk(place, daemon)


def _here(daemon: DaemonFile) -> DaemonFile:
    host = urlsplit(daemon.url or "").hostname or ""
    if daemon.machine == platform.node() or not (host == "::1" or host.startswith("127.")):
        return daemon
    raise CommandError(
        f"The daemon (process {daemon.pid}) runs on the machine {daemon.machine} and listens only there.",
        code="daemon_elsewhere",
        remedy=f"Run this on {daemon.machine}.",
    )


def _unreachable(place: Place, daemon: DaemonFile | None, reason: str) -> CommandError:
    pid = "?" if daemon is None else daemon.pid
    where = f" at {daemon.url}" if daemon and daemon.url else ""
    return CommandError(
        f"The daemon (process {pid}) cannot be reached{where}: {reason}.",
        code="daemon_unreachable",
        remedy=f"Its log is {place.installation.log_file}; `kill {pid}` ends it.",
    )
