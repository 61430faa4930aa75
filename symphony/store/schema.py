"""The database's tables and the steps that lead from every earlier version to this one.

A step is never edited once a release has it: a change of the tables is a new step.
"""

import os
import sqlite3
import uuid
from collections.abc import Sequence
from pathlib import Path

from symphony.store.copies import CopyFailed, copy_before, copy_database, prune_copies
from symphony.store.errors import StoreError, store_missing, store_not_copied

Step = tuple[str, ...]
"""The statements that lead to the next version, run in one transaction."""

APPLICATION_ID = 0x53594D50  # "SYMP", so that no other program's database is taken for a store

VERSION_1: Step = (
    """
    CREATE TABLE meta (
        key TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    # claim is waiting, retrying, continuing or parked; a running attempt is a row of `attempts`
    # without an end, so that a crash needs no clean-up here
    """
    CREATE TABLE issue_records (
        issue_id TEXT PRIMARY KEY,
        claim TEXT,
        claim_detail TEXT,
        failures INTEGER NOT NULL DEFAULT 0,
        failure_reasons TEXT NOT NULL DEFAULT '[]',
        paused INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        usage TEXT NOT NULL DEFAULT '{}',
        last_handoff TEXT NOT NULL DEFAULT ''
    )
    """,
    """
    CREATE TABLE attempts (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        issue_id TEXT NOT NULL,
        number INTEGER NOT NULL,
        adapter TEXT NOT NULL,
        sandbox TEXT NOT NULL,
        started_at TEXT NOT NULL,
        ended_at TEXT,
        outcome TEXT,
        message TEXT NOT NULL DEFAULT '',
        turns INTEGER NOT NULL DEFAULT 0,
        session_id TEXT
    )
    """,
    "CREATE INDEX attempts_of_issue ON attempts (issue_id, seq)",
    "CREATE INDEX attempts_without_end ON attempts (seq) WHERE ended_at IS NULL",
    """
    CREATE TABLE usage (
        attempt_id TEXT PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
        totals TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE steering (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        issue_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL,
        question TEXT NOT NULL,
        context TEXT NOT NULL,
        asked_at TEXT NOT NULL,
        reply TEXT,
        replied_at TEXT,
        used_at TEXT
    )
    """,
    "CREATE INDEX steering_of_issue ON steering (issue_id, seq)",
    "CREATE UNIQUE INDEX one_open_question ON steering (issue_id) WHERE reply IS NULL",
    "CREATE INDEX steering_unused ON steering (seq) WHERE used_at IS NULL",
    """
    CREATE TABLE completions (
        seq INTEGER PRIMARY KEY,
        issue_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL,
        title TEXT NOT NULL,
        summary TEXT NOT NULL,
        accepted_at TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('accepted', 'withdrawn', 'delivered')),
        handoff TEXT,
        delivered_at TEXT
    )
    """,
    "CREATE UNIQUE INDEX one_open_completion ON completions (issue_id) WHERE state = 'accepted'",
    "CREATE UNIQUE INDEX one_completion_of_attempt ON completions (attempt_id) WHERE state <> 'withdrawn'",
    "CREATE INDEX completions_delivered ON completions (delivered_at, seq) WHERE state = 'delivered'",
    """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        issue_id TEXT NOT NULL,
        attempt_id TEXT NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL,
        ended_at TEXT,
        result TEXT,
        result_detail TEXT
    )
    """,
    "CREATE INDEX journal_open ON journal (id) WHERE result IS NULL",
    # n counts the decisions on one issue, so that the oldest are found without counting rows
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        issue_id TEXT,
        n INTEGER NOT NULL,
        at TEXT NOT NULL,
        decision TEXT NOT NULL,
        reason TEXT NOT NULL
    )
    """,
    "CREATE INDEX audit_of_issue ON audit (issue_id, n)",
)

VERSION_2: Step = ("ALTER TABLE issue_records ADD COLUMN access TEXT NOT NULL DEFAULT '{}'",)

VERSION_3: Step = (
    "CREATE TABLE told (target TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (target, key)) WITHOUT ROWID",
)

VERSION_4: Step = ("ALTER TABLE issue_records ADD COLUMN budget TEXT NOT NULL DEFAULT '{}'",)

VERSION_5: Step = ("ALTER TABLE completions ADD COLUMN receipt TEXT",)

# a completion of a transition is delivered without a handoff
VERSION_6: Step = (
    "ALTER TABLE completions ADD COLUMN from_state TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE completions ADD COLUMN to_state TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE issue_records ADD COLUMN passage TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE attempts ADD COLUMN state TEXT NOT NULL DEFAULT ''",
)

VERSION_7: Step = ("ALTER TABLE issue_records ADD COLUMN guard TEXT NOT NULL DEFAULT '{}'",)

VERSION_8: Step = ("ALTER TABLE attempts ADD COLUMN model TEXT NOT NULL DEFAULT ''",)

STEPS: tuple[Step, ...] = (
    VERSION_1,
    VERSION_2,
    VERSION_3,
    VERSION_4,
    VERSION_5,
    VERSION_6,
    VERSION_7,
    VERSION_8,
)


def migrate(connection: sqlite3.Connection, path: Path, steps: Sequence[Step] = STEPS) -> None:
    """Bring the database to the version that `steps` lead to, a copy of it made before.

    The copy is `<file>.v<version>.backup`; a new database needs none. Each step is one
    transaction: after a crash the next start goes on where this one stopped.

    Raises:
        StoreError: `store_too_new`, `store_foreign`; `store_not_copied`: nothing was changed.
        sqlite3.Error: a statement failed; the database has the version it had before that step.
    """
    version = version_of(connection, path, len(steps))
    if 0 < version < len(steps):
        _keep_copy(connection, path, version, len(steps))
    for number, step in enumerate(steps[version:], start=version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in step:
                connection.execute(statement)
            if number == 1:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute("INSERT INTO meta VALUES ('installation_id', ?)", (str(uuid.uuid4()),))
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise


def _keep_copy(connection: sqlite3.Connection, path: Path, version: int, newest: int) -> None:
    try:
        copy_database(connection, path, copy_before(path, version), over=True)
    except CopyFailed as error:
        raise store_not_copied(path, version, newest, error.message) from error
    prune_copies(path)


def version_of(connection: sqlite3.Connection, path: Path, newest: int) -> int:
    """Return the version of the tables, 0 for an empty database; writes nothing.

    Raises:
        StoreError: `store_too_new` for one of a newer symphony, `store_foreign` for one of
            another program.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    application: int = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if application != APPLICATION_ID and not empty:
        raise StoreError(
            f"The database {path} belongs to another program; it was left as it is.",
            code="store_foreign",
            remedy="Move it somewhere else and start again.",
        )
    if version > newest:
        raise StoreError(
            f"The store {path} was written by a newer symphony "
            f"(its tables have version {version}, this one knows {newest}); it was left as it is.",
            code="store_too_new",
            remedy="Run the newer symphony, or put back the copy that it made before it changed the store.",
        )
    return version


def require_newest(connection: sqlite3.Connection, path: Path, newest: int) -> None:
    """Return if the tables are of this version; for those who may not change them.

    Raises:
        StoreError: `store_missing` for an empty one, `store_too_old`, `store_too_new`, `store_foreign`.
    """
    version = version_of(connection, path, newest)
    if version == 0:
        raise store_missing(path)
    if version < newest:
        raise StoreError(
            f"The store {path} was written by an older symphony "
            f"(its tables have version {version}, this one needs {newest}).",
            code="store_too_old",
            remedy="Start this symphony once; it brings the store up to date and keeps a copy.",
        )


def sync(path: Path) -> None:
    """Return when the file's content, or the folder's names, would survive power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
