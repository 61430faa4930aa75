"""What one dispatch's agent says through its MCP tools, made durable before it is answered.

[CONTRACT 6.2-6.4]
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionAccepted, SteeringAsked
from symphony.core.handoff import Completion
from symphony.core.issue import Issue, IssueDraft
from symphony.core.ports import Clock, RunLog, Store, Tracker
from symphony.core.redaction import Redactor
from symphony.core.report import ReportRefused
from symphony.core.states import StateRole, StateTable
from symphony.core.steering import SteeringRequest
from symphony.core.text import one_line
from symphony.core.tool import Tool
from symphony.core.transition import Exits
from symphony.engine.mailbox import Mailbox
from symphony.engine.toolbox import Toolbox
from symphony.engine.verifier import Verifier

ACCEPTED = "Accepted. End your turn now; nothing more is needed."
CHECKS_RUN = (
    "Accepted, and the project's checks are running. End your turn now: if one fails, its output is your "
    "next prompt."
)
NO_MORE_CHECKS = "Checks have failed too often in this turn; none runs in it any more."
END_TURN = "End your turn now."
NOT_DONE_HERE = (
    "The issue cannot be finished in this state. When your part of it is done, call transition with the "
    "state that takes over: {targets}."
)
PASSED_ON = "You have sent the issue to {to_state} already. End your turn."
NAME_SHOWN = 60  # characters of a state that is none
ONLY_DONE = Exits()
ASKED = "A person has been asked. End your turn now; the answer is your next prompt."
ANSWER_WITHIN = timedelta(seconds=40)  # agents cut a tool call off at 60 s; the door has 45 s [CONTRACT 6.2]
T = TypeVar("T")

PROPOSALS = 20  # per attempt: more is an agent that runs away


class DispatchReports:
    """One dispatch's side of the MCP endpoint; implements `AgentReports`.

    Attributes:
        exits: how the agent may leave the state that its issue is in.
        connection: set once the agent has listed the tools, until it is started again.
        completion: the accepted `mark_done` or `transition`, until checks withdraw it.
        question: the question asked in the running turn.
        turn_is_over: set when the agent has said what ends its turn.
        verifier: runs the checks that decide whether `mark_done` counts; None without any.
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
        toolbox: Toolbox | None = None,
        exits: Exits = ONLY_DONE,
        issue: Callable[[], Issue | None] = lambda: None,
    ) -> None:
        """Take what it works with; `issue` tells how the issue is now."""
        self._issue_id = issue_id
        self._attempt_id = attempt_id
        self._store = store
        self._tracker = tracker
        self._clock = clock
        self._mailbox = mailbox
        self._states = states
        self._toolbox = toolbox
        self._issue = issue
        self._questions = 0
        self._proposals = 0
        self._announced: Completion | SteeringRequest | None = None
        self._accepting: asyncio.Future[Completion] | None = None
        self._asking = False
        self._refusing = False
        self._redactor = Redactor(())
        self._wanted: Completion | None = None
        self.exits = exits
        self.run_log: RunLog | None = None
        self.connection = asyncio.Event()
        self.verifier: Verifier | None = None
        self.completion: Completion | None = None
        self.question: SteeringRequest | None = None
        self.turn_is_over = asyncio.Event()

    @property
    def tools(self) -> Sequence[Tool]:
        """The workflow's own tools that this dispatch offers."""
        return () if self._toolbox is None else self._toolbox.offered

    @property
    def tool(self) -> str:
        """The tool that the agent has ended its work with; `mark_done` before it has."""
        return "mark_done" if self._wanted is None else self._wanted.tool

    async def connected(self, client: str) -> None:
        """Note that the agent can reach its tools."""
        if not self.connection.is_set():
            self._log("mcp_connected", client=client)
        self.connection.set()

    def disconnected(self) -> None:
        """Forget that the agent could reach its tools: its process has ended."""
        self.connection.clear()

    async def mark_done(self, title: str, summary: str) -> str:
        """Accept once, durably, and answer for the checks as far as they are known within the bound.

        Raises:
            ReportRefused: while a question is open; after `transition`; where it finishes nothing; a check
                failed, with the output of those that did.
        """
        self._raise_if_refusing()
        if not self.exits.finishes:
            raise ReportRefused(NOT_DONE_HERE.format(targets=self.exits.names))
        if self._wanted is not None and self._wanted.to_state:
            raise ReportRefused(PASSED_ON.format(to_state=self._wanted.to_state))
        title, summary = self._redactor.text(title), self._redactor.text(summary)
        wanted = Completion(self._issue_id, self._attempt_id, title, summary, self._clock.now())
        return await self._accept(wanted)

    async def transition(self, to_state: str, notes: str | None) -> str:
        """Accept once, durably, that the issue goes to another state.

        Raises:
            ReportRefused: for a state that it may not go to; while a question is open; after
                `mark_done`, or another transition than this one; a check failed.
        """
        self._raise_if_refusing()
        target = self.exits.target(to_state)
        if target is None:
            allowed = self.exits.names or "none"
            raise ReportRefused(
                f"You may not move the issue to {one_line(to_state, NAME_SHOWN)!r}, only to: {allowed}."
            )
        notes = self._redactor.text(notes or "")
        known = self._wanted
        if known is not None and not known.to_state:
            raise ReportRefused("You have called mark_done. End your turn.")
        if known is not None and (known.to_state, known.summary) != (target.state, notes):
            raise ReportRefused(PASSED_ON.format(to_state=known.to_state))
        issue = self._issue()
        title, from_state = (issue.title, issue.state) if issue else (self._issue_id, "")
        wanted = Completion(
            self._issue_id,
            self._attempt_id,
            title,
            notes,
            self._clock.now(),
            from_state=from_state,
            to_state=target.state,
        )
        return await self._accept(wanted)

    async def _accept(self, wanted: Completion) -> str:
        """Store the first completion of the attempt and return the answer; a later one says the same."""
        due = self._clock.now() + ANSWER_WITHIN
        if self.verifier is not None and self.verifier.tired:
            raise ReportRefused(f"{NO_MORE_CHECKS} {END_TURN}")
        if (self._asking or self.question is not None) and self._accepting is None:
            raise ReportRefused("Your question is still open. End your turn and wait for the answer.")
        if self._accepting is None:
            self._wanted = wanted
            self._accepting = asyncio.ensure_future(self._store.accept_completion(wanted))
        accepting = self._accepting
        try:
            await _carry_through(accepting)
        finally:
            self._take_accepted(accepting)
        if self.verifier is not None:
            return await self._checked(self.verifier, due)
        self.turn_is_over.set()
        return ACCEPTED

    async def _checked(self, verifier: Verifier, due: datetime) -> str:
        """Return the answer to an accepted `mark_done`; its turn goes on when a check is known to fail.

        Raises:
            ReportRefused: one fails.
        """
        # a completion that is gone already was withdrawn by the run that this call had joined
        joins = self.completion is not None
        verdict = await verifier.verdict_by(due) if joins else verifier.failure
        if verdict is not None and not verdict.passed:
            verifier.told = True
            if not verifier.tired:
                raise ReportRefused(verdict.words)
            self.turn_is_over.set()
            raise ReportRefused(f"{verdict.words}\n{END_TURN}")
        self.turn_is_over.set()
        return CHECKS_RUN if verdict is None else ACCEPTED

    async def request_human_steering(self, question: str, context: str | None) -> str:
        """Store the question.

        Raises:
            ReportRefused: when one is open already, or after `mark_done`.
        """
        self._raise_if_refusing()
        question, context = self._redactor.text(question), self._redactor.text(context or "")
        if self._accepting is not None:
            raise ReportRefused(f"You have called {self.tool}. End your turn.")
        if self._asking or self.question is not None:
            raise ReportRefused("Your question is open already. End your turn and wait for the answer.")
        self._questions += 1
        steering = SteeringRequest(
            id=f"{self._attempt_id}.q{self._questions}",
            issue_id=self._issue_id,
            attempt_id=self._attempt_id,
            question=question,
            context=context,
            asked_at=self._clock.now(),
        )
        self._asking = True
        asking = asyncio.ensure_future(self._store.ask(steering))
        try:
            await _carry_through(asking)
        except SymphonyError as error:
            raise ReportRefused(f"Your question could not be stored: {error.message}") from error
        finally:
            self._asking = False
            if asking.done() and not asking.cancelled() and asking.exception() is None:
                self.question = steering
                self.announce()
        self._log("question", question=question, context=context)
        self.turn_is_over.set()
        return ASKED

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        """Write an issue into the first holding state, where no attempt starts.

        Raises:
            ReportRefused: too many, or the tracker's own reason.
        """
        self._raise_if_refusing()
        title, description = self._redactor.text(title), self._redactor.text(description or "")
        if self._proposals >= PROPOSALS:
            raise ReportRefused(f"You have proposed {PROPOSALS} issues; put the rest into your summary.")
        self._proposals += 1
        state = self._states.with_role(StateRole.HOLDING)[0]
        draft = IssueDraft(title, description, priority, tuple(labels), state=state)
        try:
            issue = await self._tracker.create(draft, extra={"proposed_by": self._issue_id})
        except SymphonyError as error:
            raise ReportRefused(str(error)) from error
        self._log("proposed_issue", id=issue.id, title=title)
        return f"Proposed as issue {issue.id}; a person decides whether it is worked on."

    async def use_tool(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Run one of `tools` and return what it printed.

        Raises:
            ReportRefused: after `mark_done`, or as of `Toolbox.use`.
        Cancellation: its command is ended first.
        """
        self._raise_if_refusing()
        if self._toolbox is None:
            raise ReportRefused(f"There is no tool {name}.")
        if self._accepting is not None:
            raise ReportRefused(f"You have called {self.tool}. End your turn.")
        return await self._toolbox.use(name, arguments)

    def hide(self, secrets: Collection[str]) -> None:
        """Keep these secrets out of what the agent says."""
        self._redactor = Redactor(secrets)

    def refuse(self) -> None:
        """Take nothing more: the scheduler has ended the attempt."""
        self._refusing = True

    def _raise_if_refusing(self) -> None:
        if self._refusing:
            raise ReportRefused(f"Issue {self._issue_id} is no longer worked on. End your turn.")

    async def withdraw(self) -> None:
        """Take the acceptance back after failed checks, so that the agent can call again."""
        await self._store.withdraw_completion(self._issue_id, self._attempt_id)
        self.completion = self._accepting = self._wanted = None

    def announce(self) -> None:
        """Tell the scheduler, once, what the store holds."""
        if self.completion is not None and self._announced is not self.completion:
            self._announced = self.completion
            self._mailbox.post(CompletionAccepted(self.completion))
        if self.question is not None and self._announced is not self.question:
            self._announced = self.question
            self._mailbox.post(SteeringAsked(self.question))

    def _take_accepted(self, accepting: "asyncio.Future[Completion]") -> None:
        if self._accepting is not accepting or not accepting.done():
            return
        if accepting.cancelled() or accepting.exception() is not None:
            self._accepting = self._wanted = None
        elif self.completion is None:
            self.completion = accepting.result()
            if to_state := self.completion.to_state:
                self._log("transition_asked", to=to_state, notes=self.completion.summary)
            else:
                self._log("mark_done", title=self.completion.title, summary=self.completion.summary)
            self.announce()

    def begin_turn(self) -> None:
        """Forget what the last turn said that ends a turn."""
        self.turn_is_over.clear()
        self.question = None

    def _log(self, kind: str, **fields: str) -> None:
        if self.run_log is not None:
            self.run_log.append(kind, **fields)


async def _carry_through(writing: "asyncio.Future[T]") -> T:
    """Return what the store says; a call that is cut off still ends as the store ends it.

    Cancellation: takes effect once the write is done.
    """
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        await asyncio.wait({writing})
        raise
