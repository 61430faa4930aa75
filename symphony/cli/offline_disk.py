"""The disk without a daemon: the same look and the same removals, made here under its lock."""

from datetime import datetime
from typing import Any

from symphony.cli.place import Place
from symphony.core.ports import Storage, Store
from symphony.core.retention import RetentionReport
from symphony.core.scheduler import SchedulerState
from symphony.engine.disk_look import DiskLook, Handoffs
from symphony.engine.retention import Retention
from symphony.host.clock import SystemClock
from symphony.upkeep import storages_of
from symphony.workspace.workspaces import GitWorkspaces


class NoLog:
    """The daemon's log is the daemon's: what is said here is in the report."""

    def info(self, event: str, **fields: Any) -> None:
        """Say nothing."""

    def warning(self, event: str, **fields: Any) -> None:
        """Say nothing."""

    def error(self, event: str, **fields: Any) -> None:
        """Say nothing."""


async def look_at_disk(
    place: Place, handoffs: Handoffs, state: SchedulerState, now: datetime
) -> RetentionReport:
    """Return what would go; nothing is written."""
    look = DiskLook(lambda: state, handoffs, NoLog())
    return await look.dry_run(_storages(place), place.workflow.settings, now)


async def sweep_disk(place: Place, store: Store, state: SchedulerState) -> RetentionReport:
    """Remove what may go; call it as the one writer of the store."""
    return await Retention(lambda: state, _storages(place), store, SystemClock(), NoLog()).sweep()


def _storages(place: Place) -> tuple[Storage, ...]:
    workspaces = GitWorkspaces(place.installation)
    return storages_of(place.installation, place.environ, workspaces, lambda _: None)
