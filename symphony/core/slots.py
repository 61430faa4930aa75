"""How many attempts may run at once, over all states and in each [CONTRACT 4.3]."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from symphony.core.claim import Continuing, IssueRecord, Running
from symphony.core.settings import Settings
from symphony.core.states import state_key


@dataclass
class Slots:
    """The slots that are taken while one decision is being made."""

    settings: Settings
    taken: int
    by_state: Counter[str]
    _limits: dict[str, int | None] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, records: Iterable[IssueRecord]) -> "Slots":
        """Count what running attempts and pending continuations hold."""
        claims = (record.claim for record in records)
        held = [
            claim
            for claim in claims
            if isinstance(claim, Continuing) or (isinstance(claim, Running) and claim.holds_slot)
        ]
        return cls(settings, len(held), Counter(state_key(claim.state) for claim in held))

    @property
    def full(self) -> bool:
        """Say whether no slot is free in any state."""
        return self.taken >= self.settings.agent.max_concurrent_agents

    def lacking(self, state: str) -> str | None:
        """Return why an issue in this state gets no slot now, or None when it gets one."""
        if self.full:
            return f"{_all(self.settings.agent.max_concurrent_agents)} taken"
        if state not in self._limits:
            self._limits[state] = self.settings.slots_in_state(state)
        limit = self._limits[state]
        if limit is not None and self.by_state[state_key(state)] >= limit:
            return f"{_all(limit)} taken by issues in {state}"
        return None

    def take(self, state: str) -> None:
        """Count one more attempt in this state."""
        self.taken += 1
        self.by_state[state_key(state)] += 1

    def give_back(self, state: str) -> None:
        """Count one attempt less in this state."""
        self.taken -= 1
        self.by_state[state_key(state)] -= 1


def _all(slots: int) -> str:
    return "the only slot is" if slots == 1 else f"all {slots} slots are"
