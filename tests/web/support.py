"""A daemon and a door in memory, and a client that sends exactly the bytes it is told."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from symphony.core.access import AccessDecision
from symphony.core.access_answer import AccessAnswer, MachineAnswer
from symphony.core.branch import BranchDiff, Branches
from symphony.core.budget import CeilingChange, Ceilings, account
from symphony.core.budget_answer import BudgetAnswer
from symphony.core.editing import Editing
from symphony.core.explain import Explanation, explain
from symphony.core.issue import Issue, IssueDraft, IssueSet
from symphony.core.operations import AgentDoor, DoorReply, IssueDetail
from symphony.core.permission import PermissionAnswer
from symphony.core.retention import RetentionReport, Sweeper
from symphony.core.scheduler import SchedulerState
from symphony.core.settings import Settings
from symphony.core.snapshot import Picture, Snapshot
from symphony.core.train import Passenger, TrainDesk, TrainView
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow
from symphony.core.workflow_report import RenderedPrompt, WorkflowDesk, WorkflowReport
from symphony.tracker.memory import MemoryTracker
from symphony.web.surface import Surface

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOUND = 20.0  # far above what any exchange on loopback takes
TRAIN = TrainView("train", "b" * 40, "main", "a" * 40, (Passenger("7", "Fix it", "b" * 40, NOON),))
JSON = {"Content-Type": "application/json"}


def make_issue(issue_id: str = "7", state: str = "Todo", title: str = "Fix it") -> Issue:
    return Issue(issue_id, issue_id, title, state, Path("/issues") / state / f"{issue_id}.md")


@dataclass
class Daemon:
    """Operations that remember what they were asked, and can be made to fail or to wait."""

    asked: list[tuple[Any, ...]] = field(default_factory=list)
    failure: BaseException | None = None
    known: tuple[Issue, ...] = ()
    shown: Snapshot = Snapshot(NOON, counts={"running": 0})
    workflow: Workflow = Workflow(Path("/project/WORKFLOW.md"), Settings())
    listeners: list[Callable[[], None]] = field(default_factory=list)
    holds: bool = False
    began: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def snapshot(self) -> Snapshot:
        return self.shown

    def picture(self) -> Picture:
        issues = IssueSet({issue.id: issue for issue in self.known})
        return Picture(self.shown, issues, self.workflow.settings.state_table(), self.workflow)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def change(self, shown: Snapshot) -> None:
        """Show something else, and say so."""
        self.shown = shown
        for listener in self.listeners:
            listener()

    async def detail(self, issue_id: str) -> IssueDetail:
        await self._take("detail", issue_id)
        return IssueDetail(issue_id, None, "gone", (), (), (), Path("/log"), "", 0, False)

    async def explain(self, issue_id: str) -> Explanation:
        await self._take("explain", issue_id)
        issues = IssueSet({issue.id: issue for issue in self.known})
        return explain(SchedulerState.of(self.workflow).with_issues(issues), issue_id, NOON)

    async def permit(self, issue_id: str, request_id: str | None, answer: PermissionAnswer) -> None:
        await self._take("permit", issue_id, request_id, answer)

    async def issues(self) -> tuple[Issue, ...]:
        await self._take("issues")
        return self.known

    async def refresh(self) -> None:
        await self._take("refresh")

    async def create(self, draft: IssueDraft) -> Issue:
        await self._take("create", draft)
        return make_issue(draft.id or "8", draft.state or "Todo", draft.title)

    async def reply(self, issue_id: str, text: str) -> None:
        await self._take("reply", issue_id, text)

    async def retry(self, issue_id: str) -> None:
        await self._take("retry", issue_id)

    async def cancel(self, issue_id: str) -> None:
        await self._take("cancel", issue_id)

    async def pause(self, issue_id: str | None) -> None:
        await self._take("pause", issue_id)

    async def resume(self, issue_id: str | None) -> None:
        await self._take("resume", issue_id)

    async def move(self, issue_id: str, to_state: str) -> Issue:
        await self._take("move", issue_id, to_state)
        return make_issue(issue_id, to_state)

    async def approve(self, issue_id: str) -> Issue:
        await self._take("approve", issue_id)
        return make_issue(issue_id)

    async def discard(self, issue_id: str) -> None:
        await self._take("discard", issue_id)

    async def reject(self, issue_id: str, words: str, to_state: str | None) -> Issue:
        await self._take("reject", issue_id, words, to_state)
        return make_issue(issue_id, to_state or "Todo")

    async def restore(self, name: str) -> None:
        await self._take("restore", name)

    async def decide_access(self, issue_id: str, host: str, decision: AccessDecision) -> AccessAnswer:
        await self._take("access", issue_id, host, decision)
        return AccessAnswer(issue_id, host, decision, MachineAnswer.DONE, written=True)

    async def set_budget(self, issue_id: str, changes: tuple[CeilingChange, ...]) -> BudgetAnswer:
        await self._take("budget", issue_id, changes)
        spending = account(Usage(input_tokens=1200), Ceilings(), Ceilings(tokens=5000))
        return BudgetAnswer(issue_id, spending, running=False, standing="Eligible.")

    async def sweep(self, *, dry_run: bool = False) -> RetentionReport:
        await self._take("sweep", dry_run)
        return RetentionReport(NOON, dry_run)

    async def look(self) -> TrainView:
        await self._take("look")
        return TRAIN

    async def reset(self) -> TrainView:
        await self._take("reset")
        return TRAIN

    async def _take(self, *asked: Any) -> None:
        self.began.set()
        if self.holds:
            await self.release.wait()
        if self.failure is not None:
            raise self.failure
        self.asked.append(asked)
        self.done.set()


@dataclass
class Door:
    """An agent's door that remembers what came and answers as told."""

    posted: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    reply: DoorReply = field(default_factory=lambda: DoorReply(200, b"{}"))

    async def post(self, issue_id: str, authorization: str | None, body: bytes) -> DoorReply:
        self.posted.append((issue_id, authorization, body))
        return self.reply


class NoBranches:
    """No issue has a branch."""

    async def diff(self, issue_id: str) -> BranchDiff | None:
        return None


class NoDesk:
    """Nobody asks for the workflow."""

    async def report(self) -> WorkflowReport:
        raise AssertionError

    async def rendered_prompt(self, issue_id: str) -> RenderedPrompt:
        raise AssertionError


def surface_of(
    daemon: Daemon,
    door: AgentDoor,
    *,
    editing: Editing | None = None,
    workflow: WorkflowDesk | None = None,
    branches: Branches | None = None,
    disk: Sweeper | None = None,
    train: TrainDesk | None = None,
) -> Surface:
    """Return what a listener takes."""
    tracker = MemoryTracker(daemon.workflow.settings.state_table, now=lambda: NOON)
    return Surface(
        daemon,
        door,
        editing or tracker,
        workflow or NoDesk(),
        branches or NoBranches(),
        disk or daemon,
        train or daemon,
    )


@dataclass(frozen=True)
class Answer:
    """One HTTP response; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        error = self.json["error"]
        return self.status, error["code"], error["message"]


async def send(port: int, data: bytes) -> Answer:
    """Send bytes and read one response and the end of the connection."""
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(data)
            await writer.drain()
            return await read_answer(reader, has_body=not data.startswith(b"HEAD "))
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader, *, has_body: bool = True) -> Answer:
    """Read one response with a content length."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0"))) if has_body else b""
    return Answer(int(head[0].split()[1]), headers, body)


def request(
    method: str, path: str, headers: Mapping[str, str], body: bytes = b"", *, chunked: bool = False
) -> bytes:
    """Return the bytes of a request; headers with a None value are left out."""
    if chunked:
        headers = {**headers, "Transfer-Encoding": "chunked"}
        size = 65_536
        chunks = [body[start : start + size] for start in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif body or method == "POST":
        headers = {"Content-Length": str(len(body)), **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8") + body


@dataclass
class Client:
    """Talks to one listener on loopback."""

    port: int

    async def ask(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str | None
    ) -> Answer:
        """Send a request; a body is JSON, a raw one is as it is; header names take `_` for `-`."""
        given = {"Host": f"127.0.0.1:{self.port}", "Connection": "close"}
        if raw is None and (body is not None or method == "POST"):
            given["Content-Type"] = "application/json"
            raw = json.dumps({} if body is None else body).encode()
        for name, value in headers.items():
            header = name.replace("_", "-").title()
            given.pop(header, None)
            if value is not None:
                given[header] = value
        return await send(self.port, request(method, path, given, raw or b""))
