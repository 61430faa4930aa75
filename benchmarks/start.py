"""Cold start to ready, and what an idle daemon takes: memory and processor.

Run `python benchmarks/start.py [--issues 0,10000] [--starts 7] [--idle-seconds 35]`. A start is
measured from the moment before the process is made to the first answer of /healthz, with the
files in the page cache; the heavy libraries are imported after that, so that memory is taken
twice: at the first answer, and when the processor has come to rest, which is after the first
scan and after those imports. Idle processor time is user and system of the daemon itself over
some time that holds one poll of the default 30 s.
"""

import argparse
import tempfile
import time
from pathlib import Path

from daemon import Daemon, running
from figures import Figure, begin, load, ms, show
from trees import make_project

READY_GOAL_MS = 700.0
MEMORY_GOALS_MB = {0: 110.0, 10_000: 130.0}
CPU_GOAL_PERCENT = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--issues", default="0,10000", help="numbers of issue files on disk")
    parser.add_argument("--state", choices=("Done", "Todo"), default="Done", help="where they are")
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--idle-seconds", type=float, default=35.0)
    chosen = parser.parse_args()
    begin()
    for issues in map(int, chosen.issues.split(",")):
        show(*measure(issues, chosen.starts, chosen.idle_seconds, chosen.state))


def measure(issues: int, starts: int, idle_s: float, state: str = "Done") -> tuple[str, list[Figure]]:
    """Return a title and rows for so many idle issues."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        root = Path(folder) / "project"
        make_project(root, issues, state)
        ready, worked, fresh, settled = [], [], [], []
        with running(root) as daemon:  # makes the store and the locks, which is not what is measured
            daemon.settle()
        for _ in range(starts):
            with running(root) as daemon:
                ready.append(daemon.ready_s)
                worked.append(daemon.cpu_s())
                fresh.append(daemon.memory_mb())
                daemon.settle()
                settled.append(daemon.memory_mb())
        busy = load()
        with running(root) as daemon:
            daemon.settle()
            percent = idle_percent(daemon, idle_s)
            asked = asked_memory(daemon)
            threads = daemon.threads()
    goal = MEMORY_GOALS_MB.get(issues)
    return f"Start and rest: {issues:,} issues in {state}, {starts} starts", [
        Figure("start to ready", ms(ready), goal=READY_GOAL_MS, load=busy),
        Figure("- processor time of it", ms(worked), load=busy),
        Figure("- memory when ready", tuple(fresh), unit="MB", load=busy),
        Figure(
            "memory at rest (scanned, libraries imported)", tuple(settled), unit="MB", goal=goal, load=busy
        ),
        Figure("- memory after `GET /api/v1/state` was asked", (asked,), unit="MB"),
        Figure("- threads at rest", (threads,), unit=""),
        Figure(
            f"processor at rest, over {idle_s:g} s", (percent,), unit="%", goal=CPU_GOAL_PERCENT, load=load()
        ),
    ]


def idle_percent(daemon: Daemon, seconds: float) -> float:
    """Return how much of one core the daemon takes."""
    before, began = daemon.cpu_ns(), time.perf_counter_ns()
    time.sleep(seconds)
    return (daemon.cpu_ns() - before) / (time.perf_counter_ns() - began) * 100


def asked_memory(daemon: Daemon) -> float:
    """Return the memory after a person looked."""
    daemon.get("/api/v1/state")
    daemon.settle()
    return daemon.memory_mb()


if __name__ == "__main__":
    main()
