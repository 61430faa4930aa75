"""A symphony daemon in a process of its own, as users have it, and what it costs.

Nothing here reaches into the daemon: what is known of it comes from its files, its HTTP API and
the kernel.
"""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

READY_BOUND_S = 60.0  # a start takes less than a second; this only ends what hangs
STOP_BOUND_S = 20.0
LOOK_S = 0.001
QUIET_S = 1.0  # without a tick of the processor for so long it has settled
SETTLE_BOUND_S = 120.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Daemon:
    """One running daemon.

    Attributes:
        ready_s: from its start to the first answer of /healthz.
    """

    def __init__(self, root: Path, process: subprocess.Popen[bytes]) -> None:
        self.root = root
        self.process = process
        self.ready_s = 0.0
        self.url = ""

    def wait_ready(self, began: float) -> None:
        """Return once it answers."""
        file = self.root / ".symphony" / "daemon.json"
        while not self.url:
            self._check(began)
            try:
                self.url = str(json.loads(file.read_bytes())["url"])
            except (OSError, ValueError, KeyError):
                time.sleep(LOOK_S)
        self.get("/healthz")
        self.ready_s = time.perf_counter() - began

    def get(self, path: str) -> Any:
        """Ask its HTTP API."""
        with urlopen(self.url + path, timeout=60) as answer:
            content = answer.read()
            return json.loads(content) if "json" in answer.headers.get("Content-Type", "") else content

    def until(self, condition: Callable[[], bool], bound_s: float, look_s: float = 0.02) -> None:
        """Return once the condition holds; end the benchmark when it does not within the bound."""
        began = time.perf_counter()
        while not condition():
            if self.process.poll() is not None or time.perf_counter() - began > bound_s:
                raise SystemExit(f"the daemon did not get there within {bound_s:g} s:\n{self.output()}")
            time.sleep(look_s)

    def settle(self) -> None:
        """Return once it does nothing any more."""
        last, since = self.cpu_s(), time.perf_counter()
        bound = since + SETTLE_BOUND_S
        while time.perf_counter() - since < QUIET_S and time.perf_counter() < bound:
            time.sleep(0.05)
            if (now := self.cpu_s()) - last > 1.5 / TICKS_PER_S:
                last, since = now, time.perf_counter()

    def cpu_s(self) -> float:
        """Return the seconds of processor time that it has used itself, user and system."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def cpu_ns(self) -> int:
        """Return the same as the scheduler counts it, far finer than ticks, of the threads that live."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    def children_cpu_s(self) -> float:
        """Return the processor time of the processes that it has started and that have ended."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) / TICKS_PER_S

    def memory_mb(self, name: str = "VmRSS") -> float:
        """Return resident memory in millions of bytes; VmHWM is its peak."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise SystemExit(f"the kernel does not tell {name}")

    def threads(self) -> int:
        """Return how many threads it has."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/task").iterdir())

    def output(self) -> str:
        """Return what it has printed, and the end of its log."""
        log = self.root / ".symphony" / "logs" / "symphony.log"
        tail = log.read_text()[-2000:] if log.exists() else ""
        return (self.root / "output.txt").read_text()[-2000:] + tail

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask its database, read-only."""
        file = (self.root / ".symphony" / "symphony.db").as_uri()
        connection = sqlite3.connect(f"{file}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    def _check(self, began: float) -> None:
        if self.process.poll() is not None or time.perf_counter() - began > READY_BOUND_S:
            raise SystemExit(f"the daemon did not start:\n{self.output()}")

    def stop(self) -> None:
        """End it as a person would, and for certain."""
        for _ in range(2):  # the second signal skips the grace
            if self.process.poll() is None:
                self.process.terminate()
                time.sleep(0.05)
        try:
            self.process.wait(STOP_BOUND_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_BOUND_S)


@contextmanager
def running(root: Path, *interpreter: str) -> Iterator[Daemon]:
    """Run the daemon on a project and hold it until the context is left.

    Args:
        root: with a WORKFLOW.md in it.
        interpreter: further arguments of Python, such as `-X importtime`.
    """
    argv = [sys.executable, *interpreter, "-m", "symphony", "run", "--port", "0"]
    (root / ".symphony" / "daemon.json").unlink(missing_ok=True)
    with (root / "output.txt").open("wb") as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            argv,
            cwd=root,
            env=environment(root.parent / "home"),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        daemon = Daemon(root, process)
        try:
            daemon.wait_ready(began)
            yield daemon
        finally:
            daemon.stop()


def environment(home: Path) -> dict[str, str]:
    """Return this process's variables with a home of its own, and without those of Python.

    Agents are started by a login shell, and what a person has in a login profile may take far
    longer than all that is measured here; so does a Python that may not keep what it has compiled.
    """
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**kept, "HOME": str(home)}


def seconds_of(text: str) -> float:
    """Return a timestamp of the daemon as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
