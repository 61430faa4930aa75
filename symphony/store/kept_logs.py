"""Logs as things on the disk that may go one day; implements `core.ports.Storage`."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.installation import Installation
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.host.tree import ListedFile, delete_file, list_files
from symphony.store.errors import StoreError
from symphony.store.run_log import RUN_LOG, SET_ASIDE


class KeptLogs:
    """The run logs of an installation, and the daemon's own log with its earlier files."""

    kind = Kind.LOG

    def __init__(self, installation: Installation) -> None:
        self._folder = installation.run_logs
        self._current = installation.log_file.name

    async def look(self, settings: Settings) -> tuple[Stored, ...]:  # noqa: ARG002  the port's signature
        """Return every log.

        Raises:
            StoreError: `logs_unreadable`: the folder is a symlink or cannot be read.
        """
        try:
            files = await asyncio.to_thread(list_files, self._folder)
        except OSError as error:
            raise _failed(f"look into {self._folder}", error) from error
        found = (self._stored(file) for file in files)
        return tuple(thing for thing in found if thing is not None)

    async def check(self, thing: Stored, delivery: Delivery | None) -> str:  # noqa: ARG002  the port's signature
        """Find nothing: what a log says of an issue is known before."""
        return ""

    async def remove(self, thing: Stored, settings: Settings, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Delete the file.

        Raises:
            StoreError: `logs_unreadable`: it is still there.
        """
        try:
            await asyncio.to_thread(delete_file, self._folder, Path(thing.path).name)
        except OSError as error:
            raise _failed(f"delete {thing.path}", error) from error

    def _stored(self, file: ListedFile) -> Stored | None:
        name, path = file.name, str(self._folder / file.name)
        changed = datetime.fromtimestamp(file.modified, UTC)
        if name == self._current:
            return Stored(Kind.LOG, name, path, file.size_bytes, changed, stays="the daemon writes to it")
        if name.removeprefix(f"{self._current}.").isdecimal():
            return Stored(Kind.LOG, name, path, file.size_bytes, changed)
        for suffix in (RUN_LOG, SET_ASIDE):
            if name.endswith(suffix):
                return Stored(Kind.LOG, name, path, file.size_bytes, changed, name.removesuffix(suffix))
        return None


def _failed(doing: str, error: OSError) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(
        f"Cannot {doing}: {reason}.", code="logs_unreadable", remedy="Look what stands in its place."
    )
