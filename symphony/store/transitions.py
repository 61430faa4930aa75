"""The record that an agent's transition was carried out; what `SqliteStore` writes of it."""

import sqlite3
from datetime import datetime

from symphony.core.handoff import Completion
from symphony.store import rows, statements
from symphony.store.odd_text import execute
from symphony.store.texts import instant_text


def record_transition(
    completion: Completion, note: str, revision: str, at: datetime, connection: sqlite3.Connection
) -> None:
    """Close an accepted completion without a handoff, and count it in its issue's passage; once."""
    moved = (None, instant_text(at), completion.attempt_id)
    if execute(connection, statements.DELIVER, moved).rowcount == 0:
        return
    known = execute(connection, statements.READ_PASSAGE, (completion.issue_id,)).fetchone()
    passage = (rows.NO_PASSAGE if known is None else rows.passage_of(known[0])).on(note, revision)
    execute(connection, statements.PUT_PASSAGE, (completion.issue_id, rows.passage_text(passage)))
