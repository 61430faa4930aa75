"""The working copy of one decision: changes pile up here and become the next state at its end."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from symphony.core.claim import Claim, IssueRecord
from symphony.core.effect import Audit, Effect
from symphony.core.ports import Changes
from symphony.core.scheduler import SchedulerState


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event leads to.

    Attributes:
        state: the next state.
        changes: what has to be durable before any effect begins.
        effects: what the engine then does, in this order.
    """

    state: SchedulerState
    changes: Changes
    effects: tuple[Effect, ...]


@dataclass
class Draft:
    """One decision in the making; lives only inside `decide`."""

    state: SchedulerState
    now: datetime
    records: dict[str, IssueRecord] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    audit: list[Audit] = field(default_factory=list)
    paused: bool | None = None
    adapter_pauses: dict[str, datetime] | None = None
    _table: dict[str, IssueRecord] | None = None

    def record(self, issue_id: str) -> IssueRecord:
        """Return the record as it stands in this draft."""
        return self.state.record(issue_id)

    def put(self, record: IssueRecord) -> None:
        """Replace a record, durably."""
        self.records[record.issue_id] = record
        self.note(record)

    def note(self, record: IssueRecord) -> None:
        """Replace a record whose change need not outlive the process."""
        if self._table is None:  # the first change copies the table once; nobody else sees the copy yet
            self._table = dict(self.state.records)
            self.state = replace(self.state, records=self._table)
        self._table[record.issue_id] = record

    def claim(self, issue_id: str, claim: Claim | None) -> None:
        """Replace an issue's claim and keep the rest of its record."""
        self.put(replace(self.record(issue_id), claim=claim))

    def say(self, issue_id: str | None, decision: str, reason: str) -> None:
        """Add to the audit."""
        self.audit.append(Audit(self.now, issue_id, decision, reason))

    def decision(self) -> Decision:
        """Close the draft."""
        changes = Changes(tuple(self.records.values()), tuple(self.audit), self.paused, self.adapter_pauses)
        return Decision(self.state, changes, tuple(self.effects))
