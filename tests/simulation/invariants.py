"""The promises that hold after every step, each in its own words."""

from collections import Counter
from collections.abc import Iterator

from symphony.core.attention import NeedKind
from symphony.core.budget import Ceilings, account, over_budget
from symphony.core.claim import Continuing, IssueRecord, Parked, Phase, Retrying, Running, Waiting
from symphony.core.decide.ending import running_attempt
from symphony.core.eligibility import why_not_running
from symphony.core.notice import Telling, notices_of, target_name
from symphony.core.scheduler import SchedulerState
from symphony.core.slots import Slots
from symphony.core.states import state_key
from tests.simulation.transitions import Transitions
from tests.simulation.workflows import BUDGET, TURN_COST
from tests.simulation.world import World

STALLED = 300.0 + 31.0 + 60.0 + 45.0  # seconds: the stall limit, a tick, and what ends a deaf agent
BETWEEN_TURNS = 240.0  # seconds: less than the stall limit, which would end what is stuck
UNTOLD = 600.0  # seconds: the longest rest between two tries, twice
MOST_TICK = 31.0  # seconds: the longest poll interval, and one for what runs meanwhile


class Invariants:
    """Watches one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, str] = {}
        self._asking: set[str] = set()
        self._startable: dict[str, float] = {}
        self._untold: dict[str, float] = {}
        self._idle: dict[str, float] = {}
        self._decides_since = 0.0
        self._transitions = Transitions(world)
        world.on_decision = self.decided
        world.on_start = self._begin
        world.on_end = self._count_hidden

    def _begin(self) -> None:
        self._held.clear()
        self._asking.clear()
        self._startable.clear()
        self._untold.clear()
        self._idle.clear()
        self._transitions.begin()

    def decided(self) -> None:
        """Hold each decision against the slots: whatever takes one finds it free."""
        engine = self._world.engine
        if engine is None:
            return
        self._transitions.decided()
        state = engine.state
        held = {
            record.issue_id: record.claim.state
            for record in state.records.values()
            if isinstance(record.claim, Continuing)
            or (isinstance(record.claim, Running) and not record.claim.permissions)
        }
        agent = state.workflow.settings.agent
        by_state = Counter(state_key(name) for name in held.values())
        for issue_id in held.keys() - self._held.keys():
            if issue_id in self._asking and self._is_out_of_budget(state.record(issue_id)):
                continue  # its turn is being cancelled, and the request for permission went with it
            if len(held) > agent.max_concurrent_agents:
                self._blame(f"never over a slot limit: issue {issue_id} made it {len(held)}")
            limit = state.workflow.settings.slots_in_state(held[issue_id])
            delivers = isinstance(claim := state.record(issue_id).claim, Running) and claim.delivering
            if limit is not None and by_state[state_key(held[issue_id])] > limit and not delivers:
                self._blame(f"never over a state's slot limit: issue {issue_id} in {held[issue_id]}")
        self._held = held
        self._asking = {
            record.issue_id
            for record in state.records.values()
            if isinstance(record.claim, Running) and record.claim.permissions
        }

    def _is_out_of_budget(self, record: IssueRecord) -> bool:
        """Say whether a running attempt has spent what it may, by the settings that it began with."""
        assert isinstance(record.claim, Running)
        began_with = Ceilings.of(self._transitions.budgets[record.claim.attempt_id])
        return over_budget(account(record.spent, began_with, record.budget)) is not None

    def check(self, *, quiet: bool) -> None:
        """Look at the world after a step."""
        self._budgets()
        self._accepted()
        self._questions()
        self._stalls()
        engine = self._world.engine
        if engine is None:
            return
        self._one_attempt_an_issue(engine.state)
        settled = quiet and engine.mailbox.empty and engine.store_problem is None and engine.scanned
        if settled:
            self._every_issue_has_a_place(engine.state)
            self._open_questions_are_held(engine.state)
            self._people_are_told()
            self._transitions.check_durable()
            self._turns_are_taken(engine.state)
        else:
            self._startable.clear()

    def _one_attempt_an_issue(self, state: SchedulerState) -> None:
        engine = self._world.engine
        assert engine is not None
        claimed = {a.attempt_id for r in state.records.values() if (a := running_attempt(r)) is not None}
        for attempt_id in engine.supervisor.controls:
            if attempt_id not in claimed:
                self._blame(f"never two attempts of one issue: {attempt_id} lives, and nothing knows of it")

    def _every_issue_has_a_place(self, state: SchedulerState) -> None:
        engine, now = self._world.engine, self._world.clock.now()
        assert engine is not None
        slots, room = Slots.of(state.workflow.settings, state.records.values()), state.room
        shown = set(_shown(engine.snapshot()))
        startable = set()
        for issue in state.candidates:
            reason = why_not_running(state, issue, slots, now, room)
            if reason is None:
                startable.add(issue.id)
                since = self._startable.setdefault(issue.id, self._world.loop.time())
                if self._world.loop.time() > since + MOST_TICK:
                    self._blame(f"every active issue runs or waits: {issue.id} could start and does not")
            elif not reason.text or issue.id not in shown:
                self._blame(f"every active issue runs or waits: {issue.id} ({reason.code}) is shown nowhere")
        for issue_id in self._startable.keys() - startable:
            del self._startable[issue_id]
        waiting = {view.issue_id for view in engine.snapshot().held}
        for record in state.records.values():
            if record.completion is not None and record.guard.held and record.issue_id not in waiting:
                self._blame(f"held work waits for a person: that of {record.issue_id} is shown nowhere")
            overdue = isinstance(record.claim, Continuing) and (now - record.claim.due_at).total_seconds() > 1
            if overdue:
                self._blame(f"every active issue runs or waits: {record.issue_id} should have gone on")

    def _open_questions_are_held(self, state: SchedulerState) -> None:
        held = {s.id for r in state.records.values() if (s := _steering(r)) is not None}
        ending = {s.id for r in state.records.values() if r.completion and (s := _steering(r)) is not None}
        disk = self._world.store.disk
        for steering in disk.steering.values():
            if steering.open and steering.id not in held:
                self._blame(f"no question is dropped: {steering.id} is open and nobody is asked it")
            if steering.id in disk.used and steering.id in held - ending:
                self._blame(f"a reply reaches one attempt: {steering.id} was used and is still owed")

    def _accepted(self) -> None:
        ledger, disk = self._world.ledger, self._world.store.disk
        owed = {completion.attempt_id for completion in disk.accepted.values()}
        for attempt_id in ledger.accepted:
            known = attempt_id in owed or attempt_id in disk.delivered or attempt_id in ledger.withdrawn
            if not known and attempt_id not in ledger.passed:
                self._blame(f"every accepted mark_done or transition is carried out: {attempt_id} is lost")

    def _questions(self) -> None:
        ledger, disk = self._world.ledger, self._world.store.disk
        for steering_id, times in ledger.answered_by_person.items():
            if times > 1:
                self._blame(f"every question is answered at most once: {steering_id} took {times} answers")
        stored = Counter(steering.attempt_id for steering in disk.steering.values())
        for attempt_id, times in ledger.asked.items():
            if stored[attempt_id] < times:
                self._blame(f"no question is dropped: {attempt_id} asked {times} times")

    def _budgets(self) -> None:
        ledger = self._world.ledger
        for issue_id, spent in ledger.spent.items():
            ceiling = max(BUDGET, ledger.ceilings.get(issue_id, 0))
            allowed = ceiling + TURN_COST - 1 + ledger.hidden.get(issue_id, 0)
            if spent > allowed and not self._world.faults.calm:
                self._blame(f"budgets are exceeded by one turn at most: {issue_id} spent {spent}")

    def _stalls(self) -> None:
        now = self._world.loop.time()
        if self._world.faults.disk_full:  # nothing is decided then
            self._decides_since = now
        excused = max(self._decides_since, self._world.loop.slept_until)
        for attempt_id, heard in self._world.store.talk.in_turn.items():
            if now > max(heard, excused) + STALLED:
                self._blame(f"an agent that says nothing is stopped: {attempt_id} since {now - heard:g} s")

    def _turns_are_taken(self, state: SchedulerState) -> None:
        now, in_turn = self._world.loop.time(), self._world.store.talk.in_turn
        idle = {
            attempt.attempt_id
            for record in state.records.values()
            if isinstance(attempt := record.claim, Running)
            and attempt.phase is Phase.TURN
            and not (attempt.stopping or attempt.permissions or attempt.attempt_id in in_turn)
        }
        for attempt_id in self._idle.keys() - idle:
            del self._idle[attempt_id]
        for attempt_id in idle:
            if now > self._idle.setdefault(attempt_id, now) + BETWEEN_TURNS:
                self._blame(f"every attempt goes on: {attempt_id} holds a slot and its agent is told nothing")

    def _people_are_told(self) -> None:
        engine, now, disk = self._world.engine, self._world.loop.time(), self._world.store.disk
        assert engine is not None
        if self._world.faults.disk_full:  # they are told, and that cannot be kept
            self._untold.clear()
            return
        targets = [target_name(target) for target in engine.state.workflow.settings.notify]
        untold = {
            need.key
            for need in notices_of(engine.snapshot())
            if targets
            for target in targets
            if need.kind is NeedKind.QUESTION and Telling(target, need.key) not in disk.told
        }
        for key in self._untold.keys() - untold:
            del self._untold[key]
        for key in untold:
            if now > self._untold.setdefault(key, now) + UNTOLD:
                self._blame(f"people are told of each question: {key} is not since {UNTOLD:g} s")

    def _count_hidden(self) -> None:
        """Find out what a process took into its grave: of each issue no more than one turn."""
        ledger, disk = self._world.ledger, self._world.store.disk
        known: Counter[str] = Counter()
        for row in disk.attempts.values():
            known[row.issue_id] += row.usage.tokens
        for issue_id, spent in ledger.spent.items():
            hidden, before = spent - known[issue_id], ledger.hidden.get(issue_id, 0)
            if hidden > before + ledger.turn_spent[issue_id] and not self._world.life.disk_was_full:
                self._blame(
                    f"budgets outlive the process: {hidden - before} of issue {issue_id} are forgotten"
                )
            ledger.hidden[issue_id] = hidden
        ledger.turn_spent.clear()

    def _blame(self, promise: str) -> None:
        self._world.ledger.blame(promise)


def _shown(snapshot: object) -> Iterator[str]:
    for name in ("running", "retrying", "waiting", "blocked"):
        for view in getattr(snapshot, name):
            yield view.issue_id


def _steering(record: IssueRecord) -> object:
    match record.claim:
        case Waiting(steering=s) | Running(steering=s) | Parked(steering=s) | Retrying(steering=s):
            return s
        case _:
            return None
