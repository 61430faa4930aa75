"""One look at all that lies on the disk: what each thing belongs to, and what becomes of it.

Called by `retention`. It removes nothing. What would go is looked at closely first, and only that.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from symphony.core.errors import SymphonyError
from symphony.core.keys import workspace_key
from symphony.core.ports import AttemptRow, Storage
from symphony.core.retention import (
    NO_SUCH_ISSUE,
    Fate,
    RetentionReport,
    ceilings_of,
    decide_retention,
    why_issue_needs,
    why_work_stays,
)
from symphony.core.scheduler import SchedulerState
from symphony.core.settings import Settings
from symphony.core.stored import Delivery, Kind, Stored
from symphony.engine.ports import Log

OF_WORKSPACE = "its issue still has a workspace"
UNKNOWN = "it cannot be told whether its issue still has a workspace"


class Handoffs(Protocol):
    """What has to be known of attempts and their handoffs: a part of the store, for reading."""

    async def attempts_of(self, issue_id: str) -> tuple[AttemptRow, ...]:
        """Return the issue's attempts, oldest first."""
        ...

    async def handoff_of(self, issue_id: str) -> Delivery | None:
        """Return the issue's latest finished handoff, or None."""
        ...


@dataclass
class DiskLook:
    """What one look finds.

    Attributes:
        state: asked for what the scheduler knows now.
        notes: one sentence for each place that could not be looked at.
        homes: where the thing of each path lies.
    """

    state: Callable[[], SchedulerState]
    handoffs: Handoffs
    log: Log
    notes: list[str] = field(default_factory=list)
    homes: dict[str, Storage] = field(default_factory=dict)
    _blind: bool = False

    async def fates(self, storages: Sequence[Storage], settings: Settings, now: datetime) -> tuple[Fate, ...]:
        """Return what becomes of each thing in these places.

        Raises:
            StoreError: it cannot be read what was handed over.
        """
        found = [thing for storage in storages for thing in await self._things(storage, settings)]
        in_use = {thing.key for thing in found if thing.kind is Kind.WORKSPACE}
        judged = [await self._judged(thing, in_use) for thing in found]
        checked: set[str] = set()
        while True:
            fates = decide_retention(judged, settings.retention, now)
            fresh = [fate.thing for fate in fates if fate.goes and fate.thing.path not in checked]
            checked.update(thing.path for thing in fresh)
            against = {thing.path: why for thing in fresh if (why := await self._closely(thing))}
            if not against:
                return fates
            # with less that may go, a ceiling may be met by others
            judged = [replace(thing, stays=against.get(thing.path, thing.stays)) for thing in judged]

    async def dry_run(
        self, storages: Sequence[Storage], settings: Settings, now: datetime
    ) -> RetentionReport:
        """Return what would go, and why the rest stays.

        Raises:
            StoreError: it cannot be read what was handed over.
        """
        fates = await self.fates(storages, settings, now)
        return RetentionReport(now, True, fates, ceilings_of(fates, settings.retention), tuple(self.notes))

    def issue_of(self, thing: Stored) -> str | None:
        """Return the issue that a thing belongs to; None when none is known that it could be."""
        state = self.state()
        known: tuple[Iterable[str], ...] = (
            state.records,
            state.issues.issues,
            state.issues.conflicts,
            state.issues.unreadable,
        )
        if any(thing.key in ids for ids in known) and workspace_key(thing.key) == thing.key:
            return thing.key
        return next((each for ids in known for each in ids if workspace_key(each) == thing.key), None)

    async def why_needed(self, thing: Stored, issue_id: str) -> str:
        """Return why the issue needs the thing now, as a clause; empty when it does not."""
        needs = why_issue_needs(self.state(), issue_id)
        if needs or thing.kind is not Kind.WORKSPACE:
            return needs
        return why_work_stays(
            await self.handoffs.attempts_of(issue_id), await self._delivery(thing, issue_id)
        )

    async def _things(self, storage: Storage, settings: Settings) -> tuple[Stored, ...]:
        try:
            found = await storage.look(settings)
        except (SymphonyError, OSError) as error:
            self.notes.append(str(error))
            self.log.warning("retention.unreadable", kind=storage.kind.value, reason=str(error))
            self._blind = self._blind or storage.kind is Kind.WORKSPACE
            return ()
        self.homes.update((thing.path, storage) for thing in found)
        return found

    async def _judged(self, thing: Stored, in_use: set[str]) -> Stored:
        """Return the thing with what speaks against removing it, and with the age that counts."""
        if not thing.key or thing.stays:
            return thing
        issue_id = self.issue_of(thing)
        if issue_id is None:
            return replace(thing, stays=NO_SUCH_ISSUE)
        if thing.kind is Kind.WORKSPACE:
            delivery = await self._delivery(thing, issue_id)
            thing = thing if delivery is None else replace(thing, since=delivery.at)
        elif self._blind:
            return replace(thing, stays=UNKNOWN)
        elif thing.key in in_use:
            return replace(thing, stays=why_issue_needs(self.state(), issue_id) or OF_WORKSPACE)
        return replace(thing, stays=await self.why_needed(thing, issue_id))

    async def _closely(self, thing: Stored) -> str:
        issue_id = self.issue_of(thing) if thing.key else None
        delivery = None if issue_id is None else await self._delivery(thing, issue_id)
        return await self.homes[thing.path].check(thing, delivery)

    async def _delivery(self, thing: Stored, issue_id: str) -> Delivery | None:
        return None if thing.kind is Kind.LOG else await self.handoffs.handoff_of(issue_id)
