"""What may go from the disk, and why the rest stays; pure, the daemon and `symphony gc` both ask it.

A room says what lies there and what it knows against removing it; here the issue's standing, the age
and the ceilings are added. Whatever speaks against a removal wins: an age or a ceiling never does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from symphony.core.claim import Continuing, Retrying, Running, Waiting
from symphony.core.ports.store import AttemptRow
from symphony.core.scheduler import SchedulerState
from symphony.core.settings import RetentionSettings
from symphony.core.states import StateRole
from symphony.core.stored import Delivery, Kind, Stored

MIB = 1 << 20
NOT_HANDED_OVER = "its work was neither handed over nor discarded"
NO_SUCH_ISSUE = "no issue is known that it belongs to"


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one thing.

    Attributes:
        reason: why it goes, or why it stays.
        error: why it could not be removed; empty when it was, or was not to be.
    """

    thing: Stored
    goes: bool
    reason: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How much all things of a kind take together.

    Attributes:
        size_bytes: before anything went.
        left_bytes: after it.
        most_bytes: what they may take; None without a ceiling.
    """

    size_bytes: int
    left_bytes: int
    most_bytes: int | None

    @property
    def over(self) -> bool:
        """Say whether what may not go is more than the ceiling allows."""
        return self.most_bytes is not None and self.left_bytes > self.most_bytes


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """What goes and what stays, by one look at the disk.

    Attributes:
        dry_run: nothing was removed.
        notes: one sentence for each kind that could not be looked at.
    """

    at: datetime
    dry_run: bool
    fates: tuple[Fate, ...] = ()
    ceilings: Mapping[Kind, Ceiling] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def removed(self) -> tuple[Fate, ...]:
        """What went, or would go."""
        return tuple(fate for fate in self.fates if fate.goes and not fate.error)

    @property
    def freed_bytes(self) -> int:
        """What that makes free."""
        return sum(fate.thing.size_bytes for fate in self.removed)


class Sweeper(Protocol):
    """The disk, for people who want to know what takes it, and to free some."""

    async def sweep(self, *, dry_run: bool = False) -> RetentionReport:
        """Remove what may go, or only say what would; return that and why the rest stays.

        Raises:
            SymphonyError: what was removed cannot be written down, and nothing more is removed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """The settings of one kind, with the keys to name in reasons."""

    days: int | None
    days_key: str
    most_mib: int | None
    most_key: str


def limits_of(settings: RetentionSettings) -> Mapping[Kind, Limit]:
    """Return the limits of every kind that has some."""
    return {
        Kind.WORKSPACE: Limit(
            settings.workspace_days, "workspace_days", settings.workspaces_max_mib, "workspaces_max_mib"
        ),
        Kind.IMAGE: Limit(settings.image_days, "image_days", settings.images_max_mib, "images_max_mib"),
        Kind.LOG: Limit(settings.log_days, "log_days", settings.logs_max_mib, "logs_max_mib"),
        Kind.PATCH: Limit(settings.patch_days, "patch_days", settings.patches_max_mib, "patches_max_mib"),
    }


def decide_retention(
    things: Iterable[Stored], settings: RetentionSettings, now: datetime
) -> tuple[Fate, ...]:
    """Return what becomes of each thing: first by age, then, oldest first, by the ceilings."""
    by_kind: dict[Kind, list[Stored]] = {}
    for thing in things:
        by_kind.setdefault(thing.kind, []).append(thing)
    limits = limits_of(settings)
    return tuple(
        fate
        for kind in Kind
        for fate in _of_one_kind(by_kind.get(kind, ()), limits.get(kind, Limit(None, "", None, "")), now)
    )


def ceilings_of(fates: Iterable[Fate], settings: RetentionSettings) -> Mapping[Kind, Ceiling]:
    """Return how each kind stands; what could not be removed is still there."""
    limits = limits_of(settings)
    found: dict[Kind, Ceiling] = {}
    for fate in fates:
        kind, size = fate.thing.kind, fate.thing.size_bytes
        left = 0 if fate.goes and not fate.error else size
        most = limits[kind].most_mib if kind in limits else None
        before = found.get(kind) or Ceiling(0, 0, None if most is None else most * MIB)
        found[kind] = replace(
            before, size_bytes=before.size_bytes + size, left_bytes=before.left_bytes + left
        )
    return found


def _of_one_kind(things: Sequence[Stored], limit: Limit, now: datetime) -> Iterator[Fate]:
    total = sum(thing.size_bytes for thing in things)
    most = None if limit.most_mib is None else limit.most_mib * MIB
    fates = [_by_age(thing, limit, now) for thing in sorted(things, key=_oldest_first)]
    left = total - sum(fate.thing.size_bytes for fate in fates if fate.goes)
    for fate in fates:
        if fate.goes or fate.thing.stays or most is None or left <= most:
            yield fate
            continue
        left -= fate.thing.size_bytes
        why = f"all {fate.thing.kind.plural} take {total // MIB:,} MiB"
        yield Fate(fate.thing, True, f"{why} and retention.{limit.most_key} is {limit.most_mib:,}")


def _by_age(thing: Stored, limit: Limit, now: datetime) -> Fate:
    if thing.stays:
        return Fate(thing, False, thing.stays)
    if limit.days is None:
        why = f"retention.{limit.days_key} is null" if limit.days_key else "it is never removed"
        return Fate(thing, False, why)
    age = now - thing.since
    if age >= timedelta(days=limit.days):
        return Fate(thing, True, f"{age.days} days old and retention.{limit.days_key} is {limit.days}")
    left = timedelta(days=limit.days) - max(age, timedelta())
    days = f"{left.days} more days" if left.days != 1 else "one more day"
    return Fate(thing, False, f"it stays for {days if left.days else 'less than a day'}")


def _oldest_first(thing: Stored) -> tuple[datetime, str]:
    return (thing.since, thing.name)


def why_issue_needs(state: SchedulerState, issue_id: str) -> str:
    """Return why what belongs to an issue stays, as a clause; empty when the issue is finished or gone."""
    record = state.record(issue_id)
    if record.completion is not None:
        return "its handoff is not finished"
    match record.claim:
        case Running():
            return "an attempt on its issue runs"
        case Waiting():
            return "its issue waits for an answer"
        case Retrying() | Continuing():
            return "its issue is tried again soon"
        case _:
            pass
    issue = state.issues.get(issue_id)
    if issue is None:
        return "its issue's file cannot be read" if state.issues.present(issue_id) else ""
    match state.states.role(issue.state):
        case StateRole.TERMINAL:
            return ""
        case StateRole.ACTIVE:
            return f"its issue is in {issue.state} and is worked on"
        case _:
            return f"its issue is in {issue.state} and may be worked on again"


def why_work_stays(attempts: Sequence[AttemptRow], delivery: Delivery | None) -> str:
    """Return why an issue's work is not handed over, as a clause; empty when all of it is.

    What was handed over counts only as long as no attempt has begun after it.
    """
    if delivery is None:
        return NOT_HANDED_OVER
    if attempts and attempts[-1].started_at > delivery.at:
        return "an attempt has worked in it after its last handoff"
    return ""
