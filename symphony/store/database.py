"""One SQLite connection in one thread of its own, so that the event loop never waits for a disk."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from symphony.store.copies import finding_of, newest_copy
from symphony.store.errors import (
    StoreError,
    store_busy,
    store_closed,
    store_corrupt,
    store_failed,
    store_full,
    store_missing,
)
from symphony.store.exchange import finish_exchange
from symphony.store.odd_text import readable
from symphony.store.schema import STEPS, Step, migrate, require_newest, sync, version_of

BUSY_TIMEOUT = 5.0  # seconds; a person's database browser holds a lock for far less

LEAST_ROOM = 65_536  # bytes; the files that SQLite keeps beside the database need about half of it

Result = TypeVar("Result")


class Database:
    """A connection and its thread.

    Cancellation: a call that is cancelled has happened in full or not at all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="symphony-store")
        self._connection: sqlite3.Connection | None = None

    async def open(self, steps: Sequence[Step] = STEPS) -> None:
        """Open the file for writing, made if it is not there, checked and migrated.

        Raises:
            StoreError: `store_*`.
        """
        await self._call(lambda: self._open(steps))

    async def open_read_only(self, steps: Sequence[Step] = STEPS) -> None:
        """Open an existing file, whoever else writes it, and never change it.

        Raises:
            StoreError: `store_missing`, `store_too_old` and the others.
        """
        await self._call(lambda: self._open_read_only(steps))

    async def read(self, query: Callable[[sqlite3.Connection], Result]) -> Result:
        """Return what the query finds in one consistent state of the database.

        Raises:
            StoreError: `store_*`; `store_corrupt` also for a row that cannot be understood.
        """

        def run() -> Result:
            connection = self._open_connection()
            try:
                return _in_transaction(connection, "BEGIN", query)
            except (ValueError, LookupError, TypeError) as error:
                raise self._corrupt(f"a row cannot be understood: {error}") from error

        return await self._call(run)

    async def write(self, change: Callable[[sqlite3.Connection], Result]) -> Result:
        """Make a change in one transaction; return when it would survive power loss.

        Raises:
            StoreError: `store_*`; nothing of the change was written then.
        """
        return await self._call(lambda: _in_transaction(self._open_connection(), "BEGIN IMMEDIATE", change))

    async def close(self) -> None:
        """Close the file and end the thread; repeating it does nothing."""
        try:
            closed = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        except RuntimeError:  # the executor's word for being shut down
            return
        self._thread.shutdown(wait=False)
        await asyncio.shield(closed)

    async def _call(self, function: Callable[[], Result]) -> Result:
        def run() -> Result:
            try:
                return function()
            except sqlite3.Error as error:
                raise self._translated(error) from error
            except OSError as error:
                raise store_failed(self.path, str(error)) from error

        try:
            future = asyncio.get_running_loop().run_in_executor(self._thread, run)
        except RuntimeError:  # the executor's word for being shut down
            raise store_closed(self.path) from None
        return await future

    def _open(self, steps: Sequence[Step]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        finish_exchange(self.path)
        with suppress(FileExistsError):
            # made here and not by SQLite, whose mode would let others read questions and replies
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            sync(self.path.parent)
        if not self.path.is_file():
            raise store_failed(self.path, "it is not a file")
        try:
            self._examine("ro", len(steps))  # which leaves a file that is refused as it was
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_READONLY:
                raise
            self._examine("rw", len(steps))  # a crash has left a change of the file to be taken back
        connection = self._connect("rw")
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, self.path, steps)
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _examine(self, mode: str, newest: int) -> None:
        with closing(self._connect(mode)) as connection:
            version_of(connection, self.path, newest)
            if (finding := finding_of(connection)) is not None:
                raise self._corrupt(finding)

    def _open_read_only(self, steps: Sequence[Step]) -> None:
        if not self.path.exists():
            raise store_missing(self.path)
        connection = self._connect("ro")
        try:
            require_newest(connection, self.path, len(steps))
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def _connect(self, mode: str) -> sqlite3.Connection:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
        connection.row_factory = readable
        return connection

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise store_closed(self.path)
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what counts was committed; only tidying up failed
                connection.close()

    def _translated(self, error: sqlite3.Error) -> StoreError:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the primary code of an extended one
            case sqlite3.SQLITE_FULL:
                return store_full(self.path)
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return store_busy(self.path, BUSY_TIMEOUT)
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return self._corrupt(str(error))
            case sqlite3.SQLITE_IOERR if self._no_room():
                return store_full(self.path)
            case _:
                return store_failed(self.path, str(error))

    def _corrupt(self, finding: str) -> StoreError:
        return store_corrupt(self.path, finding, newest_copy(self.path))

    def _no_room(self) -> bool:
        # for files other than the database itself SQLite calls a full disk an I/O error
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize < LEAST_ROOM


def _in_transaction(
    connection: sqlite3.Connection, begin: str, body: Callable[[sqlite3.Connection], Result]
) -> Result:
    connection.execute(begin)
    try:
        result = body(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    return result
