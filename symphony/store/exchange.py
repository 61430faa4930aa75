"""Another database in the store's place: prepared beside it, put there by whoever holds the daemon's lock.

The order, which may be cut off between any two steps: the prepared copy is on the disk as
`<file>.<name>.staged`; the store as it is becomes `<file>.<name>.backup`; the prepared copy is renamed
to `<file>.restore`; the store is deleted, and from here on the exchange counts; what SQLite keeps
beside it is deleted; `<file>.restore` becomes the store. `finish_exchange` goes on after the deletion
and forgets what stopped before it. Everything here blocks on the disk.
"""

import asyncio
import glob
import re
import secrets
import sqlite3
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line
from symphony.host.durable import sync_folder
from symphony.store import statements
from symphony.store.audit import append_audit
from symphony.store.backup import BUSY_TIMEOUT, read_database, version_of_copy
from symphony.store.copies import copy_bytes, copy_database
from symphony.store.errors import StoreError, store_busy, store_closed, store_failed
from symphony.store.texts import instant_text

LOOK_EVERY = 0.05  # seconds; a command that reads has the store open for less
NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database: changes that are not in it yet, which fit no other one."""

NOT_BY_A_COPYS_WORD = "the store was put back from a copy, by whose word nothing is finished"


class NothingToRestore(SymphonyError):
    """No copy of this name is prepared."""

    code = "nothing_to_restore"


def stage_copy(database: Path, file: Path) -> str:
    """Prepare a copy of the file beside the store; return the name by which it can be put in its place.

    It takes over this installation's name, and no effect that was under way when it was made is
    finished by its word: what it knows of workspaces may be long past.

    Raises:
        UnusableCopy: the file cannot become the store.
        CopyFailed: there is no room for the copy.
    """
    version_of_copy(file)
    now = datetime.now(UTC)
    name = f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    installation = _installation_of(database)

    def change(copy: sqlite3.Connection) -> None:
        copy.execute("BEGIN")
        if installation is not None:
            copy.execute(statements.PUT_META, ("installation_id", installation))
        copy.execute(statements.PUT_META, ("restored", name))
        _close_intents(copy, instant_text(now))
        copy.execute("COMMIT")

    database.parent.mkdir(parents=True, exist_ok=True)
    with closing(read_database(file)) as connection:
        copy_database(connection, file, _staged(database, name), change=change)
    return name


def unstage_copy(database: Path, name: str) -> None:
    """Delete a prepared copy that is not wanted any more."""
    with suppress(OSError):
        _staged(database, name).unlink()


def check_staged(database: Path, name: str) -> None:
    """Make sure that a copy of this name is prepared.

    Raises:
        NothingToRestore: it is not.
    """
    if not NAME.fullmatch(name) or not _staged(database, name).is_file():
        raise NothingToRestore(
            f"No copy of the name {one_line(name, 80)} is prepared beside the store.",
            remedy="`symphony restore FILE` prepares one.",
        )


def exchange_store(database: Path, name: str) -> Path | None:
    """Put the prepared copy in the store's place; return where the store is kept as it was.

    The caller holds the daemon's lock and has closed the store.

    Raises:
        NothingToRestore: no copy of this name is prepared.
        CopyFailed, StoreError: the store is as it was, and the prepared copy is gone.
    """
    finish_exchange(database)
    check_staged(database, name)
    kept = kept_copy(database, name)
    restored = _restored(database)
    try:
        try:
            there = _keep(database, kept)
            _staged(database, name).replace(restored)
            sync_folder(database.parent)
        except OSError as error:
            raise store_failed(database, (error.strerror or str(error)).lower()) from error
    except SymphonyError:
        unstage_copy(database, name)
        raise
    database.unlink(missing_ok=True)
    finish_exchange(database)
    for left in database.parent.glob(f"{glob.escape(database.name)}.*.staged"):
        left.unlink(missing_ok=True)  # of commands that were killed
    return kept if there else None


def finish_exchange(database: Path) -> None:
    """Finish an exchange that a crash cut off after it counted, or forget one from before.

    The caller holds the daemon's lock.
    """
    restored = _restored(database)
    if not restored.exists():
        return
    if database.exists():
        restored.unlink()
        return
    sync_folder(database.parent)  # else power loss could bring back what is deleted next, without the store
    for suffix in BESIDE:
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    sync_folder(database.parent)
    restored.replace(database)
    sync_folder(database.parent)


def restored_name(database: Path) -> str | None:
    """Return the name of the copy that the store was put back from last; None when it never was."""
    return _meta(database, "restored")


def is_staged(database: Path, name: str) -> bool:
    """Say whether the copy of this name is still only prepared."""
    return _staged(database, name).exists()


def kept_copy(database: Path, name: str) -> Path:
    """Return where an exchange keeps the store as it was before."""
    return database.with_name(f"{database.name}.{name}.backup")


class StoreExchange:
    """The exchange that a daemon makes at the end of a run; implements `core.ports.StoreExchange`.

    Attributes:
        chosen: the name of the prepared copy; None when none is to be put in place.
    """

    def __init__(self, database: Path) -> None:
        self._database = database
        self.chosen: str | None = None

    async def choose(self, name: str) -> None:
        """Take a prepared copy, to be put in the store's place once this run is over.

        Raises:
            NothingToRestore: no copy of this name is prepared.
        """
        await asyncio.to_thread(check_staged, self._database, name)
        self.chosen = name

    def make(self) -> Path | None:
        """Put the chosen copy in place, as `exchange_store`."""
        if self.chosen is None:
            raise store_closed(self._database)
        return exchange_store(self._database, self.chosen)


def _staged(database: Path, name: str) -> Path:
    return database.with_name(f"{database.name}.{name}.staged")


def _restored(database: Path) -> Path:
    return database.with_name(f"{database.name}.restore")


def _keep(database: Path, kept: Path) -> bool:
    """Copy the store as it is, and make sure that nobody else has it open; say whether there was one."""
    if not database.exists():
        return False
    try:
        with closing(read_database(database)) as connection:
            copy_database(connection, database, kept)
    except (StoreError, sqlite3.Error):  # what is damaged is kept all the same
        for suffix in ("-wal", "-journal", ""):  # the database last: its name says that all is there
            beside = database.with_name(database.name + suffix)
            if beside.exists():
                copy_bytes(beside, kept.with_name(kept.name + suffix))
        return True
    try:
        _claim(database)
    except StoreError:
        kept.unlink(missing_ok=True)
        raise
    return True


def _claim(database: Path) -> None:
    """Return once no other program has the store open, whose changes would end up in the new one.

    Raises:
        StoreError: `store_busy`: one had it for too long.
    """
    give_up_at = time.monotonic() + BUSY_TIMEOUT
    uri = f"{database.absolute().as_uri()}?mode=rw"
    while True:
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=0, isolation_level=None)) as store:
                if store.execute("PRAGMA journal_mode = DELETE").fetchone()[0] == "delete":
                    return
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            }:
                raise store_failed(database, str(error)) from error
        if time.monotonic() >= give_up_at:
            raise store_busy(database, BUSY_TIMEOUT)
        time.sleep(LOOK_EVERY)


def _close_intents(copy: sqlite3.Connection, at: str) -> None:
    for intent, issue_id, action in copy.execute(
        "SELECT id, issue_id, action FROM journal WHERE result IS NULL ORDER BY id"
    ).fetchall():
        copy.execute(statements.END_INTENT, (at, "undone", "{}", intent))
        said = f"{str(action).replace('_', ' ')} was cut off: {NOT_BY_A_COPYS_WORD}"
        append_audit(copy, [(issue_id or None, at, "recover", said)])


def _installation_of(database: Path) -> str | None:
    return _meta(database, "installation_id")


def _meta(database: Path, key: str) -> str | None:
    """Return what the store says of itself; None when it cannot be read, or does not."""
    if not database.exists():
        return None
    try:
        with closing(read_database(database)) as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])
