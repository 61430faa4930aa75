"""What a person may ask of the running daemon; implements `core.operations.Operations`."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from symphony.core.access import AccessDecision
from symphony.core.access_answer import AccessAnswer
from symphony.core.budget import CeilingChange
from symphony.core.budget_answer import BudgetAnswer, budget_answer
from symphony.core.decide import CommandRefused
from symphony.core.decide.ending import running_attempt
from symphony.core.errors import SymphonyError
from symphony.core.event import (
    BudgetAsked,
    CancelAsked,
    CompletionWithdrawn,
    DrainAsked,
    PauseAsked,
    PermissionGiven,
    ReleaseAsked,
    ReplyGiven,
    ResumeAsked,
    RetryAsked,
    Ticked,
    WorkRejected,
)
from symphony.core.explain import DECISIONS, Explanation, explain
from symphony.core.issue import Issue, IssueDraft
from symphony.core.journal import Action
from symphony.core.keys import workspace_key
from symphony.core.operations import IssueDetail
from symphony.core.permission import PermissionAnswer
from symphony.core.picture import standing
from symphony.core.ports import StoreExchange
from symphony.core.snapshot import Picture, Snapshot
from symphony.core.states import StateRole
from symphony.core.step import Step
from symphony.core.text import one_line
from symphony.engine.access_desk import AccessDesk
from symphony.engine.discarding import discard_patch, discard_workspace
from symphony.engine.earlier import best_known
from symphony.engine.environment import attempt_environment
from symphony.engine.journal import issue_journal
from symphony.engine.mailbox import MailboxClosed
from symphony.engine.orchestrator import Orchestrator
from symphony.engine.rejecting import Rejecting

SHOWN = 80  # characters of an id that is none


class EngineOperations:
    """Commands become letters to the orchestrator; questions are answered from what it published."""

    def __init__(self, orchestrator: Orchestrator, run_logs: Path, exchange: StoreExchange) -> None:
        self._orchestrator = orchestrator
        self._ports = orchestrator.ports
        self._mailbox = orchestrator.mailbox
        self._tracking = orchestrator.tracking
        self._run_logs = run_logs
        self._exchange = exchange
        self._rejects = asyncio.Lock()

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot."""
        return self._orchestrator.snapshot()

    def picture(self) -> Picture:
        """Return the latest snapshot with the issues, states and workflow behind it."""
        snapshot = self._orchestrator.snapshot()
        state = self._orchestrator.state
        return Picture(snapshot, state.issues, state.states, state.workflow)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after each change; return what ends that."""
        listeners = self._orchestrator.listeners
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    async def detail(self, issue_id: str) -> IssueDetail:
        """Return all that is known of one issue.

        Raises:
            CommandRefused: `issue_not_found`.
        """
        state = self._orchestrator.state
        if not self._is_known(issue_id):
            raise _not_found(issue_id)
        record = state.record(issue_id)
        attempt = running_attempt(record)
        delivery = await self._ports.store.handoff_of(issue_id)
        return IssueDetail(
            issue_id=issue_id,
            issue=state.issues.get(issue_id),
            standing=standing(state, issue_id, self._ports.clock.now()),
            attempts=await self._ports.store.attempts_of(issue_id),
            steering=await self._ports.store.steering_of(issue_id),
            audit=await self._ports.store.audit_of(issue_id),
            run_log=self._run_logs / f"{workspace_key(issue_id)}.jsonl",
            last_handoff=record.last_handoff,
            failures=record.failures,
            paused=record.paused,
            access=record.access,
            guard=record.guard,
            machine=attempt.machine if attempt else None,
            budget=state.account(issue_id),
            receipt=None if delivery is None else delivery.handoff.receipt,
            boarded=None if delivery is None else delivery.handoff.boarded,
            best=await best_known(self._ports.workspaces.bests, issue_id),
        )

    async def explain(self, issue_id: str) -> Explanation:
        """Return where an issue stands, what happens next, and the last decisions on it.

        Raises:
            CommandRefused: `issue_not_found`.
        """
        if not self._is_known(issue_id):
            raise _not_found(issue_id)
        decisions = await self._ports.store.audit_of(issue_id, DECISIONS)
        best = await best_known(self._ports.workspaces.bests, issue_id)
        state, now = self._orchestrator.state, self._ports.clock.now()
        explanation = explain(state, issue_id, now, decisions, best)
        store = self._orchestrator.store_problem
        if store is None:
            return explanation
        waits = Step(f"Nothing is decided until the store can be written: {store.message.rstrip('.')}")
        return replace(explanation, next=(waits, *explanation.next))

    async def issues(self) -> tuple[Issue, ...]:
        """Return every readable issue."""
        return tuple(self._orchestrator.state.issues.issues.values())

    async def refresh(self) -> None:
        """Look at tracker and workflow now."""
        await self._tracking.scan()
        await self._mailbox.ask(Ticked())

    async def create(self, draft: IssueDraft) -> Issue:
        """Write a new issue.

        Raises:
            TrackerError: see `Tracker.create`.
        """
        issue = await self._ports.tracker.create(draft)
        await self._tracking.look_at_written(issue.path)
        return issue

    async def reply(self, issue_id: str, text: str) -> None:
        """Answer the issue's open question, durably before this returns.

        Raises:
            StoreError: `no_open_question`, `already_answered`.
            CommandRefused: `issue_not_found`.
        """
        try:
            steering = await self._ports.store.reply(issue_id, text, self._ports.clock.now())
        except SymphonyError as error:
            if error.code == "no_open_question" and not self._is_known(issue_id):
                raise _not_found(issue_id) from error
            raise
        with suppress(MailboxClosed):  # the reply is stored, and the next run finds it there
            await self._mailbox.settle(ReplyGiven(steering))

    async def permit(self, issue_id: str, request_id: str | None, answer: PermissionAnswer) -> None:
        """Answer a request for permission; None is the issue's only open one."""
        await self._mailbox.ask(PermissionGiven(issue_id, request_id, answer))

    async def retry(self, issue_id: str) -> None:
        """Forget the issue's failures and make it eligible now."""
        await self._mailbox.ask(RetryAsked(issue_id))

    async def cancel(self, issue_id: str) -> None:
        """End its attempt; it then rests until a retry or an edit."""
        await self._mailbox.ask(CancelAsked(issue_id))

    async def pause(self, issue_id: str | None) -> None:
        """Start no new attempt on it (None: on any)."""
        await self._mailbox.ask(PauseAsked(issue_id))

    async def resume(self, issue_id: str | None) -> None:
        """Lift a pause."""
        await self._mailbox.ask(ResumeAsked(issue_id))

    async def move(self, issue_id: str, to_state: str) -> Issue:
        """Move its file into another state.

        Raises:
            TrackerError: see `Tracker.move`.
        """
        before = self._orchestrator.state.issues.get(issue_id)
        journal = await issue_journal(self._ports.store, self._ports.clock, issue_id)
        async with journal.step(Action.MOVE_ISSUE, to=to_state):
            issue = await self._ports.tracker.move(issue_id, to_state)
        await self._tracking.look_at_written(issue.path, *([] if before is None else [before.path]))
        return issue

    async def approve(self, issue_id: str) -> Issue | None:
        """Move a proposed issue into the first active state, or let held work out.

        Raises:
            CommandRefused: `issue_not_found`; `not_proposed` when it is not in a holding state, and
                nothing of it is held.
        """
        state = self._orchestrator.state
        issue = state.issues.get(issue_id)
        if state.record(issue_id).guard.held is not None:
            await self._mailbox.ask(ReleaseAsked(issue_id))
            return issue
        if issue is None:
            raise _not_found(issue_id)
        if state.states.role(issue.state) is not StateRole.HOLDING:
            raise CommandRefused(
                f"Issue {issue_id} is in {issue.state} and needs no approval.", code="not_proposed"
            )
        return await self.move(issue_id, state.states.with_role(StateRole.ACTIVE)[0])

    async def discard(self, issue_id: str) -> None:
        """Delete its workspace with all undelivered work; without a workspace, its patch.

        Raises:
            CommandRefused: `already_running`, `nothing_to_discard`, `issue_not_found`.
        """
        supervisor = self._orchestrator.supervisor
        if issue_id in supervisor.held_back:
            raise CommandRefused(f"Issue {issue_id} is being discarded.", code="nothing_to_discard")
        with supervisor.holding_back(issue_id):
            await self._discard(issue_id)

    async def _discard(self, issue_id: str) -> None:
        state = self._orchestrator.state
        if running_attempt(state.record(issue_id)) is not None:
            raise CommandRefused(
                f"Issue {issue_id} is running.",
                code="already_running",
                remedy=f"`symphony cancel {issue_id}` first.",
            )
        completion = state.record(issue_id).completion
        workspace = await self._ports.workspaces.find(issue_id, state.workflow.settings)
        if workspace is None and completion is None:
            if not self._is_known(issue_id):
                raise _not_found(issue_id)
            await discard_patch(
                issue_id, store=self._ports.store, clock=self._ports.clock, workspaces=self._ports.workspaces
            )
            return
        if workspace is not None:
            issue = state.issues.get(issue_id)
            number = state.record(issue_id).attempts
            environment = attempt_environment(issue, number, state.workflow, workspace) if issue else {}
            await discard_workspace(
                workspace,
                completion,
                state.workflow.settings,
                environment,
                store=self._ports.store,
                clock=self._ports.clock,
                workspaces=self._ports.workspaces,
            )
        elif completion is not None:
            await self._ports.store.withdraw_completion(issue_id, completion.attempt_id)
        if completion is not None:
            await self._mailbox.put(CompletionWithdrawn(issue_id, completion.attempt_id))

    async def reject(self, issue_id: str, words: str, to_state: str | None, about: str = "") -> Issue:
        """Send delivered work back, with the reviewer's words and the comments in its patch.

        `about` is what of a pull request the words tell, when they come from there.

        Raises:
            SymphonyError: as of `Rejecting`.
        """
        rejecting = Rejecting(self._ports.store, self._ports.clock, self._ports.workspaces)
        async with self._rejects:  # two at once would move the issue twice
            rejection = await rejecting.look(self._orchestrator.state, issue_id, words, to_state, about)
            return await rejecting.carry_out(
                rejection, lambda review: self._mailbox.ask(WorkRejected(review)), self.move
            )

    async def restore(self, name: str) -> None:
        """End this run at once, and go on with the store that is prepared under this name.

        Raises:
            NothingToRestore: no copy of this name is prepared.
        """
        await self._exchange.choose(name)
        self._orchestrator.tell_person("stopping all attempts: the store is put back from a copy")
        self._mailbox.post(DrainAsked(now=True))

    async def decide_access(self, issue_id: str, host: str, decision: AccessDecision) -> AccessAnswer:
        """Let its guest reach a host, or keep it from it.

        Raises:
            SymphonyError: as of `AccessDesk.decide`.
        """
        return await AccessDesk(self._orchestrator).decide(issue_id, host, decision)

    async def set_budget(self, issue_id: str, changes: tuple[CeilingChange, ...]) -> BudgetAnswer:
        """Give an issue ceilings of its own; what was out of budget alone goes on.

        Raises:
            CommandRefused: `issue_not_found`, `already_done`, `no_ceiling`.
        """
        await self._mailbox.ask(BudgetAsked(issue_id, changes))
        return budget_answer(self._orchestrator.state, issue_id, self._ports.clock.now())

    def _is_known(self, issue_id: str) -> bool:
        """Say whether the issue has a file, or something is remembered of it."""
        state = self._orchestrator.state
        return issue_id in state.records or state.issues.present(issue_id)


def _not_found(issue_id: str) -> CommandRefused:
    return CommandRefused(
        f"There is no issue {one_line(issue_id, SHOWN)}.",
        code="issue_not_found",
        remedy="`symphony status` lists the issues.",
    )
