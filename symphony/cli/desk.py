"""Who answers a command: the running daemon if there is one, else the files and the store."""

import platform
import time
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import urlsplit

from symphony.cli.client import DaemonDesk, NotListening
from symphony.cli.errors import CommandError
from symphony.cli.place import Place
from symphony.core.issue import IssueDraft
from symphony.host.lock import DaemonFile, DaemonRunning, read_daemon

READY_BOUND_S: Final = (
    10.0  # a daemon listens, or is gone, some tenths of a second after it says that it runs
)
LOOK_EVERY_S: Final = 0.1

Json = dict[str, Any]
Answer = TypeVar("Answer")


class Desk(Protocol):
    """What a command may ask; both answer in the HTTP API's shapes."""

    @property
    def daemon(self) -> DaemonFile | None:
        """The daemon that answers; None when the files do."""
        ...

    def state(self) -> Json:
        """Return the whole picture."""
        ...

    def detail(self, issue_id: str) -> Json:
        """Return all that is known of one issue."""
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

    def approve(self, issue_id: str) -> Json:
        """Move a proposed issue to where it is worked on and return it."""
        ...

    def command(self, name: str, issue_id: str | None) -> None:
        """Carry out `retry`, `cancel`, `pause`, `resume` or `discard`."""
        ...


def ask(place: Place, question: Callable[[Desk], Answer]) -> Answer:
    """Return what the daemon answers, or the files when there is none.

    Waits, bounded, for a daemon that is just starting or stopping.

    Raises:
        SymphonyError: the answer is a refusal; `daemon_unreachable`, `daemon_elsewhere`.
    """
    give_up_at = time.monotonic() + READY_BOUND_S
    while True:
        daemon = read_daemon(place.installation)
        try:
            if daemon is None:
                return question(_files_of(place))
            if daemon.url is not None:
                return question(DaemonDesk(_reachable(daemon), lambda: place.workflow.settings.server.token))
            reason = "it does not listen yet"
        except NotListening as error:
            reason = str(error)
        except DaemonRunning:
            # it began in between; one that holds only the tracker belongs to another installation
            if read_daemon(place.installation) is None:
                raise
            continue
        if time.monotonic() >= give_up_at:
            raise _unreachable(daemon, reason)
        time.sleep(LOOK_EVERY_S)


def _files_of(place: Place) -> Desk:
    from symphony.cli.offline import FilesDesk  # the tracker and the store: slow to import

    return FilesDesk(place)


def _reachable(daemon: DaemonFile) -> DaemonFile:
    host = urlsplit(daemon.url or "").hostname or ""
    loopback = host == "::1" or host.startswith("127.")
    if daemon.machine != platform.node() and loopback:
        raise CommandError(
            f"The daemon of this installation runs on the machine {daemon.machine} "
            f"(process {daemon.pid}) and listens only there.",
            code="daemon_elsewhere",
            remedy=f"Run this on {daemon.machine}.",
        )
    return daemon


def _unreachable(daemon: DaemonFile | None, reason: str) -> CommandError:
    pid = "?" if daemon is None else daemon.pid
    where = f" at {daemon.url}" if daemon and daemon.url else ""
    return CommandError(
        f"The daemon (process {pid}) cannot be reached{where}: {reason}.",
        code="daemon_unreachable",
        remedy=f"Look into .symphony/logs/symphony.log; `kill {pid}` ends it.",
    )
