"""One attempt's life, from the claim to its outcome; its main line is `Attempt._work`.

It takes all that it needs as values and talks to the scheduler by events only, so that it could
run on another machine.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from symphony.core.agent import McpServer, SessionSpec
from symphony.core.claim import Phase
from symphony.core.effect import StartAttempt, StartDelivery
from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionAccepted, CompletionWithdrawn
from symphony.core.handoff import Completion, Handoff
from symphony.core.issue import Issue
from symphony.core.outcome import (
    Delivered,
    Failed,
    Outcome,
    RateLimited,
    Released,
    Stopped,
    StopReason,
    TurnsExhausted,
)
from symphony.core.ports import AttemptRow, Earlier, HookResult, RunLog, Sandbox, SandboxSpec, Workspace
from symphony.core.settings import Settings
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow
from symphony.engine.control import Control
from symphony.engine.conversation import Conversation, Done
from symphony.engine.delivery import Delivery, WorkspaceMissing
from symphony.engine.environment import attempt_environment
from symphony.engine.journal import Journal
from symphony.engine.mailbox import Mailbox
from symphony.engine.ports import Ports
from symphony.engine.progress import Progress
from symphony.engine.reports import DispatchReports
from symphony.engine.tracking import Tracking

CHECK_OUTPUT_BYTES = 65_536  # as much as a hook's; enough for a person and for the next prompt
MCP_SERVER = "symphony"
RATE_LIMIT_REST_S = 300  # when the model does not say until when


class HookFailed(SymphonyError):
    """A hook that must succeed did not."""

    code = "hook_failed"


class ChecksFailed(SymphonyError):
    """The agent said that it was done, and the project's checks say otherwise."""

    code = "checks_failed"


@dataclass(frozen=True, slots=True)
class Ended:
    """What an attempt leaves behind."""

    outcome: Outcome
    turns: int
    usage: Usage


class Attempt:
    """Runs one attempt."""

    def __init__(
        self,
        start: StartAttempt | StartDelivery,
        control: Control,
        spent_before: Usage,
        *,
        ports: Ports,
        mailbox: Mailbox,
        tracking: Tracking,
        run_log: RunLog,
    ) -> None:
        self._start = start
        self._ports = ports
        self._mailbox = mailbox
        self._tracking = tracking
        self._spent_before = spent_before
        self._workflow: Workflow = start.workflow
        self._issue_id = issue_id_of(start)
        self._control = control
        settings = self._workflow.settings
        self._settings: Settings = settings.in_state(control.issue.state) if control.issue else settings
        self._progress = Progress(self._issue_id, start.attempt_id, ports.clock, mailbox, run_log)
        self._journal = Journal(ports.store, ports.clock, self._issue_id, start.attempt_id)
        self._reports: DispatchReports | None = None
        self._delivery = Delivery(
            ports,
            replace(self._workflow, settings=self._settings),
            start.number,
            journal=self._journal,
            progress=self._progress,
            tracking=tracking,
            mailbox=mailbox,
        )

    async def run(self) -> Ended:
        """Run to the end; every ending is an outcome, and nothing is held afterwards."""
        work = asyncio.create_task(self._work())
        stop = asyncio.create_task(self._control.stopped.wait())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
            outcome = await self._outcome_of(work)
            if self._reports is not None:
                await self._reports.announce()
        finally:
            stop.cancel()
            work.cancel()
            await asyncio.wait({work, stop})
        return Ended(outcome, self._progress.turn, self._progress.usage)

    async def _outcome_of(self, work: asyncio.Task[Outcome]) -> Outcome:
        reason = self._control.stop_reason
        if not work.cancelled() and work.exception() is None:
            return work.result()
        if work.cancelled():
            if reason is StopReason.TERMINAL:
                return await self._unless_hurried(self._rescue())
            return Stopped(reason or StopReason.INTERRUPTED)
        return self._failure(work.exception())

    async def _unless_hurried(self, last_steps: Coroutine[Any, Any, Outcome]) -> Outcome:
        """Do the last steps of a stopped attempt, which a second word to stop cuts off."""
        steps = asyncio.create_task(last_steps)
        hurried = asyncio.create_task(self._control.hurried.wait())
        try:
            await asyncio.wait({steps, hurried}, return_when=asyncio.FIRST_COMPLETED)
            return steps.result() if steps.done() else Stopped(StopReason.DRAINED)
        finally:
            steps.cancel()
            hurried.cancel()
            await asyncio.wait({steps, hurried})

    def _failure(self, error: BaseException | None) -> Outcome:
        delivering = isinstance(self._start, StartDelivery)
        if isinstance(error, SymphonyError):
            until_s = getattr(error, "retry_after_s", None)
            if error.code == "agent.rate_limited" and not delivering:
                until = self._ports.clock.now() + timedelta(seconds=until_s or RATE_LIMIT_REST_S)
                return RateLimited(self._settings.acp.adapter, until, str(error))
            return Failed(error.code, str(error), undelivered=delivering)
        self._ports.log.error("attempt.crashed", issue=self._issue_id, error=repr(error), exc_info=error)
        return Failed("internal_error", f"symphony itself failed: {error!r}. Its log has the details.")

    async def _work(self) -> Outcome:
        match self._start:
            case StartDelivery(completion=completion):
                return Delivered(await self._deliver_again(completion))
            case StartAttempt(issue=issue):
                return await self._live(issue)

    async def _live(self, issue: Issue) -> Outcome:
        workspace = await self._prepare(issue)
        before = await self._ports.workspaces.fingerprint(workspace)
        await self._before_run(issue, workspace)
        self._reports = reports = self._make_reports()
        self._progress.enter(Phase.SANDBOX)
        async with self._open_sandbox(workspace) as sandbox:
            ended = await self._converse(issue, workspace, sandbox, reports)
            match ended:
                case Done() if reports.completion is not None:
                    imported = await self._delivery.import_branch(workspace, sandbox)
                case TurnsExhausted():
                    after = await self._ports.workspaces.fingerprint(workspace)
                    return replace(ended, progressed=before != after)
                case _:
                    return Released()
        handoff = await self._delivery.finish(self._current(issue), workspace, imported, reports.completion)
        return Delivered(handoff)

    async def _prepare(self, issue: Issue) -> Workspace:
        self._progress.enter(Phase.WORKSPACE)
        environment = attempt_environment(issue, self._start.number, self._workflow)
        async with self._journal.step("prepare_workspace") as result:
            workspace = await self._ports.workspaces.prepare(issue, self._settings, environment)
            result |= {"path": str(workspace.path), "created": workspace.created}
        return workspace

    async def _before_run(self, issue: Issue, workspace: Workspace) -> None:
        hooks = self._settings.hooks
        if hooks.before_run is None:
            return
        self._progress.enter(Phase.BEFORE_RUN)
        environment = attempt_environment(issue, self._start.number, self._workflow, workspace)
        result = await self._ports.workspaces.run_hook(
            "before_run", hooks.before_run, workspace.path, environment, hooks.timeout_ms
        )
        self._log_hook(result)
        if not result.ok:
            ended = (
                "was killed at its timeout" if result.exit_status is None else f"exited {result.exit_status}"
            )
            raise HookFailed(
                f"The hook before_run {ended}: {result.output[-500:].strip() or 'no output'}",
                remedy="Fix the hook in WORKFLOW.md; the issue is tried again.",
            )

    async def _converse(
        self,
        issue: Issue,
        workspace: Workspace,
        sandbox: Sandbox,
        reports: DispatchReports,
    ) -> Done | TurnsExhausted | Released:
        async with AsyncExitStack() as stack:
            servers: tuple[McpServer, ...] = ()
            if self._settings.mcp.enabled:
                access = await stack.enter_async_context(self._ports.gate.admit(issue.id, reports))
                headers = {"Authorization": f"Bearer {access.token}"}
                servers = (McpServer(MCP_SERVER, url=access.url, headers=headers),)
            self._progress.enter(Phase.SESSION)
            spec = SessionSpec(self._settings.acp, workspace.path, servers)
            session = await stack.enter_async_context(
                self._ports.agents.open_session(spec, sandbox, self._progress.hear)
            )
            await self._ports.store.session_opened(self._start.attempt_id, session.id)
            conversation = Conversation(
                session,
                reports,
                self._control,
                self._progress,
                settings=self._settings,
                prompts=self._ports.prompts,
                store=self._ports.store,
                clock=self._ports.clock,
                mailbox=self._mailbox,
                run_checks=lambda: self._run_checks(sandbox, workspace),
                look_again=lambda: self._look_again(issue),
                spent_before=self._spent_before,
            )
            issue = self._control.issue or issue
            self._control.take_edited()
            earlier = await self._earlier()
            number = self._start.number
            prompt = self._ports.prompts.first(self._workflow, issue, number, workspace, earlier)
            return await conversation.run(prompt, earlier.steering)

    async def _run_checks(self, sandbox: Sandbox, workspace: Workspace) -> tuple[HookResult, ...]:
        results = []
        for check in self._settings.checks:
            self._progress.enter(Phase.CHECKS)
            began = self._ports.clock.now()
            ran = await sandbox.run(
                ["sh", "-c", f"exec 2>&1\n{check.run}"],
                cwd=workspace.path,
                timeout_s=check.timeout_ms / 1000,
                output_limit=CHECK_OUTPUT_BYTES,
            )
            seconds = (self._ports.clock.now() - began).total_seconds()
            output = ran.stdout.decode("utf-8", "replace")
            results.append(HookResult(check.name, ran.exit_status, output, seconds))
            self._log_hook(results[-1])
        return tuple(results)

    async def _look_again(self, issue: Issue) -> None:
        path = self._control.issue.path if self._control.issue else issue.path
        await self._tracking.look_at([path])

    async def _earlier(self) -> Earlier:
        attempts = await self._ports.store.attempts_of(self._issue_id)
        steering = await self._ports.store.steering_of(self._issue_id)
        return Earlier(tuple(row for row in attempts if row.ended_at is not None), steering)

    async def _deliver_again(self, completion: Completion) -> Handoff:
        issue = self._tracking.latest.get(completion.issue_id)
        workspace = await self._ports.workspaces.find(completion.issue_id, self._settings)
        if workspace is None:
            raise WorkspaceMissing(
                f"The workspace of issue {completion.issue_id} is gone before its work was handed over.",
                remedy=f"`symphony discard {completion.issue_id}` gives the handoff up.",
            )
        async with self._open_sandbox(workspace) as sandbox:
            if issue is not None and self._settings.state_table().is_active(issue.state):
                await self._check_again(completion, sandbox, workspace)
            imported = await self._delivery.import_branch(workspace, sandbox)
        return await self._delivery.finish(issue, workspace, imported, completion)

    async def _check_again(self, completion: Completion, sandbox: Sandbox, workspace: Workspace) -> None:
        """Run the checks, which an issue that is still active may not have passed yet."""
        failed = [result for result in await self._run_checks(sandbox, workspace) if not result.ok]
        if failed:
            await self._ports.store.withdraw_completion(completion.issue_id, completion.attempt_id)
            await self._mailbox.put(CompletionWithdrawn(completion.issue_id, self._start.attempt_id))
            raise ChecksFailed(
                f"The check {failed[0].name} failed after mark_done: {failed[0].output[-500:]}"
            )

    async def _rescue(self) -> Outcome:
        """Hand over what there is of an attempt whose issue a person moved to a terminal state."""
        reason = StopReason.TERMINAL
        issue = self._tracking.latest.get(self._issue_id)
        workspace = await self._ports.workspaces.find(self._issue_id, self._settings)
        if issue is None or workspace is None:
            return Stopped(reason)
        summary = f"A person moved the issue to {issue.state} while an attempt ran; this is what there was."
        now = self._ports.clock.now()
        completion = Completion(issue.id, self._start.attempt_id, issue.title, summary, now)
        try:
            stored = await self._ports.store.accept_completion(completion)
            await self._mailbox.put(CompletionAccepted(stored))
            return Stopped(reason, await self._deliver_again(stored))
        except SymphonyError as error:
            return Failed(error.code, str(error), undelivered=True)

    def _current(self, issue: Issue) -> Issue | None:
        return self._tracking.latest.get(issue.id)

    def _make_reports(self) -> DispatchReports:
        reports = DispatchReports(
            self._issue_id,
            self._start.attempt_id,
            store=self._ports.store,
            tracker=self._ports.tracker,
            clock=self._ports.clock,
            mailbox=self._mailbox,
            states=self._settings.state_table(),
            has_checks=bool(self._settings.checks),
        )
        reports.run_log = self._progress.run_log
        return reports

    def _open_sandbox(self, workspace: Workspace) -> AbstractAsyncContextManager[Sandbox]:
        labels = {**self._ports.labels, "issue": self._issue_id, "attempt": self._start.attempt_id}
        # an agent that lost its .git must not find the user's repository around the workspace
        environment = {"GIT_CEILING_DIRECTORIES": str(workspace.path.parent)}
        if (issue := self._control.issue) is not None:
            environment |= attempt_environment(issue, self._start.number, self._workflow, workspace)
        spec = SandboxSpec(workspace.path, environment, labels)
        return self._ports.driver_of(self._settings.sandbox).open_sandbox(spec)

    def _log_hook(self, result: HookResult) -> None:
        self._progress.run_log.append(
            "hook", name=result.name, status=result.exit_status, seconds=result.seconds, output=result.output
        )


def issue_id_of(start: StartAttempt | StartDelivery) -> str:
    """Return the issue that an attempt is for."""
    return start.issue.id if isinstance(start, StartAttempt) else start.completion.issue_id


def attempt_row(start: StartAttempt | StartDelivery, settings: Settings, now: datetime) -> AttemptRow:
    """Return the attempt as the store first sees it."""
    return AttemptRow(
        start.attempt_id, issue_id_of(start), start.number, settings.acp.adapter, settings.sandbox, now
    )
