"""Keeps the disk within its ceilings: looks, removes what may go, and writes down what it removed.

Runs beside the scheduler, which it never holds up: it reads what the scheduler published, and an issue
whose things it removes is held back meanwhile, as for a discard. Implements `core.retention.Sweeper`.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta

from symphony.core.effect import Audit
from symphony.core.errors import SymphonyError
from symphony.core.journal import Action
from symphony.core.ports import Changes, Clock, Storage, Store
from symphony.core.retention import Fate, RetentionReport, ceilings_of
from symphony.core.scheduler import SchedulerState
from symphony.core.stored import Stored
from symphony.engine.beside import open_beside
from symphony.engine.disk_look import DiskLook
from symphony.engine.environment import attempt_environment
from symphony.engine.journal import Journal
from symphony.engine.ports import Log

RHYTHM = timedelta(hours=1)
RHYTHM_WHEN_LOW = timedelta(minutes=10)  # what could go may have been finished since
READY_LOOK = timedelta(seconds=1)  # until the tracker was read for the first time
DECISION = "retire"


class NotRemoved(SymphonyError):
    """A thing could not be removed."""

    code = "retention.not_removed"


@dataclass
class Retention:
    """What looks after the disk.

    Attributes:
        state: asked for what the scheduler knows now.
        storages: every place that is looked at.
        ready: asked whether the tracker was read; nothing is removed before.
        held_back: asked for the issues whose workspace somebody else removes just now.
        holding_back: keeps attempts on an issue from beginning while the block runs.
    """

    state: Callable[[], SchedulerState]
    storages: Sequence[Storage]
    store: Store
    clock: Clock
    log: Log
    ready: Callable[[], bool] = lambda: True
    held_back: Callable[[], Collection[str]] = tuple
    holding_back: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Sweep at the start and then in its rhythm, until cancelled; what fails is logged."""
        while not self.ready():
            await self.clock.sleep_until(self.clock.now() + READY_LOOK)
        while True:
            began = self.clock.now()
            try:
                await self.sweep()
            except SymphonyError as error:
                self.log.error("retention.failed", code=error.code, reason=str(error))
            await self.clock.sleep_until(began + RHYTHM_WHEN_LOW)
            while not self.state().disk_room.low and self.clock.now() < began + RHYTHM:
                await self.clock.sleep_until(self.clock.now() + RHYTHM_WHEN_LOW)

    async def sweep(self, *, dry_run: bool = False) -> RetentionReport:
        """Remove what may go, or only say what would; return that and why the rest stays.

        Raises:
            SymphonyError: what was removed cannot be written down, and nothing more is removed.
        """
        async with self._one:
            settings, now = self.state().workflow.settings, self.clock.now()
            look = DiskLook(self.state, self.store, self.log)
            if dry_run:
                return await look.dry_run(self.storages, settings, now)
            decided = await look.fates(self.storages, settings, now)
            fates = tuple([await self._carried_out(fate, look) if fate.goes else fate for fate in decided])
            ceilings = ceilings_of(fates, settings.retention)
            for kind, ceiling in ceilings.items():
                if ceiling.over:
                    self.log.warning("retention.over_ceiling", kind=kind.value, bytes=ceiling.left_bytes)
            return RetentionReport(now, False, fates, ceilings, tuple(look.notes))

    async def _carried_out(self, fate: Fate, look: DiskLook) -> Fate:
        """Remove a thing, unless its issue has come to need it since; return what became of it."""
        issue_id = look.issue_of(fate.thing) if fate.thing.key else None
        if issue_id is None:
            return await self._removed(fate, look, "")
        if issue_id in self.held_back():
            return replace(fate, goes=False, reason="its workspace is being discarded")
        with self.holding_back(issue_id):
            why = await look.why_needed(fate.thing, issue_id)
            return replace(fate, goes=False, reason=why) if why else await self._removed(fate, look, issue_id)

    async def _removed(self, fate: Fate, look: DiskLook, issue_id: str) -> Fate:
        thing = fate.thing
        facts = {
            "kind": thing.kind.value,
            "path": thing.path,
            "bytes": thing.size_bytes,
            "reason": fate.reason,
        }
        try:
            async with Journal(self.store, self.clock, issue_id, "").step(Action.RETIRE, **facts):
                await self._remove(look.homes[thing.path], thing, issue_id)
        except NotRemoved as error:
            self.log.warning("retention.not_removed", **facts, error=str(error))
            return replace(fate, error=str(error))
        said = f"removed the {thing.kind.value} {thing.path}: {fate.reason}"
        await self.store.apply(Changes(audit=(Audit(self.clock.now(), issue_id or None, DECISION, said),)))
        self.log.info("retention.removed", **facts)
        return fate

    async def _remove(self, storage: Storage, thing: Stored, issue_id: str) -> None:
        settings, environment = self.state().workflow.settings, self._environment(issue_id)
        try:
            await storage.remove(thing, settings, environment)
        except (SymphonyError, OSError) as error:
            raise NotRemoved(str(error)) from error

    def _environment(self, issue_id: str) -> Mapping[str, str]:
        state = self.state()
        issue = state.issues.get(issue_id)
        return attempt_environment(issue, state.record(issue_id).attempts, state.workflow) if issue else {}


def open_retention(retention: Retention) -> AbstractAsyncContextManager[None]:
    """Keep the disk within its ceilings while the block runs."""
    return open_beside(retention.run(), retention.log, "retention.crashed")
