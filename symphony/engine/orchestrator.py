"""The one task that owns the scheduling state: takes events, decides, makes durable, performs.

Nobody else assigns any of it; all others send letters to the mailbox and read snapshots.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from symphony.core.decide import DRAIN_GRACE, NOTED, CommandRefused, Decision, decide
from symphony.core.errors import SymphonyError
from symphony.core.event import DrainAsked, Event, HostSeen, Ticked, WorkflowChanged
from symphony.core.idle import Idleness, idleness
from symphony.core.picture import problems_of, render_snapshot
from symphony.core.ports import Memory, WorkflowSource
from symphony.core.problem import Problem
from symphony.core.scheduler import SchedulerState
from symphony.core.snapshot import Snapshot
from symphony.core.timer import next_due
from symphony.engine.attention import lines_for_people
from symphony.engine.mailbox import Letter, Mailbox
from symphony.engine.ports import Ports
from symphony.engine.recovery import Recovery
from symphony.engine.supervisor import Supervisor
from symphony.engine.tracking import Tracking

EARLIEST = datetime.min.replace(tzinfo=UTC)
SUSPENDED = timedelta(seconds=60)  # so late wakes nobody on a machine that is merely busy
STORE_RETRY = timedelta(seconds=2)  # a full disk is often freed within seconds; nothing moves meanwhile


@dataclass
class Orchestrator:
    """The scheduler at work.

    Attributes:
        last_run: what the store held when this run began.
        until_idle: end by itself once nothing is left to do.
        tell_person: takes a line for the console when something needs or awaits a person.
        store_problem: why the store cannot be written now; nothing is decided until it can.
        listeners: called after each change of what `snapshot` shows; they must be quick.
        scanned: the tracker was read at least once.
        more_problems: asked for the problems of what works beside the scheduler.
    """

    state: SchedulerState
    ports: Ports
    mailbox: Mailbox
    tracking: Tracking
    workflow_source: WorkflowSource
    supervisor: Supervisor
    last_run: Memory = field(default_factory=Memory)
    until_idle: bool = False
    tell_person: Callable[[str], None] = lambda _: None
    store_problem: Problem | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)
    more_problems: Callable[[], tuple[Problem, ...]] = tuple
    _ticked_at: datetime | None = None
    _decided_at: datetime = EARLIEST
    scanned: bool = False
    _verdict: Idleness | None = None
    _stops: list[DrainAsked] = field(default_factory=list)
    _gave_up: SymphonyError | None = None
    _scope: asyncio.TaskGroup | None = None
    _picture: tuple[SchedulerState, Snapshot] | None = None
    _problems: frozenset[Problem] = frozenset()

    async def run(self) -> Idleness:
        """Decide and perform until drained, or until idle if that was asked for.

        Raises:
            SymphonyError: the store cannot be written, and the daemon was told to stop.
        Cancellation: attempts are cancelled with it; the store is as after a crash.
        """
        await Recovery(self.ports, self.mailbox, self.last_run, self.state.workflow).run()
        try:
            async with asyncio.TaskGroup() as scope:
                self._scope = scope
                follower = scope.create_task(self.tracking.run())
                await self._turn_the_wheel()
                follower.cancel()
        except* SymphonyError as group:
            self._gave_up = next(error for error in flatten(group) if isinstance(error, SymphonyError))
        finally:
            self.mailbox.close()
        if self._gave_up is not None:
            raise self._gave_up
        return self._verdict or idleness(self.state, self.ports.clock.now())

    def snapshot(self) -> Snapshot:
        """Return what surfaces show now."""
        now = self.ports.clock.now()
        if self._picture is None or self._picture[0] is not self.state:
            self._picture = (self.state, render_snapshot(self.state, now, self.supervisor.totals))
        picture = replace(self._picture[1], generated_at=now)
        if not self.scanned:
            picture = replace(picture, status="working", status_reason="reading the issues")
        store = self.store_problem or self.supervisor.store_problem
        found = (*((store,) if store else ()), *self.more_problems())
        if not found:
            return picture
        problems = (*found, *picture.problems)
        return replace(picture, status="attention", status_reason=str(found[0]), problems=problems)

    async def _turn_the_wheel(self) -> None:
        await self.tracking.scan()
        self.scanned = True
        self.tell_listeners()
        while not await self._finished():
            await self._handle(await self._next_letter())

    async def _finished(self) -> bool:
        if not self.mailbox.empty:
            return False
        if self.state.draining:
            return self.supervisor.idle
        if not self.until_idle or idleness(self.state, self.ports.clock.now()) is Idleness.BUSY:
            return False
        before = self.tracking.latest
        await self.tracking.scan()
        if self.tracking.latest is not before or not self.mailbox.empty:
            return False
        self._verdict = idleness(self.state, self.ports.clock.now())
        await self._handle(Letter(DrainAsked()))  # sessions may still wait for a person's answer
        return self.supervisor.idle

    async def _next_letter(self) -> Letter:
        wake_at = self._wake_at()
        if (late := self.ports.clock.now() - wake_at) >= timedelta():
            return Letter(self._tick(late))
        if (letter := self.mailbox.take_now()) is not None:
            return letter
        take = asyncio.create_task(self.mailbox.take())
        wake = asyncio.create_task(self.ports.clock.sleep_until(wake_at))
        try:
            await asyncio.wait({take, wake}, return_when=asyncio.FIRST_COMPLETED)
            late = self.ports.clock.now() - wake_at
            if not take.done():
                return Letter(self._tick(late))
            if late >= SUSPENDED:  # whoever woke first, the sleep is known before anything is decided
                await self._handle(Letter(self._tick(late)))
            return take.result()
        finally:
            wake.cancel()
            take.cancel()
            await asyncio.wait({take, wake})

    def _wake_at(self) -> datetime:
        self._ticked_at = self._ticked_at or self.ports.clock.now()
        tick = self._ticked_at + timedelta(milliseconds=self.state.workflow.settings.polling.interval_ms)
        due = next_due(self.state, self._decided_at)
        return tick if due is None else min(tick, due)

    def _tick(self, late: timedelta) -> Ticked:
        now = self.ports.clock.now()
        interval = timedelta(milliseconds=self.state.workflow.settings.polling.interval_ms)
        if self._ticked_at is None or now >= self._ticked_at + interval:
            self._ticked_at = now
            self.tracking.poll()
        return Ticked(late) if late >= SUSPENDED else Ticked()

    async def _handle(self, letter: Letter) -> None:
        looks = not isinstance(letter.event, NOTED)
        if isinstance(letter.event, DrainAsked):
            self._stops.append(letter.event)
        if looks and not isinstance(letter.event, WorkflowChanged):
            await self._check_workflow()
        if looks:
            await self._look_at_host(letter.event)
        now = self.ports.clock.now()
        try:
            decision = decide(self.state, letter.event, now)
            self.ports.meter.decided(type(letter.event).__name__, self.ports.clock.now() - now)
        except CommandRefused as refusal:
            _answer(letter, refusal)
            return
        await self._make_durable(decision)
        changed = decision.state is not self.state
        self.state = decision.state
        if looks:
            self._decided_at = now
        self._log(decision)
        scope = self._scope
        if scope is None:
            raise RuntimeError("a letter was handled outside run()")
        for effect in decision.effects:
            self.supervisor.perform(effect, self.state, scope)
        if changed:
            self.tell_listeners()
        _answer(letter, None)

    async def _check_workflow(self) -> None:
        try:
            reloaded = await self.workflow_source.reload()
        except OSError as error:
            self.ports.log.warning("workflow.unreadable", reason=str(error))
            return
        if reloaded is not None:
            await self._handle(Letter(WorkflowChanged(reloaded.workflow, reloaded.problems)))

    async def _look_at_host(self, event: Event) -> None:
        """Know, before anything may start, how much memory and disk the host has left."""
        new = event.workflow if isinstance(event, WorkflowChanged) else None
        settings = (new or self.state.workflow).settings
        memory = disk = None
        if settings.sandbox == "smolvm":
            memory = await self.ports.host.memory()
        if settings.retention.min_free_mib is not None:
            disk = await self.ports.host.disk(self.ports.disk_places(settings))
        if any((memory, disk, self.state.host_memory, self.state.host_disk)):
            await self._handle(Letter(HostSeen(memory, disk)))

    async def _make_durable(self, decision: Decision) -> None:
        changes = decision.changes
        if not (changes.records or changes.audit or changes.paused is not None or changes.adapter_pauses):
            return
        give_up_at: datetime | None = None
        while True:
            try:
                await self.ports.store.apply(changes)
            except SymphonyError as error:
                if self.store_problem is None:
                    self.tell_person(f"problem: {error}")
                self.store_problem = Problem(error.code, "the store", str(error))
                self.tell_listeners()
                self.ports.log.error("store.write_failed", code=error.code, reason=str(error))
                now = self.ports.clock.now()
                if give_up_at is None and self._told_to_stop(_is_stop):
                    give_up_at = now + DRAIN_GRACE
                quick = self._told_to_stop(_is_quick_stop)
                if quick or (give_up_at is not None and now >= give_up_at):
                    raise
                await self.ports.clock.sleep_until(now + STORE_RETRY)
            else:
                self.store_problem = None
                return

    def _told_to_stop(self, how: Callable[[Event], bool]) -> bool:
        """Say whether such a word has come, be it on its way, being decided or decided."""
        return self.mailbox.holds(how) or any(map(how, self._stops))

    def tell_listeners(self) -> None:
        """Say that `snapshot` shows something else than before."""
        for listener in tuple(self.listeners):
            listener()

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


def _is_stop(event: Event) -> bool:
    return isinstance(event, DrainAsked)


def _is_quick_stop(event: Event) -> bool:
    return isinstance(event, DrainAsked) and event.now


def _answer(letter: Letter, error: SymphonyError | None) -> None:
    if letter.answer is None or letter.answer.done():
        return
    if error is None:
        letter.answer.set_result(None)
    else:
        letter.answer.set_exception(error)


def flatten(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the errors in a group of groups."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from flatten(error)
        else:
            yield error
