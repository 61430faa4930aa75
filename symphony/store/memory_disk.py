"""What a store without a disk has committed. Called by `memory` alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from symphony.core.claim import IssueRecord
from symphony.core.effect import Audit
from symphony.core.handoff import Completion
from symphony.core.notice import Telling
from symphony.core.ports import AttemptRow, Intent
from symphony.core.steering import SteeringRequest
from symphony.store.rows import AUDIT_KEPT, AUDIT_SLACK, HandoffRow


@dataclass(slots=True)
class Trail:
    """The decisions on one issue, oldest first, and how many there ever were."""

    count: int = 0
    entries: list[Audit] = field(default_factory=list)


@dataclass(slots=True)
class MemoryDisk:
    """All that is committed."""

    installation_id: str
    records: dict[str, IssueRecord] = field(default_factory=dict)
    attempts: dict[str, AttemptRow] = field(default_factory=dict)
    steering: dict[str, SteeringRequest] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    accepted: dict[str, Completion] = field(default_factory=dict)
    delivered: dict[str, tuple[Completion, HandoffRow]] = field(default_factory=dict)
    moved: dict[str, tuple[Completion, datetime]] = field(default_factory=dict)
    intents: dict[int, Intent] = field(default_factory=dict)
    fulfilled: set[int] = field(default_factory=set)
    audit: dict[str | None, Trail] = field(default_factory=dict)
    told: set[Telling] = field(default_factory=set)
    paused: bool = False
    adapter_pauses: Mapping[str, datetime] = field(default_factory=dict)

    def say(self, audit: Collection[Audit]) -> None:
        """Add decisions, each to those on its issue."""
        for entry in audit:
            trail = self.audit.setdefault(entry.issue_id, Trail())
            trail.count += 1
            trail.entries.append(entry)
            if trail.count % AUDIT_SLACK == 0:
                del trail.entries[:-AUDIT_KEPT]

    def move(self, completion: Completion, note: str, revision: str, at: datetime) -> None:
        """Close an accepted transition, and count it in its issue's passage; once."""
        stored = self.accepted.get(completion.issue_id)
        if stored is None or stored.attempt_id != completion.attempt_id:
            return
        self.moved[completion.attempt_id] = (self.accepted.pop(completion.issue_id), at)
        record = self.records.get(completion.issue_id, IssueRecord(completion.issue_id))
        passed = replace(record, passage=record.passage.on(note, revision))
        self.records[completion.issue_id] = passed
