"""Durable memory: what is written before it is acted on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from symphony.core.claim import IssueRecord
from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff
from symphony.core.journal import Action, Result
from symphony.core.notice import Telling
from symphony.core.outcome import Outcome
from symphony.core.receipt import Receipt
from symphony.core.steering import SteeringRequest
from symphony.core.stored import Delivery
from symphony.core.usage import Usage


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt, as the store keeps it.

    Attributes:
        state: the issue's when it began; empty for one of an older symphony.
        model: what its agent worked with, as that calls it; empty when it did not say.
    """

    id: str
    issue_id: str
    number: int
    adapter: str
    sandbox: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    message: str = ""
    turns: int = 0
    session_id: str | None = None
    usage: Usage = Usage()
    state: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect with a consequence outside the process, begun and perhaps not ended.

    Attributes:
        action: one of `Action`, or a word that only a newer symphony knows.
    """

    id: int
    at: datetime
    issue_id: str
    attempt_id: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a start finds in the store.

    Attributes:
        records: by issue id; a record that was running has no claim here, but its attempt is
            in `interrupted`. Its usage is that of all its attempts, the interrupted one included.
        open_intents: effects of the dead run without a result.
        interrupted: attempts of the dead run.
        steering: for each issue the latest request that is open or whose reply no attempt has had.
        paused: whether everything is paused.
        adapter_pauses: adapter to the time until which it rests.
    """

    records: Mapping[str, IssueRecord] = field(default_factory=dict)
    open_intents: tuple[Intent, ...] = ()
    interrupted: tuple[AttemptRow, ...] = ()
    steering: Mapping[str, SteeringRequest] = field(default_factory=dict)
    paused: bool = False
    adapter_pauses: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one decision changes in the store, written in one transaction."""

    records: tuple[IssueRecord, ...] = ()
    audit: tuple[Audit, ...] = ()
    paused: bool | None = None
    adapter_pauses: Mapping[str, datetime] | None = None


class StoreExchange(Protocol):
    """Another store, prepared to be put in this one's place."""

    async def choose(self, name: str) -> None:
        """Take the one of this name once the run is over.

        Raises:
            NothingToRestore: `nothing_to_restore`: there is none.
        """
        ...


class Store(Protocol):
    """Durable memory; every method returns only when its change would survive power loss."""

    async def load(self) -> Memory:
        """Return what the last run left."""
        ...

    async def apply(self, changes: Changes) -> None:
        """Write one decision; a record's completion is not part of it, `accept_completion` has it."""
        ...

    async def attempt_started(self, row: AttemptRow) -> None:
        """Insert an attempt."""
        ...

    async def attempt_ended(
        self, attempt_id: str, at: datetime, outcome: Outcome, turns: int, usage: Usage
    ) -> None:
        """Record how an attempt ended."""
        ...

    async def session_opened(self, attempt_id: str, session_id: str, model: str, place: str) -> None:
        """Record the agent's names for the session and its model, and where it runs, in words."""
        ...

    async def turn_ended(self, attempt_id: str, turns: int, usage: Usage) -> None:
        """Record what a running attempt has cost so far; nothing once it has ended."""
        ...

    async def intend(
        self, at: datetime, issue_id: str, attempt_id: str, action: Action, detail: Mapping[str, Any]
    ) -> int:
        """Record that an effect is about to happen; return the intent's id."""
        ...

    async def fulfil(
        self,
        intent_id: int,
        at: datetime,
        result: Result,
        detail: Mapping[str, Any],
        audit: Collection[Audit] = (),
    ) -> None:
        """Record how the effect ended and what the audit says of it, at once; the first result counts."""
        ...

    async def accept_completion(self, completion: Completion) -> Completion:
        """Store an accepted completion once; return the one that is stored for this attempt.

        Raises:
            StoreError: `completion_open` when another attempt's is not handed over yet.
        """
        ...

    async def attach_receipt(self, completion: Completion, receipt: Receipt) -> Completion:
        """Store what an accepted completion has passed, and return it with that."""
        ...

    async def withdraw_completion(self, issue_id: str, attempt_id: str) -> None:
        """Forget a completion whose checks failed."""
        ...

    async def complete_handoff(self, completion: Completion, handoff: Handoff, at: datetime) -> None:
        """Record that the completion was handed over."""
        ...

    async def complete_transition(
        self, completion: Completion, note: str, revision: str, at: datetime
    ) -> None:
        """Record that the issue was moved, once; and, at once with it, in the record's passage."""
        ...

    async def ask(self, steering: SteeringRequest) -> None:
        """Store a question.

        Raises:
            StoreError: `steering_open` when the issue has an open one.
        """
        ...

    async def reply(self, issue_id: str, reply: str, at: datetime) -> SteeringRequest:
        """Answer the issue's open question.

        Raises:
            StoreError: `no_open_question`; `already_answered`.
        """
        ...

    async def reply_used(self, steering_id: str, at: datetime) -> None:
        """Record that an attempt has had the reply."""
        ...

    async def steering_of(self, issue_id: str) -> tuple[SteeringRequest, ...]:
        """Return the issue's questions, oldest first."""
        ...

    async def open_steering(self) -> tuple[SteeringRequest, ...]:
        """Return all open questions, oldest first."""
        ...

    async def attempts_of(self, issue_id: str) -> tuple[AttemptRow, ...]:
        """Return the issue's attempts, oldest first."""
        ...

    async def handoff_of(self, issue_id: str) -> Delivery | None:
        """Return the issue's latest finished handoff, or None."""
        ...

    async def told(self) -> frozenset[Telling]:
        """Return who was told of what, as far as it is remembered."""
        ...

    async def keep_told(self, told: Collection[Telling], gone: Collection[Telling]) -> None:
        """Remember who was told of what, and forget what is gone."""
        ...

    async def totals(self) -> Usage:
        """Return the usage of all attempts that have ended."""
        ...

    async def installation_id(self) -> str:
        """Return the name of this installation, made once and kept."""
        ...

    async def audit_of(self, issue_id: str | None, limit: int = 50) -> tuple[Audit, ...]:
        """Return the latest decisions on an issue, newest first; with None those that are on none."""
        ...
