"""The per-issue log of everything that happened."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol


class RunLog(Protocol):
    """The per-issue log of everything that happened, one JSON object a line."""

    def append(self, kind: str, **fields: Any) -> None:
        """Add a line; never raises and never blocks on the disk."""
        ...

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets, too, out of the lines that follow."""
        ...


class RunLogs(Protocol):
    """Opens run logs."""

    def open_run_log(
        self, issue_id: str, attempt_id: str, secrets: Collection[str]
    ) -> AbstractAsyncContextManager[RunLog]:
        """Open an issue's run log for an attempt; the secrets never reach the file."""
        ...
