"""A real project on disk: a git repository, issue folders, a workflow, and the daemon on it."""

import asyncio
import json
import os
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from symphony.app import run_daemon
from symphony.run import RunOptions

AGENTS = Path(__file__).resolve().parent.parent / "agents"
BOUND_S = 60.0  # for anything to come true; only a failure takes so long
LOOK_S = 0.02
GIT_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Author",
    "GIT_AUTHOR_EMAIL": "author@example.org",
    "GIT_COMMITTER_NAME": "Author",
    "GIT_COMMITTER_EMAIL": "author@example.org",
    "LC_ALL": "C",
}


def git(folder: Path, *words: str) -> str:
    """Run git as an ordinary user would, and return what it prints."""
    ran = subprocess.run(
        ["git", "-C", str(folder), *words], env=GIT_ENVIRONMENT, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def json_lines(path: Path) -> list[dict[str, Any]]:
    """Return what a file says that somebody may be writing to: its whole lines."""
    if not path.exists():
        return []
    *lines, _ = path.read_text().split("\n")
    return [json.loads(line) for line in lines]


def agent_command(name: str) -> str:
    """Return the shell command of a program in tests/agents."""
    return "exec " + shlex.join([sys.executable, str(AGENTS / f"{name}.py")])


class Said:
    """A console that keeps what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.running: Any = None

    def ready(self, running: Any) -> None:
        self.running = running

    def tell(self, line: str) -> None:
        self.lines.append(line)


class Project:
    """A folder in which symphony is used.

    Attributes:
        root: holds the source repository, WORKFLOW.md and issues/.
    """

    def __init__(self, root: Path, agent: str = "trivial") -> None:
        self.root = root
        self.agent = agent
        root.mkdir(parents=True, exist_ok=True)
        git(root, "init", "--quiet", "--initial-branch=main")
        (root / "README.md").write_text("a project\n")
        (root / ".gitignore").write_text(".symphony/\nissues/\nWORKFLOW.md\n")
        git(root, "add", "-A")
        git(root, "commit", "--quiet", "-m", "Start")
        (root / "issues" / "Todo").mkdir(parents=True)
        self.configure()

    def configure(self, prompt: str = "", **sections: Any) -> None:
        """Write WORKFLOW.md; sections are JSON, which is YAML."""
        settings: dict[str, Any] = {
            "sandbox": "local",
            "acp": {"command": agent_command(self.agent), **sections.pop("acp", {})},
            **sections,
        }
        temporary = self.root / ".WORKFLOW.md.new"
        temporary.write_text(f"---\n{json.dumps(settings)}\n---\n{prompt}")
        temporary.replace(self.root / "WORKFLOW.md")

    def drop(self, issue_id: str, text: str = "", state: str = "Todo") -> Path:
        """Put an issue file there in one step, as an editor would."""
        folder = self.root / "issues" / state
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{issue_id[:40].replace('/', '_')}.new"
        temporary.write_text(text)
        return temporary.replace(folder / f"{issue_id}.md")

    def state_of(self, issue_id: str) -> str | None:
        """Return the folder that holds the issue's file."""
        found = list((self.root / "issues").glob(f"*/{issue_id}.md"))
        return found[0].parent.name if len(found) == 1 else None

    def patch(self, key: str) -> Path:
        """Return where an issue's patch is written."""
        return self.root / ".symphony" / "patches" / f"agent_{key}.patch"

    def apply(self, key: str, clone: Path) -> Path:
        """Apply an issue's patch to a fresh clone, as a reviewer would, and return the clone."""
        if not clone.exists():
            git(self.root, "clone", "--quiet", str(self.root), str(clone))
        git(clone, "am", "--quiet", str(self.patch(key)))
        return clone

    def log(self, key: str) -> list[dict[str, Any]]:
        """Return an issue's run log."""
        path = self.root / ".symphony" / "logs" / f"{key}.jsonl"
        return json_lines(path)

    @asynccontextmanager
    async def daemon(self, *, until_idle: bool = False) -> AsyncIterator["Daemon"]:
        """Run the daemon in this process; leaving stops it at once."""
        daemon = Daemon(self)
        options = RunOptions(self.root / "WORKFLOW.md", port=0, until_idle=until_idle)
        daemon.task = asyncio.create_task(run_daemon(options, os.environ, daemon.said))
        try:
            await daemon.until(lambda: daemon.said.running)
            yield daemon
        finally:
            daemon.stop()
            await asyncio.wait({daemon.task}, timeout=BOUND_S)
            if not daemon.task.done():
                daemon.task.cancel()
                await asyncio.wait({daemon.task})
        daemon.task.result()

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start the daemon as a process of its own."""
        argv = [sys.executable, "-m", "symphony", "run", "--port", "0", *words]
        return subprocess.Popen(argv, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


class Daemon:
    """A daemon in this process."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.said = Said()
        self.task: asyncio.Task[int]

    def stop(self) -> None:
        """Send what two signals would."""
        if not self.task.done():
            for _ in range(2):
                os.kill(os.getpid(), 15)

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Call the HTTP API and return its JSON."""
        return await asyncio.to_thread(self._call, method, path, body)

    def _call(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = Request(
            self.said.running.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    async def page(self, path: str, form: Mapping[str, str] | None = None, **headers: str) -> str:
        """Return what a page says; a form is sent as a page of the same server sends it."""
        return await asyncio.to_thread(self._page, path, form, headers)

    def _page(self, path: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> str:
        url = self.said.running.url
        data = None if form is None else urlencode(form).encode()
        origin = {"Origin": f"http://{urlsplit(url).netloc}"}
        with urlopen(Request(url + path, data, {**origin, **headers}), timeout=20) as answer:
            return str(answer.read().decode())

    async def state(self) -> Any:
        """Return what `GET /api/v1/state` says."""
        return await self.call("GET", "/api/v1/state")

    async def reason(self, issue_id: str) -> str:
        """Return where an issue stands, in the daemon's words."""
        return str((await self.call("GET", f"/api/v1/issues/{issue_id}"))["standing"])

    async def until(self, condition: Callable[[], Any]) -> None:
        """Return once the condition holds; fail if the daemon ends before, or after the bound."""
        async with asyncio.timeout(BOUND_S):
            while not condition():
                if self.task.done():
                    self.task.result()
                    assert condition(), "the daemon ended before"
                    return
                await asyncio.sleep(LOOK_S)

    async def until_outcome(self, key: str) -> dict[str, Any]:
        """Return the line with which an issue's first attempt ended."""
        await self.until(lambda: any(line["kind"] == "ended" for line in self.project.log(key)))
        return next(line for line in self.project.log(key) if line["kind"] == "ended")
