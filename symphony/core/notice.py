"""Who is told of what, once: decided from what needs a person and from what was told already."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from symphony.core.attention import Need, NeedKind, needs_of
from symphony.core.errors import SymphonyError
from symphony.core.settings import NotifySettings
from symphony.core.snapshot import Snapshot
from symphony.core.text import counted, one_line, plain

GONE_AFTER: Final = timedelta(
    seconds=60
)  # a file that an editor replaces is gone for a moment, and so are its needs
NOTICES_AT_ONCE: Final = 20  # a broken disk makes a thousand unreadable files; nobody reads as many notices
TEXT_LIMIT: Final = 4_000  # characters; the dashboard has the whole
LINE_LIMIT: Final = 200  # characters of a title
OWN_PROBLEMS: Final = "notify."  # that someone cannot be told is not told to them
BY_PERSON: Final = "cancelled"  # whoever did it knows


class NoticeFailed(SymphonyError):
    """Someone could not be told.

    Attributes:
        final: trying again would change nothing.
    """

    code = "notify.failed"

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final


class Telling(NamedTuple):
    """One thing and one target of `notify`, by their names that outlive a restart."""

    target: str
    key: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a target is told.

    Attributes:
        at: when it was sent.
        url: of the page on which a person can act; as a program on this machine reaches it.
    """

    need: Need
    at: datetime
    url: str

    def fields(self) -> dict[str, str | None]:
        """Return the notice by names, as a webhook's JSON and a command's input have it."""
        need = self.need
        return {
            "key": need.key,
            "kind": need.kind.value,
            "issue_id": need.issue_id,
            "identifier": need.identifier,
            "title": one_line(need.title, LINE_LIMIT),
            "text": plain(need.text, TEXT_LIMIT),
            "context": plain(need.context, TEXT_LIMIT),
            "host": need.host,
            "code": need.code,
            "since": None if need.since is None else need.since.isoformat(),
            "at": self.at.isoformat(),
            "url": self.url,
        }


@dataclass(frozen=True, slots=True)
class Told:
    """What was told.

    Attributes:
        tellings: those that are remembered.
        absent: keys among them that nothing needs any more, with the time since when.
    """

    tellings: frozenset[Telling] = frozenset()
    absent: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, telling: Telling) -> "Told":
        """Return it with one more."""
        return replace(self, tellings=self.tellings | {telling})

    def look(
        self, needed: Collection[str], unsettled: Collection[str], targets: Collection[str], now: datetime
    ) -> tuple["Told", frozenset[Telling]]:
        """Return what is remembered after a look, and what is forgotten: its thing, or its target, is gone.

        Args:
            needed: keys of all that needs a person now.
            unsettled: keys of what needs nobody at the moment and is not over.
            targets: names of those who are told.
            now: the time.
        """
        keys = {telling.key for telling in self.tellings}
        missing = keys - frozenset(needed) - frozenset(unsettled)
        overdue = {key for key, since in self.absent.items() if now - since >= GONE_AFTER}
        gone = frozenset(each for each in self.tellings if each.key in overdue or each.target not in targets)
        absent = {key: self.absent.get(key, now) for key in missing - overdue}
        return Told(self.tellings - gone, absent), gone


def target_name(target: NotifySettings) -> str:
    """Return a target's name, which tells nothing of its address."""
    return hashlib.sha256(f"{target.kind}\0{target.target}".encode()).hexdigest()[:16]


def notices_of(snapshot: Snapshot) -> tuple[Need, ...]:
    """Return the needs that people are told of.

    The hosts that one guest was refused are one thing until all are decided, however many it tries.
    """
    needs: list[Need] = []
    flooded = {view.issue_id for view in snapshot.access if view.not_kept}
    asking: dict[str, int] = {}
    for need in needs_of(snapshot):
        if need.code.startswith(OWN_PROBLEMS) or need.code == BY_PERSON:
            continue
        if need.kind is NeedKind.ACCESS and need.issue_id is not None:
            asking[need.issue_id] = asking.get(need.issue_id, 0) + 1
            if asking[need.issue_id] > 1:
                continue
            if need.issue_id in flooded:
                need = replace(need, key=f"access:{need.issue_id}")
        needs.append(need)
    return tuple(needs)


def unsettled(snapshot: Snapshot, told: Iterable[Telling]) -> frozenset[str]:
    """Return the keys of handoffs that need nobody at the moment because they are being tried again."""
    busy = {view.issue_id for view in snapshot.running}
    busy |= {view.issue_id for view in snapshot.blocked if view.code == "undelivered"}
    return frozenset(
        each.key
        for each in told
        if each.key.startswith("handoff:") and each.key.removeprefix("handoff:") in busy
    )


def shortened(needs: tuple[Need, ...]) -> tuple[Need, ...]:
    """Return the first of very many things, and one that stands for all others."""
    if len(needs) <= NOTICES_AT_ONCE:
        return needs
    beyond = len(needs) - NOTICES_AT_ONCE
    more = Need(
        key="more",
        kind=NeedKind.PROBLEM,
        issue_id=None,
        identifier="",
        title=f"{counted(beyond, 'more thing')} to look at",
        text="`symphony inbox` and the dashboard show them.",
        code="more",
    )
    return (*needs[:NOTICES_AT_ONCE], more)
