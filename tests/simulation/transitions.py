"""The promises about each single decision: what may begin, and what must not be forgotten."""

from dataclasses import replace

from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Running, Waiting
from symphony.core.scheduler import SchedulerState
from symphony.core.settings.agent import Budget
from tests.simulation.world import World


class Transitions:
    """Holds every state of the scheduler against the one before it.

    Attributes:
        budgets: what the workflow said when an attempt began, by its id.
    """

    def __init__(self, world: World) -> None:
        self.budgets: dict[str, Budget] = {}
        self._world = world
        self._before: dict[str, IssueRecord] = {}

    def begin(self) -> None:
        """Hold what a process begins with against what the store holds."""
        state = self._state()
        disk = self._world.store.disk
        self._before = state.records
        for issue_id, stored in disk.records.items():
            record = state.record(issue_id)
            self._kept(issue_id, "its pause", stored.paused, record.paused)
            self._kept(issue_id, "its failures", stored.failures, record.failures)
            self._kept(issue_id, "its attempts", stored.attempts, record.attempts)
            self._kept(issue_id, "its ceilings", stored.budget, record.budget)
            self._kept(issue_id, "its decided hosts", stored.access, record.access)
            self._kept(issue_id, "how it was passed on", stored.passage, record.passage)
            if isinstance(stored.claim, Parked):
                self._kept(issue_id, "that it is parked", True, isinstance(record.claim, Parked))
            if isinstance(stored.claim, Retrying):
                due = record.claim.due_at if isinstance(record.claim, Retrying) else None
                self._kept(issue_id, "when it is tried again", stored.claim.due_at, due)
        for completion in disk.accepted.values():
            self._kept(
                completion.issue_id, "its work", completion, state.record(completion.issue_id).completion
            )
        for steering in disk.steering.values():
            if (
                steering.id not in disk.used
                and not isinstance(state.record(steering.issue_id).claim, Waiting | Parked | Retrying)
                and state.record(steering.issue_id).completion is None
            ):
                self._blame(f"a restart forgets nothing: nobody waits for question {steering.id}")
        self._kept(None, "the pause of all", disk.paused, state.paused)
        self._kept(None, "who rests", dict(disk.adapter_pauses), dict(state.adapter_pauses))

    def decided(self) -> None:
        """Look at what a decision changed."""
        state = self._state()
        before, self._before = self._before, state.records
        if before is state.records:
            return
        for issue_id, record in state.records.items():
            old = before.get(issue_id)
            if old is not record:
                self._changed(state, old or IssueRecord(issue_id), record)

    def check_durable(self) -> None:
        """Hold what the scheduler knows against the store, when nothing is on its way."""
        disk = self._world.store.disk
        for issue_id, record in self._state().records.items():
            stored = disk.records.get(issue_id) or IssueRecord(issue_id)
            known = (record.failures, record.paused, record.attempts)
            kept = (stored.failures, stored.paused, stored.attempts)
            # an attempt that has passed its issue on says so with its end
            passed = isinstance(record.claim, Running) and stored.passage.count == record.passage.count + 1
            passed = passed or stored.passage == record.passage
            if (known, self._lasting(record)) != (kept, self._lasting(stored)) or not passed:
                self._blame(f"what is decided is durable: {issue_id} is {record} and stored as {stored}")

    def _lasting(self, record: IssueRecord) -> object:
        match record.claim:
            case Parked() | Retrying() as resting:  # what is answered is stored with the question
                return replace(resting, steering=None)
            case Continuing() as going_on:
                return going_on
            case _:
                return None

    def _changed(self, state: SchedulerState, old: IssueRecord, new: IssueRecord) -> None:
        if new.attempts < old.attempts or new.usage.tokens < old.usage.tokens:
            self._blame(f"nothing that was counted is forgotten: {old.issue_id}")
        if new.budget.tokens is not None:
            ceilings = self._world.ledger.ceilings
            ceilings[old.issue_id] = max(ceilings.get(old.issue_id, 0), new.budget.tokens)
        if old.completion is not None and new.completion is None:
            attempt_id = old.completion.attempt_id
            if (
                attempt_id not in self._world.store.disk.delivered
                and attempt_id not in self._world.ledger.withdrawn | self._world.ledger.passed
            ):
                self._blame(
                    f"every accepted mark_done or transition is carried out: {attempt_id} is forgotten"
                )
        if new.failures > old.failures and new.completion is None:
            most = state.workflow.settings.agent.max_failures
            if new.failures >= most and not isinstance(new.claim, Parked):
                self._blame(f"max_failures parks: {old.issue_id} has failed {new.failures} times of {most}")
        if not isinstance(new.claim, Running):
            return
        if isinstance(old.claim, Running) and old.claim.attempt_id == new.claim.attempt_id:
            return
        waited = old.claim.attempt if isinstance(old.claim, Waiting) else None
        if waited is not None and waited.attempt_id == new.claim.attempt_id:
            if new.claim.steering is None or new.claim.steering.open:
                self._blame(f"an attempt goes on with its reply: {new.claim.attempt_id} has none")
            return
        self._began(state, old, new.claim)

    def _began(self, state: SchedulerState, old: IssueRecord, attempt: Running) -> None:
        ledger, now, attempt_id = self._world.ledger, self._world.clock.now(), attempt.attempt_id
        self.budgets[attempt_id] = state.workflow.settings.agent.budget
        if attempt_id in ledger.begun:
            self._blame(f"no attempt is begun twice: {attempt_id}")
        ledger.begun.add(attempt_id)
        wanted = old.issue_id in ledger.retry_asked
        ledger.retry_asked.discard(old.issue_id)
        if state.draining:
            self._blame(f"nothing begins while the daemon stops: {attempt_id}")
        if isinstance(old.claim, Retrying) and old.claim.due_at > now and not wanted:
            self._blame(f"a retry waits for its time: {attempt_id} was due at {old.claim.due_at}")
        if attempt.delivering:
            if old.completion is None:
                self._blame(f"only what is done is handed over: {attempt_id}")
            return
        issue = state.issues.get(old.issue_id)
        if issue is None or not state.states.is_active(issue.state):
            self._blame(f"only active issues are worked on: {attempt_id}")
            return
        files = [path for path in self._world.files if path.stem == old.issue_id]
        done = state.workflow.settings.state_table().done()
        if files == [ledger.moved.get(old.issue_id)] and files[0].parent.name == done:
            self._blame(f"what was handed over is not begun again: {attempt_id}")
        if isinstance(old.claim, Parked) and old.claim.revision == issue.revision and not wanted:
            self._blame(f"what is parked rests: {attempt_id}")
        asked = self._world.store.disk.steering
        if isinstance(old.claim, Waiting) and asked[old.claim.steering.id].open:
            self._blame(f"who waits for an answer waits: {attempt_id}")
        if isinstance(old.claim, Continuing) and old.claim.due_at > now and not wanted:
            self._blame(f"a continuation waits for its time: {attempt_id}")
        for blocker in map(state.issues.get, issue.blocked_by):
            if blocker is None or not state.states.is_terminal(blocker.state):
                self._blame(f"what is blocked waits: {attempt_id}")
        if state.record(old.issue_id).completion is not None:
            self._blame(f"what is done is not begun again: {attempt_id}")
        if state.paused or state.record(old.issue_id).paused:
            self._blame(f"what is paused does not begin: {attempt_id}")
        if state.workflow_problems:
            self._blame(f"nothing begins under a broken workflow: {attempt_id}")
        spent, record = old.usage.tokens, state.record(old.issue_id)
        ceiling = record.budget.tokens or state.workflow.settings.agent.budget.tokens
        if ceiling is not None and spent >= ceiling:
            self._blame(f"nothing begins beyond its budget: {attempt_id} with {spent} of {ceiling}")
        if state.disk_room.low:
            self._blame(f"nothing begins on a full disk: {attempt_id}")
        rests_until = state.adapter_pauses.get(attempt.adapter)
        if rests_until is not None and rests_until > now:
            self._blame(f"who rests is left alone: {attempt_id}")

    def _kept(self, issue_id: str | None, what: str, stored: object, known: object) -> None:
        if stored != known:
            self._blame(f"a restart forgets nothing: of {issue_id} {what} was {stored} and is {known}")

    def _state(self) -> SchedulerState:
        engine = self._world.engine
        assert engine is not None
        return engine.state

    def _blame(self, promise: str) -> None:
        self._world.ledger.blame(promise)
