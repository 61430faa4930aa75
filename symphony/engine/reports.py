"""What one dispatch's agent says through its MCP tools, made durable before it is answered.

[CONTRACT 6.2-6.4]
"""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionAccepted, SteeringAsked
from symphony.core.handoff import Completion
from symphony.core.issue import IssueDraft
from symphony.core.ports import Clock, RunLog, Store, Tracker
from symphony.core.report import ReportRefused
from symphony.core.states import StateRole, StateTable
from symphony.core.steering import SteeringRequest
from symphony.engine.mailbox import Mailbox

ACCEPTED = "Accepted. End your turn now; nothing more is needed."
ACCEPTED_WITH_CHECKS = (
    "Accepted. End your turn now: the project's checks run next, and if one fails you are told its output."
)
ASKED = "A person has been asked. End your turn now; the answer is your next prompt."
T = TypeVar("T")

PROPOSALS = 20  # per attempt: more is an agent that runs away


class DispatchReports:
    """One dispatch's side of the MCP endpoint; implements `AgentReports`.

    Attributes:
        connected_client: the MCP client's name once it has listed the tools.
        completion: the accepted `mark_done`, until checks withdraw it.
        question: the question asked in the running turn.
        turn_is_over: set when the agent has said what ends its turn.
    """

    def __init__(
        self,
        issue_id: str,
        attempt_id: str,
        *,
        store: Store,
        tracker: Tracker,
        clock: Clock,
        mailbox: Mailbox,
        states: StateTable,
        has_checks: bool,
    ) -> None:
        self._issue_id = issue_id
        self._attempt_id = attempt_id
        self._store = store
        self._tracker = tracker
        self._clock = clock
        self._mailbox = mailbox
        self._states = states
        self._answer = ACCEPTED_WITH_CHECKS if has_checks else ACCEPTED
        self._questions = 0
        self._proposals = 0
        self._announced: Completion | SteeringRequest | None = None
        self.run_log: RunLog | None = None
        self.connected_client: str | None = None
        self.completion: Completion | None = None
        self.question: SteeringRequest | None = None
        self.turn_is_over = asyncio.Event()

    async def connected(self, client: str) -> None:
        """Note that the agent can reach its tools."""
        if self.connected_client is None:
            self._log("mcp_connected", client=client)
        self.connected_client = client

    async def mark_done(self, title: str, summary: str) -> str:
        """Accept once, durably.

        Raises:
            ReportRefused: while a question is open.
        """
        self.connected_client = self.connected_client or "unknown"
        if self.question is not None and self.completion is None:
            raise ReportRefused("Your question is still open. End your turn and wait for the answer.")
        wanted = Completion(self._issue_id, self._attempt_id, title, summary, self._clock.now())
        if self.completion is None:
            await self._accept(wanted)
        self.turn_is_over.set()
        return self._answer

    async def request_human_steering(self, question: str, context: str | None) -> str:
        """Store the question.

        Raises:
            ReportRefused: when one is open already, or after `mark_done`.
        """
        if self.completion is not None:
            raise ReportRefused("You have called mark_done. End your turn.")
        if self.question is not None:
            raise ReportRefused(
                f"Your question is open already: {self.question.question} End your turn and wait."
            )
        self._questions += 1
        steering = SteeringRequest(
            id=f"{self._attempt_id}.q{self._questions}",
            issue_id=self._issue_id,
            attempt_id=self._attempt_id,
            question=question,
            context=context or "",
            asked_at=self._clock.now(),
        )
        self.question = steering
        try:
            await _carry_through(self._store.ask(steering))
        except SymphonyError as error:
            self.question = None
            raise ReportRefused(f"Your question could not be stored: {error.message}") from error
        self._log("question", question=question, context=context or "")
        await self.announce()
        self.turn_is_over.set()
        return ASKED

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        """Write an issue into the first holding state, where no attempt starts.

        Raises:
            ReportRefused: too many, or the tracker's own reason.
        """
        if self._proposals >= PROPOSALS:
            raise ReportRefused(f"You have proposed {PROPOSALS} issues; put the rest into your summary.")
        self._proposals += 1
        state = self._states.with_role(StateRole.HOLDING)[0]
        draft = IssueDraft(title, description or "", priority, tuple(labels), state=state)
        try:
            issue = await self._tracker.create(draft, extra={"proposed_by": self._issue_id})
        except SymphonyError as error:
            raise ReportRefused(str(error)) from error
        self._log("proposed_issue", id=issue.id, title=title)
        return f"Proposed as issue {issue.id}; a person decides whether it is worked on."

    async def withdraw(self) -> None:
        """Take the acceptance back after failed checks, so that the agent can call again."""
        await self._store.withdraw_completion(self._issue_id, self._attempt_id)
        self.completion = None

    async def announce(self) -> None:
        """Tell the scheduler what is stored and what it may not have heard of, as a call was cut off."""
        if self.completion is not None and self._announced is not self.completion:
            self._announced = self.completion
            await self._mailbox.put(CompletionAccepted(self.completion))
        if self.question is not None and self._announced is not self.question:
            self._announced = self.question
            await self._mailbox.put(SteeringAsked(self.question))

    async def _accept(self, wanted: Completion) -> None:
        self.completion = wanted
        try:
            self.completion = await _carry_through(self._store.accept_completion(wanted))
        except SymphonyError:
            self.completion = None
            raise
        self._log("mark_done", title=wanted.title, summary=wanted.summary)
        await self.announce()

    def begin_turn(self) -> None:
        """Forget what the last turn said that ends a turn."""
        self.turn_is_over.clear()
        self.question = None

    def _log(self, kind: str, **fields: str) -> None:
        if self.run_log is not None:
            self.run_log.append(kind, **fields)


async def _carry_through(writing: Awaitable[T]) -> T:
    """Return what the store says; a call that is cut off still ends as the store ends it.

    Cancellation: takes effect once the write is done; a failed one is then raised instead.
    """
    task = asyncio.ensure_future(writing)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        task.result()
        raise
