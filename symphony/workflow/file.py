"""WORKFLOW.md on disk, followed while the daemon runs [CONTRACT 2.4].

It watches nothing itself: the app calls `reload` on the watcher's word and before each dispatch,
so a look at an unchanged file must cost one `stat`.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from symphony.core.ports import Reloaded
from symphony.core.problem import Problem
from symphony.core.workflow import Workflow
from symphony.workflow.egress import write_allowed_host
from symphony.workflow.errors import WorkflowError
from symphony.workflow.known import LastKnownGood, Reading, digest_of, parse_reading
from symphony.workflow.loader import read_workflow
from symphony.workflow.paths import is_there

READS = 5  # an editor writes once or twice; whoever writes for ever must not hold up the daemon
RACY_NS = 2_000_000_000  # the coarsest time stamps in use (FAT) are 2 s apart

Signature: TypeAlias = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the file looked like when it was last read.

    Attributes:
        settled: whether a later write is sure to change the signature.
    """

    signature: Signature | None
    settled: bool


class WorkflowFile:
    """The workflow in use and the file that it comes from.

    Args:
        path: as the user named it; messages name it so.
        environ: where `$VAR` and `~` are looked up.
        now_ns: the file system's clock, in nanoseconds.

    Attributes:
        read_at: when the file's present content was read.
    """

    def __init__(
        self, path: Path, environ: Mapping[str, str], *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self.path = path
        self._environ = environ
        self._now_ns = now_ns
        self.read_at = datetime.min.replace(tzinfo=UTC)
        self._known = LastKnownGood()
        self._mark: _Mark | None = None
        self._turn = asyncio.Lock()  # two readings at once could end in the wrong order

    @property
    def current(self) -> Workflow | None:
        """The last known good workflow; None before the first."""
        return self._known.current

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands against the file as it is now; empty while it is in use."""
        return self._known.problems

    @property
    def error(self) -> WorkflowError | None:
        """Why the file as it is now is not in use; None while it is."""
        return self._known.error

    @property
    def raw(self) -> bytes | None:
        """The file's bytes as they are now; None while it cannot be read."""
        return self._known.raw

    async def start(self) -> Workflow:
        """Read the file for the first time.

        Raises:
            WorkflowError: with every problem at once.
        """
        await self.reload()
        return self._known.required()

    async def reload(self) -> Reloaded | None:
        """Read the file if it changed, and return what that changes; None when nothing did.

        An unusable edit, or a missing file, keeps the last known good workflow.

        Cancellation: nothing is lost; the next call reads again.
        """
        async with self._turn:
            mark, reading = await asyncio.to_thread(self._read, self._mark, self._known.digest)
            self._mark = mark
            if reading is None:
                return None
            self.read_at = datetime.fromtimestamp(self._now_ns() / 1e9, UTC)
            return self._known.learn(reading)

    async def allow_host(self, host: str, *, write: bool = True) -> bool:
        """Put a host into `smolvm.egress.allow`; the next `reload` reads it.

        Raises:
            WorkflowError: `workflow_not_editable`; nothing was changed.
        """
        return await asyncio.to_thread(write_allowed_host, self.path, host, self._environ, write=write)

    def _read(self, mark: _Mark | None, digest: str | None) -> tuple[_Mark, Reading | None]:
        signature = self._signature()
        if mark is not None and mark.settled and signature == mark.signature:
            return mark, None
        for _ in range(READS):
            looked_at = self._now_ns()
            raw = self._bytes()
            before, signature = signature, self._signature()
            if before == signature:
                newest = max(signature[:2]) if signature else 0
                seen = _Mark(signature, settled=looked_at - newest > RACY_NS)
                break
        else:
            seen = _Mark(None, settled=False)
        if digest_of(raw) == digest:
            return seen, None
        known = self._known.current is not None
        return seen, parse_reading(raw, self.path, self._environ, is_there, known=known)

    def _bytes(self) -> bytes | WorkflowError:
        try:
            return read_workflow(self.path)
        except WorkflowError as error:
            return error

    def _signature(self) -> Signature | None:
        try:
            status = os.stat(self.path)  # noqa: PTH116 - as cheap as it can be
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev
