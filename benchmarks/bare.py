"""The same agent programs without symphony: the least that can start them and hear them out.

A pool of threads, one client per program, and an MCP endpoint that agrees to everything. What
it takes is the agents' own time, as this machine can run them; what symphony takes beyond it is
what symphony costs.
"""

import json
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from daemon import environment

from tests.support.project import GIT_ENVIRONMENT

BOUND_S = 60.0  # of each program; only one that hangs takes so long


@dataclass(frozen=True, slots=True)
class Bare:
    """What a run took.

    Attributes:
        wall_s: from the first start to the last end.
        each_s: of each program, from its start to its end.
        cpu_s: of all of them, with what they started.
    """

    wall_s: float
    each_s: tuple[float, ...]
    cpu_s: float


class AgreeingServer(BaseHTTPRequestHandler):
    """Answers every MCP request as symphony would if it had nothing to do."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        results: dict[str, dict[str, Any]] = {
            "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {}},
            "tools/list": {"tools": [{"name": "mark_done"}]},
            "tools/call": {"content": [{"type": "text", "text": "Accepted."}]},
        }
        if "id" not in message:
            self._answer(202, b"")
            return
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": results[message["method"]]}
        self._answer(200, json.dumps(answer).encode())

    def _answer(self, status: int, body: bytes) -> None:
        self.close_connection = True  # the agents open a connection for each request
        self.send_response(status)
        if body:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def agreeing_server() -> Iterator[str]:
    """Serve on loopback and hold the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), AgreeingServer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    finally:
        server.shutdown()
        server.server_close()


def run_bare(source: Path, folder: Path, argv: list[str], count: int, at_once: int) -> Bare:
    """Run so many agents, each in a workspace that is there already."""
    workspaces = [folder / str(n) for n in range(count)]
    for workspace in workspaces:
        make_workspace(source, workspace)
    with agreeing_server() as url:
        bare = _run(lambda n: run_agent(argv, workspaces[n], url), count, at_once)
    shutil.rmtree(folder)
    return bare


def run_least(source: Path, folder: Path, argv: list[str], count: int, at_once: int) -> Bare:
    """Run so many agents as the simplest tool would: clone, agent, format-patch, delete."""

    def one(n: int, url: str) -> None:
        workspace = folder / str(n)
        make_workspace(source, workspace)
        run_agent(argv, workspace, url)
        (folder / f"{n}.patch").write_bytes(run_git(workspace, "format-patch", "--stdout", "origin/main.."))
        shutil.rmtree(workspace)

    with agreeing_server() as url:
        bare = _run(lambda n: one(n, url), count, at_once)
    shutil.rmtree(folder)
    return bare


def run_git(folder: Path, *words: str) -> bytes:
    """Run git as quickly as Python can, and return what it prints.

    `subprocess.run` with a timeout would sleep up to 50 ms after a program that closes its
    output a moment before it ends.
    """
    with (
        subprocess.Popen(
            ["git", "-C", str(folder), *words], env=GIT_ENVIRONMENT, stdout=subprocess.PIPE
        ) as git,
        killed_at_bound(git),
    ):
        output, _ = git.communicate()
    if git.returncode != 0:
        raise SystemExit(f"git {words[0]} failed in {folder}")
    return output


@contextmanager
def killed_at_bound(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill a program that is still there after the bound."""
    stopper = threading.Timer(BOUND_S, process.kill)
    stopper.start()
    try:
        yield
    finally:
        stopper.cancel()


def make_workspace(source: Path, workspace: Path) -> None:
    """Clone as symphony promises to: without hard links."""
    workspace.parent.mkdir(exist_ok=True)
    run_git(source, "clone", "--quiet", "--no-hardlinks", str(source), str(workspace))


def run_agent(argv: list[str], workspace: Path, mcp_url: str) -> None:
    """Start one agent, give it one turn, close its stdin, and wait for its end."""
    with subprocess.Popen(
        argv,
        cwd=workspace,
        env=environment(workspace.parent.parent / "home"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as agent:
        with killed_at_bound(agent):
            server = {"type": "http", "name": "symphony", "url": mcp_url, "headers": []}
            ask(agent, 0, "initialize", {"protocolVersion": 1})
            session = ask(agent, 1, "session/new", {"cwd": str(workspace), "mcpServers": [server]})
            prompt = [{"type": "text", "text": "Do it."}]
            ended = ask(agent, 2, "session/prompt", {"sessionId": session["sessionId"], "prompt": prompt})
            if agent.stdin is not None:
                agent.stdin.close()
            agent.wait()
        if ended["stopReason"] != "end_turn":
            raise SystemExit(f"the bare agent ended with {ended}")


def ask(agent: "subprocess.Popen[bytes]", number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return its result, reading over what else the agent says."""
    if agent.stdin is None or agent.stdout is None:
        raise SystemExit("the bare agent has no pipes")
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    agent.stdin.write(json.dumps(request).encode() + b"\n")
    agent.stdin.flush()
    for line in agent.stdout:
        message = json.loads(line)
        if message.get("id") == number and "result" in message:
            return dict(message["result"])
    raise SystemExit(f"the bare agent ended before it answered {method}")


def _run(one: Callable[[int], None], count: int, at_once: int) -> Bare:
    def timed(n: int) -> float:
        began = time.perf_counter()
        one(n)
        return time.perf_counter() - began

    cpu_before, began = children_cpu_s(), time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        each = tuple(pool.map(timed, range(count)))
    return Bare(time.perf_counter() - began, each, children_cpu_s() - cpu_before)


def children_cpu_s() -> float:
    """Return the processor time of all that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
