"""The one task that owns the scheduling state: takes events, decides, makes durable, performs.

Nobody else assigns any of it; all others send letters to the mailbox and read snapshots.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import assert_never

from symphony.core.decide import NOTED, CommandRefused, Decision, decide
from symphony.core.effect import Effect, ResumeAttempt, StartAttempt, StartDelivery, StopAttempt, UpdateIssue
from symphony.core.errors import SymphonyError
from symphony.core.event import (
    AttemptEnded,
    DrainAsked,
    Event,
    Ticked,
    WorkflowChanged,
)
from symphony.core.idle import Idleness, idleness
from symphony.core.outcome import Failed
from symphony.core.picture import problems_of, render_snapshot
from symphony.core.ports import Memory, WorkflowSource
from symphony.core.problem import Problem
from symphony.core.scheduler import SchedulerState
from symphony.core.snapshot import Snapshot
from symphony.core.timer import next_due
from symphony.core.usage import Usage
from symphony.engine.attempt import Attempt, Ended, attempt_row
from symphony.engine.attention import lines_for_people
from symphony.engine.context import AttemptContext, issue_id_of
from symphony.engine.control import Control
from symphony.engine.mailbox import Letter, Mailbox
from symphony.engine.ports import Ports
from symphony.engine.recovery import close_the_last_run
from symphony.engine.tracking import Tracking

END_TRIES = 5  # then the row says "interrupted" after a restart, which loses nothing but its outcome
STORE_RETRY = timedelta(seconds=2)  # a full disk is often freed within seconds; nothing moves meanwhile


@dataclass
class Orchestrator:
    """The scheduler at work.

    Attributes:
        last_run: what the store held when this run began.
        until_idle: end by itself once nothing is left to do.
        tell_person: takes a line for the console when something needs or awaits a person.
        store_problem: why the store cannot be written now; nothing is decided until it can.
    """

    state: SchedulerState
    ports: Ports
    mailbox: Mailbox
    tracking: Tracking
    workflow_source: WorkflowSource
    totals: Usage = field(default_factory=Usage)
    last_run: Memory = field(default_factory=Memory)
    until_idle: bool = False
    tell_person: Callable[[str], None] = lambda _: None
    store_problem: Problem | None = None
    _controls: dict[str, Control] = field(default_factory=dict)
    _ticked_at: datetime | None = None
    _due_at: datetime | None = None
    _scope: asyncio.TaskGroup | None = None
    _picture: tuple[SchedulerState, Snapshot] | None = None
    _problems: frozenset[Problem] = frozenset()

    async def run(self) -> Idleness:
        """Decide and perform until drained, or until idle if that was asked for.

        Cancellation: attempts are cancelled with it; the store is as after a crash.
        """
        await close_the_last_run(self.ports, self.last_run, self.state.workflow.settings)
        async with asyncio.TaskGroup() as scope:
            self._scope = scope
            follower = scope.create_task(self.tracking.run())
            await self._turn_the_wheel()
            follower.cancel()
        self.mailbox.close()
        return idleness(self.state, self.ports.clock.now())

    def snapshot(self) -> Snapshot:
        """Return what surfaces show now."""
        now = self.ports.clock.now()
        if self._picture is None or self._picture[0] is not self.state:
            self._picture = (self.state, render_snapshot(self.state, now, self.totals))
        picture = self._picture[1]
        if self.store_problem is None:
            return picture
        problems = (self.store_problem, *picture.problems)
        return replace(picture, status="attention", status_reason=str(self.store_problem), problems=problems)

    async def _turn_the_wheel(self) -> None:
        await self.tracking.scan()
        while not await self._finished():
            await self._handle(await self._next_letter())

    async def _finished(self) -> bool:
        if not self.mailbox.empty:
            return False
        if self.state.draining:
            return not self._controls
        if not self.until_idle or idleness(self.state, self.ports.clock.now()) is Idleness.BUSY:
            return False
        before = self.tracking.latest
        await self.tracking.scan()
        if self.tracking.latest is not before or not self.mailbox.empty:
            return False
        await self._handle(Letter(DrainAsked()))  # sessions may still wait for a person's answer
        return not self._controls

    async def _next_letter(self) -> Letter:
        if self.ports.clock.now() >= self._wake_at():
            return Letter(self._tick())
        if (letter := self.mailbox.take_now()) is not None:
            return letter
        take = asyncio.create_task(self.mailbox.take())
        wake = asyncio.create_task(self.ports.clock.sleep_until(self._wake_at()))
        try:
            await asyncio.wait({take, wake}, return_when=asyncio.FIRST_COMPLETED)
            return take.result() if take.done() else Letter(self._tick())
        finally:
            wake.cancel()
            take.cancel()
            await asyncio.wait({take, wake})

    def _wake_at(self) -> datetime:
        self._ticked_at = self._ticked_at or self.ports.clock.now()
        tick = self._ticked_at + timedelta(milliseconds=self.state.workflow.settings.polling.interval_ms)
        return tick if self._due_at is None else min(tick, self._due_at)

    def _tick(self) -> Ticked:
        now = self.ports.clock.now()
        interval = timedelta(milliseconds=self.state.workflow.settings.polling.interval_ms)
        if self._ticked_at is None or now >= self._ticked_at + interval:
            self._ticked_at = now
            self.tracking.poll()
        return Ticked()

    async def _handle(self, letter: Letter) -> None:
        looks = not isinstance(letter.event, NOTED)
        if looks and not isinstance(letter.event, WorkflowChanged):
            await self._check_workflow()
        now = self.ports.clock.now()
        try:
            decision = decide(self.state, letter.event, now)
        except CommandRefused as refusal:
            _answer(letter, refusal)
            return
        await self._make_durable(decision)
        self.state = decision.state
        if looks:
            self._due_at = next_due(self.state, now)
        self._log(decision)
        for effect in decision.effects:
            self._perform(effect)
        _answer(letter, None)

    async def _check_workflow(self) -> None:
        try:
            reloaded = await self.workflow_source.reload()
        except OSError as error:
            self.ports.log.warning("workflow.unreadable", reason=str(error))
            return
        if reloaded is not None:
            await self._handle(Letter(WorkflowChanged(reloaded.workflow, reloaded.problems)))

    async def _make_durable(self, decision: Decision) -> None:
        changes = decision.changes
        if not (changes.records or changes.audit or changes.paused is not None or changes.adapter_pauses):
            return
        while True:
            try:
                await self.ports.store.apply(changes)
            except SymphonyError as error:
                if self.store_problem is None:
                    self.tell_person(f"problem: {error}")
                self.store_problem = Problem(error.code, "the store", str(error))
                self.ports.log.error("store.write_failed", code=error.code, reason=str(error))
                if self.mailbox.holds(_is_quick_stop):
                    raise
                await self.ports.clock.sleep_until(self.ports.clock.now() + STORE_RETRY)
            else:
                self.store_problem = None
                return

    def _perform(self, effect: Effect) -> None:
        match effect:
            case StartAttempt() | StartDelivery():
                self._start(effect)
            case StopAttempt(attempt_id=attempt_id, reason=reason):
                if control := self._controls.get(attempt_id):
                    control.stop(reason)
            case ResumeAttempt(attempt_id=attempt_id, steering=steering):
                if control := self._controls.get(attempt_id):
                    control.resume(steering)
            case UpdateIssue(issue=issue, attempt_id=attempt_id):
                if control := self._controls.get(attempt_id):
                    control.update(issue)
            case _ as never:
                assert_never(never)

    def _start(self, start: StartAttempt | StartDelivery) -> None:
        if self._scope is None:
            raise RuntimeError("an effect was performed outside run()")
        issue = start.issue if isinstance(start, StartAttempt) else self.state.issues.get(issue_id_of(start))
        control = Control(issue)
        self._controls[start.attempt_id] = control
        spent_before = self.state.record(issue_id_of(start)).usage
        self._scope.create_task(self._supervise(start, control, spent_before), name=start.attempt_id)

    async def _supervise(
        self, start: StartAttempt | StartDelivery, control: Control, spent_before: Usage
    ) -> None:
        issue_id = issue_id_of(start)
        try:
            ended = await self._run(start, control, spent_before)
        except SymphonyError as error:
            ended = Ended(Failed(error.code, str(error)), 0, Usage())
        except Exception as error:
            self.ports.log.error("attempt.crashed", issue=issue_id, error=repr(error), exc_info=error)
            ended = Ended(Failed("internal_error", f"symphony itself failed: {error!r}."), 0, Usage())
        finally:
            self._controls.pop(start.attempt_id, None)
        self.totals = self.totals.plus(ended.usage)
        await self.mailbox.put(AttemptEnded(issue_id, start.attempt_id, ended.outcome, ended.usage))

    async def _run(self, start: StartAttempt | StartDelivery, control: Control, spent_before: Usage) -> Ended:
        issue_id = issue_id_of(start)
        log = self.ports.log
        async with self.ports.run_logs.open_run_log(
            issue_id, start.attempt_id, start.workflow.secrets
        ) as run_log:
            now = self.ports.clock.now()
            await self.ports.store.attempt_started(attempt_row(start, start.workflow.settings, now))
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
            ended = await Attempt(context).run()
            message = getattr(ended.outcome, "message", "")
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
                await self.ports.clock.sleep_until(now + STORE_RETRY)
            else:
                return

    def _log(self, decision: Decision) -> None:
        for entry in decision.changes.audit:
            self.ports.log.info(f"scheduler.{entry.decision}", issue=entry.issue_id, reason=entry.reason)
        problems = problems_of(self.state)
        fresh = tuple(problem for problem in problems if problem not in self._problems)
        self._problems = frozenset(problems)
        for problem in fresh:
            self.ports.log.warning("problem", code=problem.code, where=problem.where, reason=problem.message)
        for line in lines_for_people(decision.changes.audit, fresh):
            self.tell_person(line)


def _is_quick_stop(event: Event) -> bool:
    return isinstance(event, DrainAsked) and event.now


def _answer(letter: Letter, error: SymphonyError | None) -> None:
    if letter.answer is None or letter.answer.done():
        return
    if error is None:
        letter.answer.set_result(None)
    else:
        letter.answer.set_exception(error)
