"""What a benchmark found, and how it is shown: one Markdown table for all of them.

Every benchmark beside this module has a `measure(...)` that returns a title and its figures, and
prints them by `begin` and `show`.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # for tests.support, which is not installed

COLUMNS = ("what", "median", "p95", "goal", "met", "ratio", "load")
SYNCS = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One row.

    Attributes:
        what: says what was measured; a part of the row above begins with "- ".
        values: each repetition, in `unit`.
        unit: after each number.
        goal: the most that it should be, in `unit`; None for what has no goal of its own.
        ratio: to a measure taken in the same run, and the most that it should be.
        note: a word instead of the number, for what is not a quantity.
        met: whether the note is the one that is wanted.
    """

    what: str
    values: tuple[float, ...] = ()
    unit: str = "ms"
    goal: float | None = None
    ratio: float | None = None
    ratio_goal: float | None = None
    note: str = ""
    met: bool | None = None
    load: float = -1.0

    @property
    def median(self) -> float:
        """The middle of the values."""
        return statistics.median(self.values)

    @property
    def verdict(self) -> bool | None:
        """Whether the goals are met; None without one."""
        verdicts = [] if self.met is None else [self.met]
        if self.goal is not None:
            verdicts.append(self.median <= self.goal)
        if self.ratio_goal is not None and self.ratio is not None:
            verdicts.append(self.ratio <= self.ratio_goal)
        return all(verdicts) if verdicts else None

    def cells(self) -> tuple[str, ...]:
        """Return the row's texts."""
        several = len(self.values) >= 5  # of fewer, a 95th percentile is only the largest
        goal = [] if self.goal is None else [f"≤ {number(self.goal)} {self.unit}"]
        if self.ratio_goal is not None:
            goal.append(f"ratio ≤ {self.ratio_goal:g}")
        return (
            self.what,
            self.note or f"{number(self.median)} {self.unit}".strip(),
            f"{number(percentile(self.values, 95))} {self.unit}" if several else "",
            ", ".join(goal),
            {None: "", True: "yes", False: "**no**"}[self.verdict],
            "" if self.ratio is None else f"{self.ratio:.2f}",
            "" if self.load < 0 else f"{self.load:.1f}",
        )


def number(value: float) -> str:
    """Return a number with three figures that count."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.01 else f"{value:.3f}"


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent are not above."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def load() -> float:
    """Return how many programs wanted to run in the last minute; beside cores it says how quiet it was."""
    return os.getloadavg()[0]


def ms(seconds: Sequence[float]) -> tuple[float, ...]:
    """Return milliseconds."""
    return tuple(value * 1000 for value in seconds)


def begin() -> None:
    """Print the facts about the machine and the head of the table."""
    print(machine(), end="\n\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}", flush=True)


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print one part of the table."""
    print(f"| **{title}** |{' |' * (len(COLUMNS) - 1)}")
    for figure in figures:
        print(f"| {' | '.join(figure.cells())} |")
    sys.stdout.flush()


def machine() -> str:
    """Return the facts about this machine that the figures depend on, on one line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    loads = " ".join(f"{value:.2f}" for value in os.getloadavg())
    return (
        f"{cores} cores ({processor()}), Python {platform.python_version()}, {git.strip()},"
        f" one fsync {statistics.median(syncs()) * 1000:.2f} ms in {tempfile.gettempdir()},"
        f" {platform.system()} {platform.release()}, load average {loads}"
    )


def processor() -> str:
    """Return the processor's name as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()


def syncs() -> list[float]:
    """Return the seconds that each of some small durable writes takes where the benchmarks work."""
    taken = []
    with tempfile.NamedTemporaryFile(prefix="symphony-bench-") as file:
        for _ in range(SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return taken
