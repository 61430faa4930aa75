"""What is measured of the daemon's work while it is done."""

from datetime import datetime, timedelta
from typing import Protocol

from symphony.core.claim import Phase
from symphony.core.outcome import Outcome
from symphony.core.ports.store import AttemptRow
from symphony.core.usage import Usage


class Meter(Protocol):
    """Told of each step as it happens; it only counts: it never waits, writes or raises."""

    def attempt_began(self, attempt: AttemptRow) -> None:
        """Note that an attempt begins."""
        ...

    def phase_began(self, attempt_id: str, phase: Phase, turn: int, at: datetime) -> None:
        """Note that an attempt enters a phase, which ends the one before."""
        ...

    def machine_booted(self, attempt_id: str, took: timedelta) -> None:
        """Note how long an attempt's machine took until it could be used."""
        ...

    def turn_ended(self, attempt_id: str, took: timedelta) -> None:
        """Note how long a turn took, whatever came of it."""
        ...

    def handed_over(self, attempt_id: str, kind: str, took: timedelta) -> None:
        """Note how long a finished handoff took."""
        ...

    def attempt_ended(self, attempt: AttemptRow, outcome: Outcome, usage: Usage, at: datetime) -> None:
        """Note how an attempt ended and what it has cost."""
        ...

    def decided(self, event: str, took: timedelta) -> None:
        """Note what a decision of the scheduler took, by the kind of event that it was about."""
        ...


class Meters:
    """Several meters as one; without any it measures nothing."""

    def __init__(self, *meters: Meter) -> None:
        self._meters = meters

    def attempt_began(self, attempt: AttemptRow) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.attempt_began(attempt)

    def phase_began(self, attempt_id: str, phase: Phase, turn: int, at: datetime) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.phase_began(attempt_id, phase, turn, at)

    def machine_booted(self, attempt_id: str, took: timedelta) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.machine_booted(attempt_id, took)

    def turn_ended(self, attempt_id: str, took: timedelta) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.turn_ended(attempt_id, took)

    def handed_over(self, attempt_id: str, kind: str, took: timedelta) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.handed_over(attempt_id, kind, took)

    def attempt_ended(self, attempt: AttemptRow, outcome: Outcome, usage: Usage, at: datetime) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.attempt_ended(attempt, outcome, usage, at)

    def decided(self, event: str, took: timedelta) -> None:
        """Tell every meter."""
        for meter in self._meters:
            meter.decided(event, took)
