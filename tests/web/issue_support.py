"""A daemon in memory that knows whole issues, with their run logs on the disk, and a viewer of live pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from symphony.core.branch import BranchDiff
from symphony.core.decide import CommandRefused
from symphony.core.errors import SymphonyError
from symphony.core.explain import Explanation
from symphony.core.issue import Issue
from symphony.core.keys import workspace_key
from symphony.core.operations import IssueDetail
from symphony.core.workflow import Workflow
from tests.web.support import BOUND, Answer, Client, Daemon, make_issue, request

AT = "2026-01-01T12:00:01.000000+00:00"
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'\x1b[31m\u202e{{7*7}}"


@dataclass
class IssueDaemon(Daemon):
    """Operations over issues that a test makes up."""

    details: dict[str, IssueDetail] = field(default_factory=dict)
    explanations: dict[str, Explanation] = field(default_factory=dict)

    async def detail(self, issue_id: str) -> IssueDetail:
        await self._take("detail", issue_id)
        if issue_id not in self.details:
            raise CommandRefused(f"There is no issue {issue_id}.", code="issue_not_found")
        return self.details[issue_id]

    async def explain(self, issue_id: str) -> Explanation:
        explained = await super().explain(issue_id)
        if issue_id not in self.details:
            raise CommandRefused(f"There is no issue {issue_id}.", code="issue_not_found")
        return self.explanations.get(issue_id, explained)

    async def reply(self, issue_id: str, text: str) -> None:
        await super().reply(issue_id, text)
        detail = self.details.get(issue_id)
        if detail is None or not any(each.open for each in detail.steering):
            raise CommandRefused("It has been answered.", code="already_answered")
        answered = tuple(replace(each, reply=text) if each.open else each for each in detail.steering)
        self.details[issue_id] = replace(detail, steering=answered)


@dataclass
class FakeBranches:
    """Branches as a test wants them."""

    found: BranchDiff | None = None
    failure: SymphonyError | None = None
    asked: list[str] = field(default_factory=list)

    async def diff(self, issue_id: str) -> BranchDiff | None:
        self.asked.append(issue_id)
        if self.failure is not None:
            raise self.failure
        return self.found


@dataclass
class IssueWorld:
    """Issues with files, and a client."""

    folder: Path
    daemon: IssueDaemon
    branches: FakeBranches
    client: Client

    def add(self, issue_id: str = "7", **changes: Any) -> IssueDetail:
        """Make an issue, its file and its detail known."""
        issue: Issue = make_issue(issue_id)
        path = self.folder / "issues" / "Todo" / f"{workspace_key(issue_id)}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# the file\n")
        issue_changes = {name: changes.pop(name) for name in ISSUE_FIELDS if name in changes}
        issue = replace(issue, path=path, **issue_changes)
        detail = IssueDetail(
            issue_id, issue, "Not running: blocked by 3.", (), (), (), self.log(issue_id), "", 0, False
        )
        detail = replace(detail, **changes)
        self.daemon.details[issue_id] = detail
        self.daemon.known = (*self.daemon.known, issue)
        return detail

    def log(self, issue_id: str = "7") -> Path:
        """Return where an issue's run log is."""
        return self.folder / ".symphony" / "logs" / f"{workspace_key(issue_id)}.jsonl"

    def write(self, *lines: Mapping[str, Any], issue_id: str = "7") -> int:
        """Append lines to an issue's run log; return its size."""
        path = self.log(issue_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b"".join(encoded(line) for line in lines))
            return file.tell()

    async def page(self, path: str, **headers: str) -> str:
        """Return a page that is there."""
        answer = await self.client.ask("GET", path, **headers)
        assert answer.status == 200, answer.body.decode()
        return answer.body.decode()

    async def post(self, path: str, body: str = "", *, htmx: bool = False, **headers: str | None) -> Answer:
        """Send a form as a page of this server does."""
        given = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{self.client.port}",
            **({"HX-Request": "true"} if htmx else {}),
            **headers,
        }
        return await self.client.ask("POST", path, raw=body.encode(), **given)


ISSUE_FIELDS = (
    "title", "identifier", "state", "description", "priority", "labels", "blocked_by", "branch_name", "url",
    "path", "revision",
)  # fmt: skip


def encoded(line: Mapping[str, Any]) -> bytes:
    """Return a line of a run log."""
    return json.dumps({"at": AT, "attempt": "7.1", **line}).encode() + b"\n"


def update(name: str, **fields: Any) -> dict[str, Any]:
    """Return the line of an agent's update."""
    params = {"sessionId": "s", "update": {"sessionUpdate": name, **fields}}
    return {"kind": "frame_in", "frame": {"method": "session/update", "params": params}}


def said(text: str) -> dict[str, Any]:
    """Return the line of a piece of an agent's message."""
    return update("agent_message_chunk", content={"type": "text", "text": text})


def notes(numbers: Iterable[int], pad: int = 0) -> list[dict[str, Any]]:
    """Return lines that are an entry each."""
    return [{"kind": "handoff", "note": f"note {number}.", "pad": "x" * pad} for number in numbers]


def daemon_in(folder: Path) -> IssueDaemon:
    """Return a daemon whose tracker is in a folder."""
    daemon = IssueDaemon()
    settings = daemon.workflow.settings
    tracker = settings.tracker.model_copy(update={"root": folder / "issues"})
    daemon.workflow = Workflow(folder / "WORKFLOW.md", settings.model_copy(update={"tracker": tracker}))
    return daemon


@dataclass
class Viewer:
    """One who reads a live stream."""

    reader: asyncio.StreamReader
    seen: str = ""
    last_id: str = ""

    async def until(self, *words: str) -> str:
        """Return everything that came, once all the words are in it."""
        async with asyncio.timeout(BOUND):
            while not all(word in self.seen for word in words):
                data = await self.reader.read(65_536)
                assert data, f"the stream ended without {words}: {self.seen}"
                self.seen += data.decode()
        ids = [line[4:] for line in self.seen.split("\n") if line.startswith("id: ")]
        self.last_id = ids[-1].strip() if ids else ""
        return self.seen

    async def end(self) -> None:
        """Return when the stream has ended."""
        async with asyncio.timeout(BOUND):
            while await self.reader.read(65_536):
                continue


@asynccontextmanager
async def viewing(client: Client, path: str, **headers: str) -> AsyncIterator[Viewer]:
    """Watch a live stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    given = {"Host": f"127.0.0.1:{client.port}", **headers}
    try:
        writer.write(request("GET", path, given))
        await writer.drain()
        async with asyncio.timeout(BOUND):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"text/event-stream" in head
        yield Viewer(reader)
    finally:
        writer.close()


def live_path(page: str) -> str:
    """Return the path of a page's stream."""
    return page.split('sse-connect="')[1].split('"')[0].replace("&amp;", "&")
