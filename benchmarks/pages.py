#!/usr/bin/env python3
"""What the dashboard costs over a large tracker with agents at work: pages, changes, open browsers.

Everything is asked over HTTP of a daemon in a process of its own. How long its loop was held up is
seen from outside too: as how long the plainest of all answers takes meanwhile.
"""

import argparse
import http.client
import shlex
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from daemon import Daemon, running
from figures import Figure, begin, ms, show
from trees import LABEL, make_project

from tests.support.project import Project

PROGRAMS = Path(__file__).resolve().parent / "programs"
AGENTS = PROGRAMS.parent.parent / "tests" / "agents"
RATE = 10  # events a second of each agent
PAGES = 30
BROWSERS = 100
WATCH_S = 10.0
BOUND_S = 60.0
SHOWN = "show=header,needs,board,column,card,totals"


class Stream:
    """One open page's stream of events."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._socket = socket.create_connection((place.hostname or "", place.port or 0), timeout=BOUND_S)
        self._socket.sendall(f"GET /live?{SHOWN} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
        self._read = b""

    def until(self, text: bytes) -> float:
        """Return the time at which a text came."""
        while text not in self._read:
            self._read = self._read[-len(text) :] + self._socket.recv(1 << 16)
        self._read = b""
        return time.perf_counter()

    def drain(self) -> None:
        """Take in all that comes until it is closed."""
        try:
            while self._socket.recv(1 << 16):
                pass
        except OSError:
            return

    def close(self) -> None:
        """Leave the page."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextmanager
def watching(url: str, number: int) -> Iterator[None]:
    """Keep so many pages open."""
    with ExitStack() as stack:
        for _ in range(number):
            stream = Stream(url)
            threading.Thread(target=stream.drain, daemon=True).start()
            stack.callback(stream.close)
        yield


def share(daemon: Daemon, seconds: float) -> float:
    """Return how much of a core the daemon uses, in percent."""
    before, began = daemon.cpu_ns(), time.perf_counter()
    time.sleep(seconds)
    return (daemon.cpu_ns() - before) / 1e7 / (time.perf_counter() - began)


def fetch_home(url: str, times: int) -> tuple[list[float], int]:
    """Return the seconds of each home page, and the bytes of the last."""
    place = urlsplit(url)
    taken, size = [], 0
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=BOUND_S)
    for _ in range(times):
        began = time.perf_counter()
        connection.request("GET", "/")
        size = len(connection.getresponse().read())
        taken.append(time.perf_counter() - began)
        time.sleep(0.1)
    connection.close()
    return taken, size


def health(url: str, seconds: float) -> list[float]:
    """Return how long each of many plain answers took."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=BOUND_S)
    taken = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    connection.close()
    return taken


def drop(project: Project, url: str, times: int) -> list[float]:
    """Return the seconds from a file's appearance to the event that has its card."""
    stream = Stream(url)
    stream.until(b"\n\n\r\n")
    taken = []
    for number in range(times):
        title = f"Dropped as number {number}"
        began = time.perf_counter()
        project.drop(f"dropped-{number}", f"---\ntitle: {title}\n---\n", state="Backlog")
        taken.append(stream.until(title.encode()) - began)
        time.sleep(0.3)
    stream.close()
    return taken


def measure(waiting: int, finished: int, agents: int) -> tuple[str, list[Figure]]:
    """Measure all of it."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as name:
        root = Path(name) / "project"
        command = shlex.join([sys.executable, str(PROGRAMS / "talking_agent.py"), str(AGENTS), str(RATE)])
        project = make_project(
            root,
            waiting,
            "Todo",
            acp={"command": f"exec {command}"},
            agent={"max_concurrent_agents": max(agents, 1)},
        )
        done = root / "issues" / "Done"
        for number in range(finished):
            (done / f"f{number}.md").write_text(f"---\ntitle: Finished work number {number}\n---\n")
        for number in range(agents):
            project.drop(f"a{number}", f"---\ntitle: At work {number}\nlabels: [{LABEL}]\n---\n")
        with running(root) as daemon:
            url = daemon.url
            daemon.until(lambda: daemon.get("/api/v1/state")["counts"]["running"] == agents, BOUND_S)
            time.sleep(3)
            pages, size = fetch_home(url, PAGES)
            dropped = drop(project, url, PAGES)
            with watching(url, 1):
                one = share(daemon, WATCH_S)
            with watching(url, BROWSERS):
                many = share(daemon, WATCH_S)
                held = health(url, WATCH_S)
            nobody = share(daemon, WATCH_S)
            memory = daemon.memory_mb()
            state = daemon.get("/api/v1/state")
            if state["counts"]["running"] != agents:
                raise SystemExit(f"not all agents are at work any more: {state['counts']}\n{daemon.output()}")
    return f"{waiting:,} open and {finished:,} finished issues, {agents} agents of {RATE} events a second", [
        Figure("the home page", ms(pages), goal=50),
        Figure("- its size", (size / 1000,), "kB", goal=200),
        Figure("a dropped file to the event with its card", ms(dropped), goal=150),
        Figure("processor, no page open", (nobody,), "% of a core"),
        Figure("processor, one page open", (one,), "% of a core"),
        Figure(f"- what {BROWSERS} pages add to one", (max(0.0, many - one),), "% of a core", goal=10),
        Figure(f"a plain answer meanwhile, of {len(held):,}", ms(held)),
        Figure("- the slowest", (max(held) * 1000,), goal=50),
        Figure("- the slowest of a hundred", (statistics.quantiles(held, n=100)[-1] * 1000,)),
        Figure("memory", (memory,), "MB"),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--open", type=int, default=1_000)
    parser.add_argument("--finished", type=int, default=50_000)
    parser.add_argument("--agents", type=int, default=20)
    chosen = parser.parse_args()
    begin()
    show(*measure(chosen.open, chosen.finished, chosen.agents))
