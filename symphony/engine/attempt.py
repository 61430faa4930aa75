"""One attempt's life, from the claim to its outcome; its main line is `Attempt._work`.

It takes all that it needs as values and talks to the scheduler by events only, so that it could
run on another machine.
"""

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from symphony.core.agent import ModelResting, SessionSpec
from symphony.core.backoff import rest
from symphony.core.claim import Phase
from symphony.core.effect import StartAttempt, StartDelivery
from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionWithdrawn
from symphony.core.handoff import Completion, Imported
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.outcome import (
    SENT_BACK,
    Failed,
    Outcome,
    OutOfBudget,
    RateLimited,
    Released,
    Stopped,
    StopReason,
    TurnsExhausted,
)
from symphony.core.ports import AttemptRow, Checkouts, Earlier, Sandbox, Workspace
from symphony.core.safety import SafetyRef
from symphony.core.settings import Settings
from symphony.core.states import state_key
from symphony.core.text import counted
from symphony.core.transition import exits_of
from symphony.core.usage import Usage
from symphony.engine.checks import run_checks
from symphony.engine.context import AttemptContext, issue_id_of
from symphony.engine.conversation import Conversation, Done
from symphony.engine.delivery import Delivery
from symphony.engine.earlier import best_known, earlier_of, sent_back
from symphony.engine.headway import Headway
from symphony.engine.holding import WorkHeld
from symphony.engine.line import open_line
from symphony.engine.machine_watch import watch_machine
from symphony.engine.more_servers import more_servers
from symphony.engine.patience import done_before
from symphony.engine.reach import Reach, open_reach
from symphony.engine.reports import DispatchReports
from symphony.engine.safekeeping import keep_what_was_left
from symphony.engine.tool_surroundings import open_toolbox
from symphony.engine.train import Fit, Ground, WentBack, try_on
from symphony.engine.transition import goes_on
from symphony.engine.verifier import CHECKS_FAILED, Verdict, Verifier
from symphony.engine.waiting import Wait

NO_LONGER_WANTED = frozenset(
    {StopReason.CANCELLED, StopReason.HELD, StopReason.GONE, StopReason.STALLED}
)  # reasons for which an agent's last word is not taken any more
CUT_OFF = frozenset(
    {SENT_BACK, StopReason.INTERRUPTED.value, StopReason.DRAINED.value, Released().code, OutOfBudget("").code}
)


class HookFailed(SymphonyError):
    """A hook that must succeed did not."""

    code = "hook_failed"


@dataclass(frozen=True, slots=True)
class Ended:
    """What an attempt leaves behind."""

    outcome: Outcome
    turns: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt's agent works and its checks run; no checkouts without checks."""

    workspace: Workspace
    sandbox: Sandbox
    checkouts: Checkouts | None


class Attempt:
    """Runs one attempt."""

    def __init__(self, context: AttemptContext) -> None:
        self._context = context
        self._start = context.start
        self._ports = context.ports
        self._control = context.control
        self._settings = context.settings
        self._progress = context.progress
        self._reports: DispatchReports | None = None
        self._passed = False
        self._left: SafetyRef | None = None
        self._delivery = Delivery(context)

    async def run(self) -> Ended:
        """Run to the end; every ending is an outcome, and nothing is held afterwards."""
        work = asyncio.create_task(self._work())
        try:
            if not await done_before(work, self._control.stopped):
                if self._reports is not None and self._control.stop_reason in NO_LONGER_WANTED:
                    self._reports.refuse()
                work.cancel()
                await asyncio.wait({work})
                if self._control.stop_reason is StopReason.CANCELLED and not self._passed:
                    await self._withdraw()
            outcome = await self._outcome_of(work)
        finally:
            work.cancel()
            await asyncio.wait({work})
        return Ended(outcome, self._progress.turn, self._progress.usage)

    async def _outcome_of(self, work: asyncio.Task[Outcome]) -> Outcome:
        reason = self._control.stop_reason
        if not work.cancelled() and work.exception() is None:
            return work.result()
        if work.cancelled():
            if reason is StopReason.TERMINAL:
                return await self._unless_hurried(self._delivery.rescue())
            if reason is None:
                return Failed("internal_error", "The attempt was cancelled and nobody had asked for it.")
            return Stopped(reason)
        return self._failure(work.exception())

    async def _unless_hurried(self, last_steps: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Do the last steps of a stopped attempt, which a second word to stop cuts off."""
        steps = asyncio.create_task(last_steps)
        try:
            in_time = await done_before(steps, self._control.hurried)
            return steps.result() if in_time else Stopped(StopReason.DRAINED)
        finally:
            steps.cancel()
            await asyncio.wait({steps})

    def _failure(self, error: BaseException | None) -> Outcome:
        if isinstance(error, WorkHeld | WentBack):
            return error.outcome
        if isinstance(error, ModelResting):
            until = self._ports.clock.now() + rest(error.retry_after_s)
            return RateLimited(self._settings.acp.adapter, until, str(error))
        if isinstance(error, SymphonyError):
            return Failed(error.code, str(error))
        self._ports.log.error(
            "attempt.crashed", issue=self._context.issue_id, error=repr(error), exc_info=error
        )
        return Failed("internal_error", f"symphony itself failed: {error!r}. Its log has the details.")

    async def _work(self) -> Outcome:
        match self._start:
            case StartDelivery(completion=completion):
                return await self._delivery.again(completion)
            case StartAttempt(issue=issue):
                return await self._live(issue)

    async def _live(self, issue: Issue) -> Outcome:
        workspace = await self._prepare(issue)
        before = await self._ports.workspaces.fingerprint(workspace)
        await self._before_run(issue, workspace)
        self._reports = reports = self._make_reports(issue, workspace)
        self._progress.enter(Phase.SANDBOX)
        async with AsyncExitStack() as hearing:
            reach = await hearing.enter_async_context(open_reach(self._context, reports))
            async with (
                self._context.open_checkouts(workspace) as checkouts,
                self._context.open_sandbox(workspace, reach.socket, checkouts) as sandbox,
                self._context.watch_access(sandbox),
            ):
                place = Place(workspace, sandbox, checkouts)
                ended = await self._converse(issue, place, reach, reports, before)
                self._passed = isinstance(ended, Done)
                await hearing.aclose()  # what the agent left running has nothing more to say
                match ended, reports.completion:
                    case Done(verdict=None), Completion() as completion:
                        imported = await self._delivery.import_branch(workspace, sandbox)
                    case Done(verdict=Verdict(imported=imported) as verdict), Completion() as word:
                        results, merged = verdict.results, verdict.merged
                        completion = await self._delivery.note_passed(word, imported, results, merged)
                    case TurnsExhausted() as ended, _:
                        after = await self._ports.workspaces.fingerprint(workspace)
                        return replace(ended, progressed=before != after)
                    case OutOfBudget() as ended, _:
                        return await self._keep(ended, workspace, sandbox)
                    case Released() as ended, _:
                        return ended
                    case Done(), None:
                        raise RuntimeError("the conversation ended as done without a completion")
        return await self._delivery.finish(workspace, imported, completion)

    async def _keep(self, ended: OutOfBudget, workspace: Workspace, sandbox: Sandbox) -> OutOfBudget:
        """Bring home what there is of an attempt whose budget is spent; the workspace stays as it is."""
        try:
            imported = await self._delivery.import_branch(workspace, sandbox)
        except SymphonyError as error:
            kept = f"Its work is in {workspace.path} alone, and was not brought onto its branch: {error}"
        else:
            commits = counted(imported.commits, "commit")
            saved = ", with what was not committed" if imported.saved_uncommitted else ""
            kept = f"Its work is kept on the branch {imported.branch}: {commits}{saved}."
        return replace(ended, note=f"{kept} {ended.note}".rstrip())

    async def _prepare(self, issue: Issue) -> Workspace:
        self._progress.enter(Phase.WORKSPACE)
        environment = self._context.environment(issue)
        self._left = await keep_what_was_left(self._context)
        async with self._context.journal.step(Action.PREPARE_WORKSPACE) as result:
            delivered = await sent_back(self._ports.store, issue.id)
            workspace = await self._ports.workspaces.prepare(issue, self._settings, environment, delivered)
            result |= {"path": str(workspace.path), "created": workspace.created, "delivered": delivered}
        return workspace

    async def _before_run(self, issue: Issue, workspace: Workspace) -> None:
        hooks = self._settings.hooks
        if hooks.before_run is None:
            return
        self._progress.enter(Phase.BEFORE_RUN)
        environment = self._context.environment(issue, workspace)
        result = await self._ports.workspaces.run_hook(
            "before_run", hooks.before_run, workspace.path, environment, hooks.timeout_ms
        )
        self._context.log_hook(result)
        if not result.ok:
            raise HookFailed(
                result.failure(),
                remedy="Fix the hook in WORKFLOW.md; the issue is tried again.",
            )

    async def _converse(
        self,
        issue: Issue,
        place: Place,
        reach: Reach,
        reports: DispatchReports,
        before: str,
    ) -> Done | TurnsExhausted | Released | OutOfBudget:
        workspace, sandbox = place.workspace, place.sandbox
        async with AsyncExitStack() as stack:
            verifier = self._make_verifier(place)
            stack.push_async_callback(verifier.aclose)
            reports.verifier = verifier if self._settings.checks or self._context.rides else None
            watch = watch_machine(sandbox.machine, self._progress, self._ports.log)
            await stack.enter_async_context(watch)
            self._progress.enter(Phase.SESSION)
            best = await best_known(self._ports.workspaces.bests, self._context.issue_id)
            earlier = await earlier_of(self._ports.store, self._context.issue_id, self._left, best)
            resume = _session_to_resume(earlier, self._settings, issue.state)
            servers = (*reach.servers(sandbox), *await more_servers(self._context, sandbox))
            acp, guard = self._settings.acp, self._settings.guard
            spec = SessionSpec(acp, workspace.path, servers, resume=resume, guard=guard)
            line = await stack.enter_async_context(open_line(self._context, sandbox, spec, reports))
            attempt_id, session = self._start.attempt_id, line.session
            await self._ports.store.session_opened(attempt_id, session.id, session.model, sandbox.place)
            wait = Wait(self._context, sandbox.machine)
            headway = Headway(partial(self._ports.workspaces.fingerprint, workspace), before)
            conversation = Conversation(self._context, line, wait, reports, verifier, headway)
            issue = self._control.issue or issue
            self._control.take_edited()
            number = self._start.number
            prompt = self._ports.prompts.first(self._context.workflow, issue, number, workspace, earlier)
            return await conversation.run(prompt, earlier.steering)

    def _make_verifier(self, place: Place) -> Verifier:
        return Verifier(
            self._context,
            partial(self._delivery.import_branch, place.workspace, place.sandbox),
            partial(run_checks, self._context, place.sandbox, place.checkouts),
            self._withdraw,
            lambda: self._reports.tool if self._reports else "",
            partial(self._try_on, Ground(place.sandbox, place.checkouts)),
        )

    async def _try_on(self, ground: Ground, imported: Imported, passed: Collection[str]) -> Fit:
        """Try the branch on the merge train, if what the agent said finishes the issue."""
        said = self._reports.completion if self._reports else None
        if said is None or goes_on(self._context, said):
            return Fit()
        return await try_on(self._context, ground, imported, passed, said.tool)

    async def _withdraw(self, why: str = CHECKS_FAILED) -> None:
        """Take the agent's word back, if it was given, so that it can be given again."""
        if self._reports is not None and self._reports.completion is not None:
            await self._reports.withdraw()
            withdrawn = CompletionWithdrawn(self._context.issue_id, self._start.attempt_id, why)
            await self._context.mailbox.put(withdrawn)

    def _make_reports(self, issue: Issue, workspace: Workspace) -> DispatchReports:
        reports = DispatchReports(
            self._context.issue_id,
            self._start.attempt_id,
            store=self._ports.store,
            tracker=self._ports.tracker,
            clock=self._ports.clock,
            mailbox=self._context.mailbox,
            states=self._settings.state_table(),
            toolbox=open_toolbox(self._context, issue, workspace),
            exits=exits_of(self._settings, issue.state),
            issue=lambda: self._context.tracked_issue or self._control.issue,
        )
        reports.run_log = self._progress.run_log
        return reports


def _session_to_resume(earlier: Earlier, settings: Settings, state: str) -> str | None:
    """Return the last session if it was cut off, not if it failed: a broken one is not gone on with.

    Another adapter would know nothing of it, and the agent of another state has another part.
    """
    last = earlier.attempts[-1] if earlier.attempts else None
    if last is None or last.outcome not in CUT_OFF or last.adapter != settings.acp.adapter:
        return None
    if settings.states is not None and last.state and state_key(last.state) != state_key(state):
        return None
    return last.session_id


def attempt_row(start: StartAttempt | StartDelivery, state: str, now: datetime) -> AttemptRow:
    """Return the attempt on an issue in this state as the store first sees it."""
    settings = start.workflow.settings.in_state(state)
    adapter, sandbox = settings.acp.adapter, settings.sandbox
    return AttemptRow(start.attempt_id, issue_id_of(start), start.number, adapter, sandbox, now, state=state)
