"""What an attempt tells the scheduler about itself while it runs."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from symphony.core.agent import AgentEvent
from symphony.core.claim import Phase
from symphony.core.event import AttemptProgressed
from symphony.core.ports import Clock, Meter, Meters, RunLog
from symphony.core.usage import Usage
from symphony.engine.mailbox import Mailbox

INTERVAL = timedelta(seconds=1)  # often enough for people and the stall limit, cheap at 50 agents
FRAMES = frozenset({"frame_in", "frame_out"})


@dataclass
class Progress:
    """One attempt's phase, turn and usage, sent on when they change and at most once a second else."""

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
    _sent_at: datetime | None = None

    def enter(self, phase: Phase, turn: int | None = None) -> None:
        """Note a new phase or turn, at once."""
        self.phase = phase
        self.turn = self.turn if turn is None else turn
        self.run_log.append("phase", phase=phase.value, turn=self.turn)
        self.meter.phase_began(self.attempt_id, phase, self.turn, self.clock.now())
        self._send()

    def hear(self, event: AgentEvent) -> None:
        """Note a sign of life from the agent."""
        if event.frame is not None:
            self.run_log.append(event.kind, frame=event.frame)
        else:
            self.run_log.append(event.kind, text=event.summary)
        if event.usage is not None:
            self.usage = replace(event.usage, seconds=self.usage.seconds)
        if event.summary and event.kind not in FRAMES:
            self.last_event = event.summary
        if self._sent_at is None or self.clock.now() >= self._sent_at + INTERVAL:
            self._send()

    def add_seconds(self, seconds: float) -> None:
        """Count the wall time of a turn."""
        self.usage = replace(self.usage, seconds=self.usage.seconds + seconds)

    def _send(self) -> None:
        now = self.clock.now()
        self._sent_at = now
        self.mailbox.offer(
            AttemptProgressed(
                self.issue_id, self.attempt_id, self.phase, self.turn, self.last_event, self.usage, now
            )
        )
