"""The in-memory drivers as one process holds them: slow, breaking when told, and dead with the process.

What is durable is behind them and outlives the process; they also witness what is done to it.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequest, Pushed
from symphony.core.handoff import Completion, Handoff, Imported, Searched
from symphony.core.issue import Issue, IssueSet
from symphony.core.ports import AttemptRow, HookResult, Sandbox, Workspace
from symphony.core.provenance import Provenance
from symphony.core.review import UNKNOWN, Background
from symphony.core.safety import SafetyRef
from symphony.core.settings import Settings
from symphony.core.steering import SteeringRequest
from symphony.forge.errors import ForgeError
from symphony.forge.memory import MemoryForge
from symphony.mcp_server.memory import MemoryGate
from symphony.sandbox.errors import SandboxError
from symphony.store.errors import store_full
from symphony.store.memory import MemoryStore
from symphony.tracker.memory import MemoryTracker
from symphony.workspace.memory import Fault, MemoryWorkspaces
from tests.simulation.faults import Faults, Life
from tests.simulation.ledger import Ledger
from tests.simulation.talk import Talk
from tests.simulation.train import NOT_ABOARD, SimulatedTrain, TrainYard, check_leaving
from tests.simulation.workflows import FINISHED, PASSES

GIT_FAULTS = {
    "prepare": Fault.PREPARE,
    "save": Fault.SAVE,
    "import": Fault.IMPORT,
    "hand_off": Fault.HAND_OFF,
    "push": Fault.PUSH,
    "remove": Fault.REMOVE,
}


class SimulatedStore(MemoryStore):
    """The store of one process."""

    def __init__(
        self,
        life: Life,
        faults: Faults,
        ledger: Ledger,
        now: Callable[[], float],
        before: "SimulatedStore | None" = None,
    ) -> None:
        super().__init__()
        self._life = life
        self._faults = faults
        self._ledger = ledger
        if before is not None:
            self._disk = before._disk
            before._closed = True
        self.talk = Talk(ledger, self._disk, now)

    def after(self, life: Life) -> "SimulatedStore":
        """Return what the next process finds; this one answers nothing any more."""
        return SimulatedStore(life, self._faults, self._ledger, self.talk.now, self)

    def die(self) -> None:
        """Answer nothing any more, as the process is dead."""
        self._closed = True

    @property
    def disk(self) -> Any:
        """All that is committed."""
        return self._disk

    async def _writing(self) -> Any:
        disk = await self._reading()
        if self._faults.disk_full:
            self._life.disk_was_full = True
            raise store_full("in memory")
        return disk

    async def attempt_started(self, row: AttemptRow) -> None:
        await super().attempt_started(row)
        self.talk.attempt_starts(row.issue_id, row.id)

    async def withdraw_completion(self, issue_id: str, attempt_id: str) -> None:
        stored = self._disk.accepted.get(issue_id)
        await super().withdraw_completion(issue_id, attempt_id)
        if stored is not None and stored.attempt_id == attempt_id:
            self._ledger.withdrawn.add(attempt_id)

    async def complete_handoff(self, completion: Completion, handoff: Handoff, at: datetime) -> None:
        known = completion.attempt_id in self._disk.delivered
        await super().complete_handoff(completion, handoff, at)
        self._ledger.delivered[completion.attempt_id] += 1
        said = handoff.boarded is not None or NOT_ABOARD in handoff.note
        if self._ledger.rode.get(completion.attempt_id) and not said:
            self._ledger.blame(f"a handoff says where its work is aboard: that of {completion.attempt_id}")
        self._ledger.passes.pop(completion.issue_id, None)
        if known:
            self._ledger.blame(f"the completion of attempt {completion.attempt_id} was handed over twice")

    async def complete_transition(
        self, completion: Completion, note: str, revision: str, at: datetime
    ) -> None:
        owed = any(each.attempt_id == completion.attempt_id for each in self._disk.accepted.values())
        await super().complete_transition(completion, note, revision, at)
        if not owed:
            return
        if completion.attempt_id in self._ledger.passed or self._ledger.delivered[completion.attempt_id]:
            self._ledger.blame(f"an issue is moved once: {completion.attempt_id} passed it on twice")
        self._ledger.passed.add(completion.attempt_id)
        self._ledger.passes[completion.issue_id] += 1
        if self._ledger.passes[completion.issue_id] > 2 * PASSES:  # a person's hand is noticed late
            self._ledger.blame(f"agents that disagree are stopped: they pass {completion.issue_id} on")

    async def reply(self, issue_id: str, reply: str, at: datetime) -> SteeringRequest:
        steering = await super().reply(issue_id, reply, at)
        self._ledger.answered_by_person[steering.id] += 1
        self._ledger.replies[reply] = steering.id
        return steering

    async def ask(self, steering: SteeringRequest) -> None:
        await super().ask(steering)
        if steering.is_review and steering.reply:
            self._ledger.replies[steering.reply] = steering.id

    async def reply_used(self, steering_id: str, at: datetime) -> None:
        fresh = steering_id not in self._disk.used
        await super().reply_used(steering_id, at)
        steering = self._disk.steering[steering_id]
        over = any(row.issue_id == steering.issue_id for _, row in self._disk.delivered.values())
        if fresh and steering_id not in self._ledger.told_reply and not over:
            self._ledger.blame(f"a reply reaches one attempt: nobody was told the reply to {steering_id}")


class SimulatedTracker(MemoryTracker):
    """The tracker of one process, over files that outlive it."""

    def __init__(
        self,
        files: dict[Path, bytes],
        life: Life,
        faults: Faults,
        ledger: Ledger,
        *arguments: Any,
        **named: Any,
    ) -> None:
        super().__init__(*arguments, **named)
        self._ledger = ledger
        self._files = files
        self._life = life
        self._faults = faults

    async def scan(self) -> IssueSet:
        await self._faults.lag()
        self._life.check()
        if self._faults.takes("scan"):
            raise OSError("the tracker cannot be read")
        return await super().scan()

    async def refresh(self, paths: Collection[Path]) -> IssueSet:
        self._life.check()
        if self._faults.takes("scan"):
            raise OSError("the tracker cannot be read")
        return await super().refresh(paths)

    async def move(self, issue_id: str, to_state: str, *, note: str | None = None) -> Issue:
        await self._faults.lag()
        self._life.check()
        if self._faults.takes("move"):
            raise SandboxError("The file cannot be moved.", code="tracker.permission_denied", remedy="")
        issue = await super().move(issue_id, to_state, note=note)
        self._ledger.moved[issue_id] = issue.path
        if issue.path.parent.name in FINISHED:
            self._ledger.finished.add(issue_id)
        if note is not None and self._files[issue.path].count(note.encode()) != 1:
            self._ledger.blame(f"notes are in the file, once: those of {issue_id} are not")
        if self._faults.takes("moved"):
            raise SandboxError("Whether the file was moved is not known.", code="tracker.failed", remedy="")
        return issue


class SimulatedWorkspaces:
    """One process's hold on the workspaces; a `core.ports.Workspaces`."""

    def __init__(
        self,
        disk: MemoryWorkspaces,
        store: SimulatedStore,
        life: Life,
        faults: Faults,
        ledger: Ledger,
        open_for: Collection[str],
        yard: TrainYard,
    ) -> None:
        self.train = SimulatedTrain(yard, store, life, faults, ledger)
        self._disk = disk
        self._store = store
        self._life = life
        self._faults = faults
        self._ledger = ledger
        self._open_for = open_for

    async def reach(self, fault: str = "") -> None:
        """Take the time that it takes, and break as told."""
        await self._faults.lag()
        self._life.check()
        if fault and self._faults.takes(fault):
            self._disk.fail(GIT_FAULTS[fault])

    def _answer(self, name: str) -> None:
        if self._faults.takes(name):
            self._disk.answer_hook(name, 1, "broken")

    async def prepare(
        self, issue: Issue, settings: Settings, environment: Mapping[str, str], delivered: str | None = None
    ) -> Workspace:
        await self.reach("prepare")
        self._answer("after_create")
        try:
            workspace = await self._disk.prepare(issue, settings, environment, delivered)
            if workspace.created:
                self._ledger.discarded.discard(issue.id)
            return workspace
        finally:
            self._disk._faults.clear()
            self._disk._hook_results.clear()

    async def find(self, issue_id: str, settings: Settings) -> Workspace | None:
        self._life.check()
        return await self._disk.find(issue_id, settings)

    async def save(self, workspace: Workspace, why: str, at: datetime) -> SafetyRef | None:
        await self.reach("save")
        try:
            return await self._disk.save(workspace, why, at)
        finally:
            self._disk._faults.clear()

    async def newest_safety(self, issue_id: str) -> SafetyRef | None:
        self._life.check()
        return await self._disk.newest_safety(issue_id)

    async def run_hook(
        self, name: str, script: str, cwd: Path, environment: Mapping[str, str], timeout_ms: int
    ) -> HookResult:
        await self.reach()
        self._answer(name)
        return await self._disk.run_hook(name, script, cwd, environment, timeout_ms)

    async def fingerprint(self, workspace: Workspace) -> str:
        self._life.check()
        return await self._disk.fingerprint(workspace)

    async def collect(self, workspace: Workspace, sandbox: Sandbox | None) -> Imported:
        await self.reach("import")
        try:
            imported = await self._disk.collect(workspace, sandbox)
            self._ledger.imported.add(imported.head_tree)
            return imported
        finally:
            self._disk._faults.clear()

    async def search(self, imported: Imported) -> Searched:
        await self.reach()
        return await self._disk.search(imported)

    async def stamp(self, imported: Imported, provenance: Provenance, settings: Settings) -> Imported:
        await self.reach()
        return await self._disk.stamp(imported, provenance, settings)

    async def hand_off(
        self,
        workspace: Workspace,
        imported: Imported,
        completion: Completion,
        settings: Settings,
        background: Background = UNKNOWN,
        url: str = "",
    ) -> Handoff:
        await self.reach("hand_off")
        if self._ledger.delivered[completion.attempt_id]:
            self._ledger.blame(f"what attempt {completion.attempt_id} delivered is handed over again")
        receipt = completion.receipt
        if receipt is not None and receipt.tree != imported.head_tree:
            self._ledger.blame(f"what is handed over is what was checked: not of {completion.attempt_id}")
        check_leaving(self._ledger, workspace.issue_id, completion.attempt_id, imported, settings)
        try:
            return await self._disk.hand_off(workspace, imported, completion, settings, background, url)
        finally:
            self._disk._faults.clear()

    async def push(self, workspace: Workspace, imported: Imported, settings: Settings) -> Pushed | None:
        await self.reach("push")
        owed = self._store.disk.accepted.get(workspace.issue_id)
        attempt_id = None if owed is None else owed.attempt_id
        check_leaving(self._ledger, workspace.issue_id, attempt_id, imported, settings)
        try:
            return await self._disk.push(workspace, imported, settings)
        finally:
            self._disk._faults.clear()

    @property
    def bests(self) -> Any:
        self._life.check()
        return self._disk.bests

    @property
    def reviews(self) -> Any:
        self._life.check()
        return self._disk.reviews

    @asynccontextmanager
    async def open_checkouts(self, workspace: Workspace) -> AsyncIterator[Any]:
        await self.reach()
        async with self._disk.open_checkouts(workspace) as checkouts:
            yield checkouts

    @asynccontextmanager
    async def delivered_clone(self, imported: Imported) -> AsyncIterator[Path]:
        self._life.check()
        async with self._disk.delivered_clone(imported) as path:
            yield path

    async def remove(self, workspace: Workspace, settings: Settings, environment: Mapping[str, str]) -> None:
        await self.reach("remove")
        self._answer("before_remove")
        if workspace.issue_id in self._open_for:
            self._ledger.blame(f"no agent loses the ground it stands on: {workspace.issue_id}")
        folder = self._disk._folders.get(workspace.key)
        before = len(self._disk.removed)
        try:
            await self._disk.remove(workspace, settings, environment)
        finally:
            self._disk._faults.clear()
            if folder is not None and len(self._disk.removed) > before:
                self._check_removed(workspace, folder.files)

    def _check_removed(self, workspace: Workspace, files: Mapping[str, bytes]) -> None:
        issue_id = workspace.issue_id
        if issue_id in self._ledger.discarded:
            return
        rows = [row for _, row in self._store.disk.delivered.values() if row.issue_id == issue_id]
        head = rows[-1].handoff.head_commit if rows else None
        held = self._disk._history.commits[head].files if head else None
        if held != files:
            lost = sorted(name for name in files if held is None or held.get(name) != files[name])
            self._ledger.blame(f"the workspace of issue {issue_id} was removed with {lost} undelivered")


class SimulatedForge:
    """One process's way to the forge; a `core.ports.Forge`."""

    def __init__(self, forge: MemoryForge, life: Life, faults: Faults, ledger: Ledger) -> None:
        self._forge = forge
        self._life = life
        self._faults = faults
        self._ledger = ledger

    async def reach(self) -> None:
        """Take the time that it takes, and break as told."""
        await self._faults.lag()
        self._life.check()
        if self._faults.takes("forge"):
            raise ForgeError("The forge cannot be reached.", code="forge.unreachable", remedy="")

    async def find_open(self, repo: ForgeRepo, head: Head, base: str) -> PullRequest | None:
        await self.reach()
        return await self._forge.find_open(repo, head, base)

    async def open(self, repo: ForgeRepo, head: Head, base: str, proposal: Proposal) -> PullRequest:
        await self.reach()
        if await self._forge.find_open(repo, head, base) is not None:
            self._ledger.blame(f"a branch has one pull request: a second is opened for {head.branch}")
        opened = await self._forge.open(repo, head, base, proposal)
        if self._faults.takes("opened"):
            raise ForgeError("Whether it was opened is not known.", code="forge.timeout", remedy="")
        return opened

    async def update(self, repo: ForgeRepo, number: int, proposal: Proposal) -> PullRequest:
        await self.reach()
        return await self._forge.update(repo, number, proposal)

    async def read(self, repo: ForgeRepo, number: int) -> PullRequest:
        await self.reach()
        return await self._forge.read(repo, number)


class SimulatedGate(MemoryGate):
    """The door of one process."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    @asynccontextmanager
    async def admit(self, issue_id: str, reports: Any, *, socket: bool = False) -> AsyncIterator[Any]:
        if self._faults.takes("door"):
            raise SandboxError("The door is shut.", code="mcp.not_listening", remedy="")
        async with super().admit(issue_id, reports, socket=socket) as access:
            yield access


class QuietRunLogs:
    """Run logs that keep the kinds of lines only: what is in them has tests of its own."""

    def __init__(self, life: Life) -> None:
        self._life = life

    @asynccontextmanager
    async def open_run_log(
        self, issue_id: str, attempt_id: str, secrets: Collection[str]
    ) -> AsyncIterator["QuietRunLogs"]:
        yield self

    def append(self, kind: str, **fields: Any) -> None:
        """Forget a line."""

    def hide(self, secrets: Collection[str]) -> None:
        """Forget secrets."""
