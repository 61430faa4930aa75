"""The audit: the newest decisions on each issue, and those on none. What `SqliteStore` writes of it."""

import sqlite3
from collections.abc import Iterable
from typing import TypeAlias

from symphony.core.effect import Audit
from symphony.store import statements
from symphony.store.odd_text import execute
from symphony.store.rows import AUDIT_KEPT, AUDIT_SLACK
from symphony.store.texts import instant_text

AuditRow: TypeAlias = tuple[str | None, str, str, str]
"""The issue's id, the time, the decision, and the reason."""


def audit_row(entry: Audit) -> AuditRow:
    """Return a decision as it is stored."""
    return entry.issue_id, instant_text(entry.at), entry.decision, entry.reason


def append_audit(connection: sqlite3.Connection, entries: Iterable[AuditRow]) -> None:
    """Add decisions, each to those on its issue."""
    for issue_id, *decision in entries:
        last = execute(connection, statements.FIND_LAST_AUDIT, (issue_id,)).fetchone()
        n = 1 if last is None else last[0] + 1
        execute(connection, statements.ADD_AUDIT, (issue_id, n, *decision))
        if n % AUDIT_SLACK == 0:
            execute(connection, statements.PRUNE_AUDIT, (issue_id, n - AUDIT_KEPT))
