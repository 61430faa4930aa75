"""Run logs without a disk: the same lines, redacted and cut in the same way."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from symphony.core.redaction import Redactor
from symphony.store.run_log_line import encoded, take


class MemoryRunLogs:
    """Keeps lines for tests to read.

    Attributes:
        lines: by issue id, oldest first, as a reader of the file would see them.
        broken: while True, lines are lost as on a broken disk; the first time is reported.
    """

    def __init__(
        self, now: Callable[[], datetime], on_problem: Callable[[str], None] = lambda _: None
    ) -> None:
        self.lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.broken = False
        self._reported = False
        self._now = now
        self._on_problem = on_problem

    @asynccontextmanager
    async def open_run_log(
        self, issue_id: str, attempt_id: str, secrets: Collection[str]
    ) -> AsyncIterator["MemoryRunLog"]:
        """Open an issue's run log for an attempt."""
        log = MemoryRunLog(self, issue_id, attempt_id, Redactor(secrets))
        try:
            yield log
        finally:
            log.closed = True

    def add(
        self, issue_id: str, attempt_id: str, kind: str, fields: dict[str, Any], redactor: Redactor
    ) -> None:
        """Keep a line, unless broken."""
        if not self.broken:
            self._reported = False
            line = take(self._now(), attempt_id, kind, fields, redactor)
            self.lines[issue_id].append(json.loads(encoded(line, redactor)))
        elif not self._reported:
            self._reported = True
            self._on_problem(
                f"The run log of issue {issue_id} cannot be written; the work goes on without it."
            )


class MemoryRunLog:
    """One attempt's lines."""

    def __init__(self, logs: MemoryRunLogs, issue_id: str, attempt_id: str, redactor: Redactor) -> None:
        self.closed = False
        self._logs = logs
        self._issue_id = issue_id
        self._attempt_id = attempt_id
        self._redactor = redactor

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets, too, out of the lines that follow."""
        self._redactor = self._redactor.and_of(secrets)

    def append(self, kind: str, **fields: Any) -> None:
        """Add a line; ignored after the log was closed."""
        if not self.closed:
            self._logs.add(self._issue_id, self._attempt_id, kind, fields, self._redactor)
