"""A copy of the store in a person's hands: made while a daemon writes or none runs, and looked at.

Everything here blocks on the disk.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.text import one_line
from symphony.store.copies import DAMAGED, copy_database, finding_of, newest_copy
from symphony.store.errors import store_corrupt, store_failed, store_missing
from symphony.store.schema import APPLICATION_ID, STEPS, Step, version_of

BUSY_TIMEOUT = 5.0  # seconds; as for any other work on the store


class UnusableCopy(SymphonyError):
    """A file that cannot become the store; nothing was changed."""

    code = "backup_unusable"


def back_up_store(database: Path, target: Path, *, over: bool) -> int:
    """Write the store as it is at this moment to a file of its own; return its tables' version.

    Raises:
        StoreError: `store_missing`, `store_corrupt`, `store_foreign`, `store_too_new`, `store_failed`.
        CopyFailed: the target cannot be written; nothing has changed under its name.
    """
    if not database.exists():
        raise store_missing(database)
    try:
        with closing(read_database(database)) as connection:
            version = version_of(connection, database, len(STEPS))
            if version == 0:
                raise store_missing(database)
            copy_database(connection, database, target, over=over)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in DAMAGED:
            raise store_corrupt(database, str(error), newest_copy(database)) from error
        raise store_failed(database, str(error)) from error
    return version


def version_of_copy(file: Path, steps: Sequence[Step] = STEPS) -> int:
    """Return the version of the tables in a file that could become the store.

    Raises:
        UnusableCopy: it could not, and why.
    """
    if not file.is_file():
        raise UnusableCopy(f"{file} is not a file.")
    try:
        with closing(read_database(file)) as connection:
            version: int = connection.execute("PRAGMA user_version").fetchone()[0]
            application: int = connection.execute("PRAGMA application_id").fetchone()[0]
            tables: int = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if tables == 0:
                raise UnusableCopy(f"{file} is not a copy of a store: it is empty.")
            if application != APPLICATION_ID or version == 0:
                raise UnusableCopy(f"{file} is the database of another program.")
            if version > len(steps):
                raise UnusableCopy(
                    f"{file} was written by a newer symphony (its tables have version {version}, "
                    f"this one knows {len(steps)}).",
                    remedy="Run the newer symphony.",
                )
            finding = finding_of(connection)
    except sqlite3.Error as error:
        match getattr(error, "sqlite_errorcode", 0) & 0xFF:
            case sqlite3.SQLITE_NOTADB:
                raise UnusableCopy(f"{file} is not a copy of a store: it is no database.") from error
            case sqlite3.SQLITE_CORRUPT:
                finding = str(error)
            case _:
                raise UnusableCopy(f"{file} cannot be read: {error}.") from error
    if finding is not None:
        raise UnusableCopy(f"{file} is damaged ({one_line(finding, 300)}).", remedy="Use another copy.")
    return version


def read_database(file: Path) -> sqlite3.Connection:
    """Open a database only to read it; what is wrong with it may show later."""
    uri = f"{Path(os.path.abspath(file)).as_uri()}?mode=ro"  # noqa: PTH100 - a link is not to be followed here
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
