"""How an attempt ends: a closed set, one type per thing that the scheduler tells apart."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from symphony.core.guard.finding import Finding
from symphony.core.guard.ledger import said_of
from symphony.core.handoff import Handoff

SENT_BACK: Final = "sent_back"


class StopReason(StrEnum):
    """Why the scheduler itself ended an attempt."""

    CANCELLED = "cancelled"
    """A person said so."""
    TERMINAL = "terminal"
    """The issue was moved to a terminal state."""
    HELD = "held"
    """The issue was moved to a holding state."""
    GONE = "gone"
    """The issue's file is gone."""
    STALLED = "stalled"
    """Nothing was heard for too long."""
    DRAINED = "drained"
    """The daemon is stopping."""
    INTERRUPTED = "interrupted"
    """The daemon ended before the attempt did."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The agent was done, the checks passed and the work was handed over."""

    handoff: Handoff
    code: str = "delivered"


@dataclass(frozen=True, slots=True)
class Transitioned:
    """The agent has passed the issue on, and its file is in the other state.

    Attributes:
        note: who moved it from where to where, and why, as a sentence without its full stop.
        revision: of the issue's text after that; empty when its file is gone.
    """

    note: str
    revision: str = ""
    code: str = "transitioned"


@dataclass(frozen=True, slots=True)
class TurnsExhausted:
    """All turns ran well and the issue is still active.

    Attributes:
        progressed: whether the branch or the files changed during the attempt.
        note: what the next attempt should know, such as checks that failed in the last turn.
    """

    turns: int
    progressed: bool
    note: str = ""
    code: str = "turns_exhausted"


@dataclass(frozen=True, slots=True)
class Failed:
    """Something broke; retried with a growing delay.

    Attributes:
        code: the error's stable code.
        message: one sentence for people, with the remedy when there is one.
    """

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """The model refused for now; no failure of the issue [CONTRACT 4.5].

    Attributes:
        until: when the adapter may be used again.
    """

    adapter: str
    until: datetime
    message: str
    code: str = "rate_limited"


@dataclass(frozen=True, slots=True)
class Stopped:
    """The scheduler ended it."""

    reason: StopReason
    handoff: Handoff | None = None

    @property
    def code(self) -> str:
        """The reason's name, as every outcome has a code."""
        return self.reason.value


@dataclass(frozen=True, slots=True)
class Released:
    """The question is still open and the attempt no longer holds a process for it."""

    code: str = "waiting_for_reply"


@dataclass(frozen=True, slots=True)
class OutOfBudget:
    """A ceiling of the issue was reached, in the middle of a turn or at its end.

    Attributes:
        spent: the ceilings that are reached, with the numbers.
        note: what became of the work, and what else the next attempt should know.
    """

    spent: str
    note: str = ""
    code: str = "out_of_budget"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """The work is finished and not handed over: there are secrets in it, and a person has to say so.

    Attributes:
        work: of the hold.
    """

    work: str
    findings: tuple[Finding, ...]
    code: str = "held_back"


@dataclass(frozen=True, slots=True)
class SentBack:
    """The work was finished and no longer fitted onto the merge train; its agent goes on with it at once.

    Attributes:
        note: what the agent is told.
        why: the same in a few words, for people.
    """

    note: str
    why: str
    code: str = SENT_BACK


Outcome: TypeAlias = (
    Delivered
    | Transitioned
    | TurnsExhausted
    | Failed
    | RateLimited
    | Stopped
    | Released
    | OutOfBudget
    | HeldBack
    | SentBack
)


NO_FAULT = frozenset(
    {
        "delivered",
        "transitioned",
        "rate_limited",
        "out_of_budget",
        "waiting_for_reply",
        "held_back",
        SENT_BACK,
        *StopReason,
    }
) - {StopReason.STALLED}
"""Codes of endings that tell nothing against the attempt; every other one counts as a failure."""


def outcome_message(outcome: Outcome) -> str:
    """Return the sentence that is kept of an ended attempt; empty when there is nothing to say."""
    match outcome:
        case Delivered(handoff=handoff):
            return handoff.note
        case Transitioned(note=note):
            return f"{note}."
        case Failed(message=message) | RateLimited(message=message):
            return message
        case TurnsExhausted(turns=turns, progressed=progressed, note=note):
            used = f"All {turns} turns were used, {'with' if progressed else 'without'} progress."
            return f"{used} {note}".rstrip()
        case Stopped(handoff=handoff):
            return "" if handoff is None else handoff.note
        case OutOfBudget(spent=spent, note=note):
            return f"The budget was spent: {spent}. {note}".rstrip()
        case HeldBack(findings=findings):
            return f"The work is held for a person: there are secrets in it: {said_of(findings)}."
        case SentBack(note=note):
            return note
        case Released():
            return ""
        case _ as never:
            assert_never(never)
