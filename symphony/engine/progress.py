"""What an attempt tells the scheduler about itself while it runs."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from symphony.core.agent import AgentEvent
from symphony.core.claim import Phase
from symphony.core.event import AttemptProgressed, FindingMade
from symphony.core.guard.finding import Finding
from symphony.core.guard.ledger import KEPT_OF_ATTEMPT
from symphony.core.ports import Clock, Meter, Meters, RunLog
from symphony.core.usage import Usage
from symphony.engine.mailbox import Mailbox

INTERVAL = timedelta(seconds=1)  # often enough for people and the stall limit, cheap at 50 agents
NEVER = datetime.min.replace(tzinfo=UTC)
FRAMES = frozenset({"frame_in", "frame_out"})


@dataclass
class Progress:
    """One attempt's phase, turn and usage, sent on when they change and at most once a second else.

    Attributes:
        usage: what is counted; of the running turn all but the time since it began or last waited.
        spending: set when what is spent, or how time is counted, has changed.
        findings: what the guard rails have found so far.
        blocked: set when one of them, `blocked_by`, ends the turn.
    """

    issue_id: str
    attempt_id: str
    clock: Clock
    mailbox: Mailbox
    run_log: RunLog
    meter: Meter = field(default_factory=Meters)
    phase: Phase = Phase.WORKSPACE
    turn: int = 0
    usage: Usage = field(default_factory=Usage)
    last_event: str = ""
    spending: asyncio.Event = field(default_factory=asyncio.Event)
    findings: list[Finding] = field(default_factory=list)
    blocked: asyncio.Event = field(default_factory=asyncio.Event)
    blocked_by: Finding | None = None
    _sent_at: datetime = NEVER
    _sent: Usage = Usage()
    _heard_at: datetime = NEVER
    _in_turn: bool = False
    _waits: int = 0
    _works_since: datetime | None = None

    def enter(self, phase: Phase, turn: int | None = None) -> None:
        """Note a new phase or turn, at once."""
        self.phase = phase
        self.turn = self.turn if turn is None else turn
        self.run_log.append("phase", phase=phase.value, turn=self.turn)
        self._heard_at = self.clock.now()
        self.meter.phase_began(self.attempt_id, phase, self.turn, self._heard_at)
        self._send()

    def hear(self, event: AgentEvent) -> None:
        """Note a sign of life from the agent."""
        if event.frame is not None:
            self.run_log.append(event.kind, frame=event.frame)
        else:
            self.run_log.append(event.kind, text=event.summary)
        if event.finding is not None:
            self._note_finding(event.finding, event)
        if event.usage is not None:
            self.usage = self.usage.raised_to(replace(event.usage, seconds=0.0))
            self.spending.set()
        if event.begins_call:
            self.usage = replace(self.usage, tool_calls=self.usage.tool_calls + 1)
        if event.summary and event.kind not in FRAMES:
            self.last_event = event.summary
        self._heard_at = self.clock.now()
        if self._heard_at >= self._sent_at + INTERVAL:
            self._send()

    def _note_finding(self, finding: Finding, event: AgentEvent) -> None:
        if finding not in self.findings and len(self.findings) < KEPT_OF_ATTEMPT:
            self.findings.append(finding)
            self.mailbox.post(FindingMade(self.issue_id, self.attempt_id, finding, event.refused))
        if event.ends_turn:
            self.blocked_by = self.blocked_by or finding
            self.blocked.set()

    def tell_spent(self) -> None:
        """Let the scheduler know what is spent, though nothing more is heard."""
        if self.clock.now() >= self._sent_at + INTERVAL:
            self._send()

    @property
    def untold(self) -> bool:
        """Say whether an agent's report has not been passed on."""
        return replace(self.usage, seconds=0.0) != replace(self._sent, seconds=0.0)

    @property
    def spent(self) -> Usage:
        """What the attempt has cost up to this moment."""
        return replace(self.usage, seconds=self.usage.seconds + self._uncounted())

    @property
    def works(self) -> bool:
        """Say whether time is being spent: a turn runs and waits for nobody."""
        return self._works_since is not None

    def begin_turn(self) -> None:
        """Count time from now on."""
        self._in_turn = True
        self._count_time()

    def end_turn(self) -> None:
        """Count no more time."""
        self._in_turn = False
        self._count_time()

    def begin_waiting(self) -> None:
        """Note that the turn waits for a person, which is not its time; several parts of it may at once."""
        self._waits += 1
        self._count_time()

    def end_waiting(self) -> None:
        """Note that a part of the turn no longer waits."""
        self._waits -= 1
        self._count_time()

    def _count_time(self) -> None:
        self.usage = self.spent
        self._works_since = self.clock.now() if self._in_turn and not self._waits else None
        self.spending.set()

    def _uncounted(self) -> float:
        return 0.0 if self._works_since is None else (self.clock.now() - self._works_since).total_seconds()

    def _send(self) -> None:
        self._sent_at, self._sent = self.clock.now(), self.spent
        self.mailbox.offer(
            AttemptProgressed(
                self.issue_id,
                self.attempt_id,
                self.phase,
                self.turn,
                self.last_event,
                self._sent,
                self._heard_at,
            )
        )
