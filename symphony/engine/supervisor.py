"""Starts attempts, passes on what the scheduler tells them, and brings home how they end."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from symphony.core.effect import (
    AnswerPermission,
    CloseAccess,
    Effect,
    OpenAccess,
    ResumeAttempt,
    SetCeilings,
    StartAttempt,
    StartDelivery,
    StopAttempt,
    UpdateIssue,
)
from symphony.core.errors import SymphonyError
from symphony.core.event import AttemptEnded
from symphony.core.outcome import Failed, outcome_message
from symphony.core.ports import AttemptRow
from symphony.core.problem import Problem
from symphony.core.scheduler import SchedulerState
from symphony.core.usage import Usage
from symphony.engine.access import AccessDoor
from symphony.engine.attempt import Attempt, Ended, attempt_row
from symphony.engine.context import AttemptContext, issue_id_of
from symphony.engine.control import Control
from symphony.engine.mailbox import Mailbox
from symphony.engine.ports import Ports
from symphony.engine.tracking import Tracking

END_TRIES = 5  # then the row says "interrupted" after a restart, which loses nothing but its outcome
END_RETRY = timedelta(seconds=2)  # a full disk is often freed within seconds


@dataclass
class Supervisor:
    """The attempts that live.

    Attributes:
        store_problem: why the end of an attempt could not be stored.
        held_back: issues whose workspace is being deleted, with what is set once it is.
        totals: usage of all attempts that have ended, over all runs.
    """

    ports: Ports
    mailbox: Mailbox
    tracking: Tracking
    totals: Usage = field(default_factory=Usage)
    store_problem: Problem | None = None
    controls: dict[str, Control] = field(default_factory=dict)
    held_back: dict[str, asyncio.Event] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Say whether no attempt lives."""
        return not self.controls

    def perform(self, effect: Effect, state: SchedulerState, scope: asyncio.TaskGroup) -> None:
        """Begin an effect; an attempt that it starts lives in the scope."""
        match effect:
            case StartAttempt() | StartDelivery():
                self._start(effect, state, scope)
            case StopAttempt(attempt_id=attempt_id, reason=reason):
                self._tell(attempt_id, lambda control: control.stop(reason))
            case ResumeAttempt(attempt_id=attempt_id, steering=steering):
                self._tell(attempt_id, lambda control: control.resume(steering))
            case AnswerPermission(attempt_id=attempt_id, request_id=request_id, answer=answer):
                self._tell(attempt_id, lambda control: control.permit(request_id, answer))
            case UpdateIssue(issue=issue, attempt_id=attempt_id):
                self._tell(attempt_id, lambda control: control.update(issue))
            case SetCeilings(attempt_id=attempt_id, own=own):
                self._tell(attempt_id, lambda control: control.set_ceilings(own))
            case OpenAccess(attempt_id=attempt_id, host=host):
                self._tell(attempt_id, lambda control: control.access.wish(host, opening=True))
            case CloseAccess(attempt_id=attempt_id, host=host):
                self._tell(attempt_id, lambda control: control.access.wish(host, opening=False))

    @contextmanager
    def holding_back(self, issue_id: str) -> Iterator[None]:
        """Let an attempt on the issue that is started meanwhile begin only after the block."""
        over = self.held_back[issue_id] = asyncio.Event()
        try:
            yield
        finally:
            del self.held_back[issue_id]
            over.set()

    def _tell(self, attempt_id: str, say: Callable[[Control], None]) -> None:
        control = self.controls.get(attempt_id)
        if control is not None:  # else it has just ended, and its end is in the mailbox
            say(control)

    def _start(
        self, start: StartAttempt | StartDelivery, state: SchedulerState, scope: asyncio.TaskGroup
    ) -> None:
        issue_id = issue_id_of(start)
        issue = start.issue if isinstance(start, StartAttempt) else state.issues.get(issue_id)
        allowed = start.allowed_hosts if isinstance(start, StartAttempt) else ()
        own = state.record(issue_id).budget
        control = Control(issue, access=AccessDoor.opening(allowed), ceilings=own)
        if isinstance(start, StartDelivery):
            control.access.close()  # a handoff has no machine
        self.controls[start.attempt_id] = control
        spent_before = state.record(issue_id).usage
        scope.create_task(self._supervise(start, control, spent_before), name=start.attempt_id)

    async def _supervise(
        self, start: StartAttempt | StartDelivery, control: Control, spent_before: Usage
    ) -> None:
        issue_id = issue_id_of(start)
        row = attempt_row(start, control.issue.state if control.issue else "", self.ports.clock.now())
        self.ports.meter.attempt_began(row)
        try:
            ended = await self._run(start, row, control, spent_before)
        except SymphonyError as error:
            ended = Ended(Failed(error.code, str(error)), 0, Usage())
        except Exception as error:
            self.ports.log.error("attempt.crashed", issue=issue_id, error=repr(error), exc_info=error)
            ended = Ended(Failed("internal_error", f"symphony itself failed: {error!r}."), 0, Usage())
        finally:
            self.controls.pop(start.attempt_id, None)
        self.ports.meter.attempt_ended(row, ended.outcome, ended.usage, self.ports.clock.now())
        self.totals = self.totals.plus(ended.usage)
        await self.mailbox.put(AttemptEnded(issue_id, start.attempt_id, ended.outcome, ended.usage))

    async def _run(
        self,
        start: StartAttempt | StartDelivery,
        row: AttemptRow,
        control: Control,
        spent_before: Usage,
    ) -> Ended:
        issue_id, log, store = issue_id_of(start), self.ports.log, self.ports.store
        secrets = start.workflow.secrets
        async with self.ports.run_logs.open_run_log(issue_id, start.attempt_id, secrets) as run_log:
            await store.attempt_started(row)
            log.info("attempt.started", issue=issue_id, attempt=start.attempt_id)
            context = AttemptContext.of(
                start,
                control,
                spent_before,
                ports=self.ports,
                mailbox=self.mailbox,
                tracking=self.tracking,
                run_log=run_log,
            )
            if (over := self.held_back.get(issue_id)) is not None:
                await over.wait()  # else what is being deleted were this attempt's workspace
            ended = await Attempt(context).run()
            message = outcome_message(ended.outcome)
            run_log.append("ended", outcome=ended.outcome.code, message=message, turns=ended.turns)
            await self._store_end(start.attempt_id, ended)
        log.info("attempt.finished", issue=issue_id, attempt=start.attempt_id, outcome=ended.outcome.code)
        return ended

    async def _store_end(self, attempt_id: str, ended: Ended) -> None:
        """Record an attempt's end; the end itself stands also when it cannot be recorded."""
        for _ in range(END_TRIES):
            now = self.ports.clock.now()
            try:
                await self.ports.store.attempt_ended(attempt_id, now, ended.outcome, ended.turns, ended.usage)
            except SymphonyError as error:
                self.ports.log.error("store.write_failed", code=error.code, reason=str(error))
                self.store_problem = Problem(error.code, "the store", str(error))
                await self.ports.clock.sleep_until(now + END_RETRY)
            else:
                self.store_problem = None
                return
