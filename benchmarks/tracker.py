"""What the tracker costs: a tick over an unchanged tree against a bare pass, first scan, one drop.

Run `python benchmarks/tracker.py [--sizes 1000,10000,100000]`. Each figure is the median of
several runs in one process; the bare pass is one `scandir` of each folder and one `stat` of each
entry, measured in turn with the tick so that both meet the same machine.
"""

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from figures import Figure, begin, load, ms, show

from symphony.tracker.index import Index

STATES = ("Todo", "In Progress", "Backlog", "Done")
ROUNDS = 15
RATIO_GOAL = 1.2
SETTLE_NS = 2_100_000_000  # files younger than two seconds are read again on purpose

ISSUE = """---
title: Make the {number}th thing work
priority: {priority}
labels: [backend, bug]
blocked_by: []
created_at: 2026-01-31T12:00:00Z
---

The thing numbered {number} does not work when it is used twice.

## What to do
Find out why, write a test that shows it, and mend it.
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", default="1000,10000,100000", help="numbers of issue files")
    chosen = parser.parse_args()
    begin()
    for size in map(int, chosen.sizes.split(",")):
        show(*measure(size))


def measure(size: int) -> tuple[str, list[Figure]]:
    """Return a title and rows for so many issues."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        return f"Tracker: {size:,} issues", measure_in(Path(folder) / "issues", size)


def measure_in(root: Path, size: int) -> list[Figure]:
    """Return the rows, measured in a new folder."""
    make_tree(root, size)
    newest = time.time_ns()
    index = Index(root)
    first = timed(index.scan)
    time.sleep(max(0.0, (newest + SETTLE_NS - time.time_ns()) / 1e9))
    settled = index.scan()
    bare: list[float] = []
    ticks: list[float] = []
    for _ in range(ROUNDS):
        gc.collect()
        bare.append(timed(lambda: bare_pass(root)))
        ticks.append(timed(index.scan))
    if index.scan() is not settled:
        raise SystemExit("the unchanged tree gave another IssueSet")
    drops, edits, rebuilds = one_file(root, index)
    ratio = statistics.median(tick / floor for tick, floor in zip(ticks, bare, strict=True))
    now = load()
    return [
        Figure("tick over an unchanged tree", ms(ticks), ratio=ratio, ratio_goal=RATIO_GOAL, load=now),
        Figure("- a bare scandir and stat pass", ms(bare), load=now),
        Figure("first scan", ms([first]), load=now),
        Figure("- for each file", (first / size * 1e6,), unit="µs", load=now),
        Figure("one file dropped", ms(drops), load=now),
        Figure("one file edited", ms(edits), load=now),
        Figure("- publishing the issues anew", ms(rebuilds), load=now),
    ]


def one_file(root: Path, index: Index) -> tuple[list[float], list[float], list[float]]:
    """Time a refresh of one new file, of one edited file, and the new IssueSet by itself."""
    drops: list[float] = []
    edits: list[float] = []
    rebuilds: list[float] = []
    for number in range(ROUNDS):
        path = root / "Todo" / f"dropped-{number}.md"
        for runs in (drops, edits):
            path.write_text(ISSUE.format(number=len(edits), priority=len(drops)))
            runs.append(timed(partial(index.refresh, [path])))
        reading = index.catalog.claims(path.stem)[0]
        index.catalog.replace(reading, None)
        rebuilds.append(timed(index.catalog.publish))
        index.catalog.replace(None, reading)
        index.catalog.publish()
    return drops, edits, rebuilds


def make_tree(root: Path, size: int) -> None:
    """Write the issues, most of them in the last, finished, state."""
    for state in STATES:
        (root / state).mkdir(parents=True)
    for number in range(size):
        state = STATES[number % 4] if number % 10 == 0 else STATES[-1]
        text = ISSUE.format(number=number, priority=number % 5)
        (root / state / f"{number}.md").write_text(text)


def bare_pass(root: Path) -> int:
    """List each folder and take the status of each file, nothing else."""
    count = 0
    with os.scandir(root) as folders:
        for folder in folders:
            with os.scandir(folder.path) as entries:
                for entry in entries:
                    entry.stat(follow_symlinks=False)
                    count += 1
    return count


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
