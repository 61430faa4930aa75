"""Text that UTF-8 has no form for, into SQLite and back."""

import sqlite3
from typing import Any

from symphony.store.rows import Row


def execute(connection: sqlite3.Connection, statement: str, values: Row = ()) -> sqlite3.Cursor:
    """Run a statement; text that UTF-8 has no form for is kept as bytes, which read back as that text.

    Agents may say, and file names may hold, lone surrogates.
    """
    try:
        return connection.execute(statement, values)
    except UnicodeEncodeError:
        return connection.execute(statement, tuple(_storable(value) for value in values))


def _storable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def readable(_cursor: sqlite3.Cursor, row: Row) -> Row:
    """Return a row with the text that `execute` has kept as bytes; a `row_factory`."""
    if bytes in map(type, row):
        return tuple(
            value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value for value in row
        )
    return row
