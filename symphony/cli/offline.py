"""What can be known and done without a daemon, from the files and the store.

The scheduler's own functions give the answers, so that they read as a daemon's would. A change of
the store is made under the daemon's lock: there is never a second writer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from symphony.cli.place import Place
from symphony.core.access import AccessDecision
from symphony.core.access_answer import AccessAnswer
from symphony.core.best import BestState
from symphony.core.budget import CeilingChange, parse_changes
from symphony.core.budget_answer import budget_answer
from symphony.core.decide import CommandRefused, decide
from symphony.core.decide.commands import known_issue
from symphony.core.event import (
    AccessDecided,
    BudgetAsked,
    CancelAsked,
    Event,
    PauseAsked,
    PermissionGiven,
    ReleaseAsked,
    ReplyGiven,
    ResumeAsked,
    RetryAsked,
)
from symphony.core.explain import DECISIONS, explain
from symphony.core.hosts import parse_host
from symphony.core.issue import Issue, IssueDraft
from symphony.core.keys import workspace_key
from symphony.core.operations import IssueDetail
from symphony.core.permission import PermissionAnswer
from symphony.core.picture import render_snapshot, standing
from symphony.core.ports import Memory
from symphony.core.restore import restore
from symphony.core.scheduler import SchedulerState
from symphony.core.states import StateRole
from symphony.core.usage import Usage
from symphony.engine.earlier import best_known
from symphony.host.lock import DaemonFile, DaemonLock, hold
from symphony.store.errors import StoreError
from symphony.store.exchange import exchange_store
from symphony.store.memory import MemoryStore
from symphony.store.reader import StoreReader, read_store
from symphony.store.sqlite import SqliteStore, open_store
from symphony.tracker.local import LocalTracker
from symphony.web.budget_view import budget_view
from symphony.web.disk_view import disk_view
from symphony.web.explanation_view import explanation_view
from symphony.web.train_view import reset_view, train_view
from symphony.web.views import answer_view, detail_view, issue_view, state_view

Json = dict[str, Any]

FOREVER = datetime.max.replace(tzinfo=UTC)
EVENTS: dict[str, Callable[[Any], Event]] = {
    "retry": RetryAsked,
    "cancel": CancelAsked,
    "pause": PauseAsked,
    "resume": ResumeAsked,
}


class FilesDesk:
    """The same questions and commands as `DaemonDesk`, answered here.

    Raises:
        SymphonyError: from every method, with the codes and words of the rooms below.
        DaemonRunning: from every command, when a daemon holds the installation or the tracker.
    """

    live = False

    def __init__(self, place: Place, daemon: DaemonFile | None = None) -> None:
        """Answer from a place's files, beside a daemon that does not answer if there is one."""
        self.daemon = daemon
        self._place = place
        self._installation = place.installation
        self._tracker = LocalTracker(
            place.workflow.settings.tracker.root, place.workflow.settings.state_table
        )

    def state(self) -> Json:
        """Return the whole picture."""
        return asyncio.run(self._state())

    def detail(self, issue_id: str) -> Json:
        """Return all that is known of one issue."""
        return asyncio.run(self._detail(issue_id))

    def explain(self, issue_id: str) -> Json:
        """Return where an issue stands and what happens next."""
        return asyncio.run(self._explain(issue_id))

    def create(self, draft: IssueDraft) -> Json:
        """Write an issue and return it."""
        return issue_view(asyncio.run(self._tracker.create(draft)))

    def move(self, issue_id: str, state: str) -> Json:
        """Move the issue's file and return the issue."""
        return issue_view(asyncio.run(self._tracker.move(issue_id, state)))

    def approve(self, issue_id: str) -> Json | None:
        """Move a proposed issue to where it is worked on, or let held work out; return the issue."""
        return asyncio.run(self._approve(issue_id))

    def reject(self, issue_id: str, text: str, to: str | None) -> Json:
        """Send delivered work back with a reviewer's words and return the issue."""
        return issue_view(asyncio.run(self._reject(issue_id, text, to)))

    def reply(self, issue_id: str, text: str) -> None:
        """Answer the issue's open question."""
        asyncio.run(self._reply(issue_id, text))

    def access(self, issue_id: str, host: str, decision: str) -> Json:
        """Open or close a host for further attempts and return what became of it."""
        return asyncio.run(self._access(issue_id, parse_host(host), AccessDecision(decision)))

    def permit(self, issue_id: str, request_id: str | None, answer: str) -> None:
        """Refuse: what an agent asks for is open only while its daemon runs."""
        asyncio.run(self._decide(PermissionGiven(issue_id, request_id, PermissionAnswer(answer))))

    def budget(self, issue_id: str, given: Mapping[str, str]) -> Json:
        """Give an issue ceilings of its own and return where its budget stands."""
        return asyncio.run(self._budget(issue_id, parse_changes(given)))

    def sweep(self, *, dry_run: bool) -> Json:
        """Remove from the disk what may go, or only say what would, and return that."""
        return asyncio.run(self._look_at_disk() if dry_run else self._sweep())

    def train(self) -> Json:
        """Return how the merge train stands."""
        return asyncio.run(self._look_at_train())

    def reset_train(self) -> Json:
        """Move the merge train to its base and return what that left out."""
        return asyncio.run(self._reset_train())

    def restore(self, name: str) -> None:
        """Put the prepared copy in the store's place."""
        root = self._place.workflow.settings.tracker.root
        with hold(DaemonLock(self._installation, root, _now())):
            exchange_store(self._installation.database, name)

    def command(self, name: str, issue_id: str | None) -> None:
        """Carry out `retry`, `cancel`, `pause`, `resume` or `discard`."""
        if name == "discard":
            asyncio.run(self._discard(str(issue_id)))
        else:
            asyncio.run(self._decide(EVENTS[name](issue_id)))

    async def _state(self) -> Json:
        async with self._read() as store:
            memory = await store.load() if store else Memory()
            totals = await store.totals() if store else Usage()
        return state_view(render_snapshot(await self._restored(memory), _now(), totals))

    async def _detail(self, issue_id: str) -> Json:
        async with self._read() as store:
            state = await self._restored(await store.load() if store else Memory())
            if issue_id not in state.records and not state.issues.present(issue_id):
                raise _not_found(issue_id)
            record = state.record(issue_id)
            delivery = await store.handoff_of(issue_id) if store else None
            return detail_view(
                IssueDetail(
                    issue_id=issue_id,
                    issue=state.issues.get(issue_id),
                    standing=standing(state, issue_id, _now()),
                    attempts=await store.attempts_of(issue_id) if store else (),
                    steering=await store.steering_of(issue_id) if store else (),
                    audit=await store.audit_of(issue_id) if store else (),
                    run_log=self._installation.run_logs / f"{workspace_key(issue_id)}.jsonl",
                    last_handoff=record.last_handoff,
                    failures=record.failures,
                    paused=record.paused,
                    access=record.access,
                    guard=record.guard,
                    budget=state.account(issue_id),
                    receipt=delivery.handoff.receipt if delivery else None,
                    boarded=delivery.handoff.boarded if delivery else None,
                    best=await self._best(issue_id),
                )
            )

    async def _explain(self, issue_id: str) -> Json:
        async with self._read() as store:
            state = await self._restored(await store.load() if store else Memory())
            if issue_id not in state.records and not state.issues.present(issue_id):
                raise _not_found(issue_id)
            decisions = await store.audit_of(issue_id, DECISIONS) if store else ()
        best = await self._best(issue_id)
        return explanation_view(explain(state, issue_id, _now(), decisions, best))

    async def _best(self, issue_id: str) -> BestState | None:
        from symphony.workspace.best import GitBestStates  # slow to import
        from symphony.workspace.host_repository import HostRepository

        return await best_known(GitBestStates(HostRepository(self._installation.host_repository)), issue_id)

    async def _approve(self, issue_id: str) -> Json | None:
        async with self._read() as store:
            state = await self._restored(await store.load() if store else Memory())
        issue = state.issues.get(issue_id)
        if state.record(issue_id).guard.held is not None:
            await self._decide(ReleaseAsked(issue_id))
            return issue_view(issue) if issue else None
        if issue is None:
            raise _not_found(issue_id)
        if state.states.role(issue.state) is not StateRole.HOLDING:
            raise CommandRefused(
                f"Issue {issue_id} is in {issue.state} and needs no approval.", code="not_proposed"
            )
        return issue_view(await self._tracker.move(issue_id, state.states.with_role(StateRole.ACTIVE)[0]))

    async def _reply(self, issue_id: str, text: str) -> None:
        async with self._write() as (store, state):
            steering = await store.reply(issue_id, text, _now())
            await _apply(store, state, ReplyGiven(steering))

    async def _decide(self, event: Event) -> None:
        async with self._write() as (store, state):
            await _apply(store, state, event)

    async def _budget(self, issue_id: str, changes: tuple[CeilingChange, ...]) -> Json:
        async with self._write() as (store, state):
            decision = decide(state, BudgetAsked(issue_id, changes), _now())
            await store.apply(decision.changes)
        return budget_view(budget_answer(replace(decision.state, drain_deadline=None), issue_id, _now()))

    async def _access(self, issue_id: str, host: str, decision: AccessDecision) -> Json:
        from symphony.workflow.egress import write_allowed_host

        workflow = self._place.workflow
        async with self._write() as (store, state):
            known_issue(state, issue_id)
            before = state.record(issue_id).access.find(host)
            event = AccessDecided(issue_id, host, decision)
            changes = decide(state, event, _now()).changes
            written = decision is AccessDecision.WORKFLOW and (
                write_allowed_host(self._place.path, host, self._place.environ)
            )
            await store.apply(changes)
        answer = AccessAnswer(
            issue_id,
            host,
            decision,
            asked=before is not None and before.asked_at is not None,
            repeated=before is not None and before.decision is decision,
            workflow=workflow.path.name,
            written=written,
            opened_by_settings=host in workflow.settings.smolvm.egress.allow,
        )
        return answer_view(answer)

    async def _discard(self, issue_id: str) -> None:
        from symphony.cli.offline_review import discard_work

        async with self._write() as (store, state):
            await discard_work(self._place, store, state, issue_id)

    async def _reject(self, issue_id: str, words: str, to_state: str | None) -> Issue:
        from symphony.cli.offline_review import reject_work

        async with self._write() as (store, state):
            tracker = self._tracker
            return await reject_work(self._place, store, state, tracker, issue_id, words, to_state)

    async def _look_at_disk(self) -> Json:
        from symphony.cli.offline_disk import look_at_disk

        async with self._read() as store:
            state = await self._restored(await store.load() if store else Memory())
            return disk_view(await look_at_disk(self._place, store or MemoryStore(), state, _now()))

    async def _sweep(self) -> Json:
        from symphony.cli.offline_disk import sweep_disk

        async with self._write() as (store, state):
            return disk_view(await sweep_disk(self._place, store, state))

    async def _look_at_train(self) -> Json:
        from symphony.cli.offline_train import train_desk

        return train_view(await train_desk(self._place, MemoryStore()).look())

    async def _reset_train(self) -> Json:
        from symphony.cli.offline_train import train_desk

        async with self._write() as (store, _):
            return reset_view(await train_desk(self._place, store).reset())

    async def _restored(self, memory: Memory) -> SchedulerState:
        return restore(self._place.workflow, memory).with_issues(await self._tracker.scan())

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[StoreReader | None]:
        """Open the store; None where symphony has not run yet."""
        async with AsyncExitStack() as stack:
            store = None
            try:
                store = await stack.enter_async_context(read_store(self._installation.database))
            except StoreError as error:
                if error.code != "store_missing":
                    raise
            yield store

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[tuple[SqliteStore, SchedulerState]]:
        """Be the one writer; the state is one that starts nothing, as a stopping daemon's."""
        root = self._place.workflow.settings.tracker.root
        issues = await self._tracker.scan()  # before the lock: a daemon that starts waits for it only so long
        with hold(DaemonLock(self._installation, root, _now())):
            async with open_store(self._installation.database) as store:
                state = restore(self._place.workflow, await store.load()).with_issues(issues)
                yield store, replace(state, drain_deadline=FOREVER)


async def _apply(store: SqliteStore, state: SchedulerState, event: Event) -> None:
    # no attempt runs and none may start, so that there are no effects to perform
    await store.apply(decide(state, event, _now()).changes)


def _now() -> datetime:
    return datetime.now(UTC)


def _not_found(issue_id: str) -> CommandRefused:
    return CommandRefused(
        f"There is no issue {issue_id}.", code="issue_not_found", remedy="`symphony status` lists the issues."
    )
