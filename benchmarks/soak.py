#!/usr/bin/env python3
"""Hundreds of issues and fifty agents for a long time: whether the daemon grows by what it does.

Run `python benchmarks/soak.py [--issues 500] [--slots 50] [--minutes 20] [--samples FILE]`. So many
issues are there at every moment; each one that is finished is dropped anew at once, as work that comes
again and again, so that the slots are always full. The agents are the demo agent, which runs its issue's
tests, writes a file, commits and reports; its tests mostly wait, as a model's answers would.

The installation is an old one: what its database keeps a bounded number of is full to the bound from
the start. What is kept of each attempt for good (its row, its handoff) is shown as bytes an attempt.

All is measured from outside, but for the loop's delay and its tasks, which the daemon tells in
/metrics. The first minutes do not count; of the rest the last third is set against the first.
"""

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from urllib.request import Request, urlopen

import psutil
from daemon import Daemon, running
from figures import Figure, begin, load, percentile, show
from hundred import FAULTS_SHOWN
from prometheus_client.parser import text_string_to_metric_families

from symphony.host.pulse import EVERY_S as EVERY_BEAT_S
from symphony.store.rows import AUDIT_KEPT, AUDIT_SLACK
from symphony.store.sqlite import JOURNAL_KEPT
from tests.support.project import Project

ISSUE = """---
title: Write down visit {visit} of {name}
created_at: {now}
---
Test: sleep {wait}

```file visits/{name}.txt
visit {visit}
```
"""
WARM_UP_S = 120.0  # imports, the first of everything, and arenas that the allocator keeps
EVERY_S = 10.0
LOOK_S = 0.5  # between two looks at what is finished
WAIT_S = (5, 25)  # of an agent's tests, which it runs twice, at least and at most
END_BOUND_S = 300.0
TOLERANCE = 1.05
FEW = 8  # connections that are kept open, or are just closing


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at one moment.

    Attributes:
        at_s: since the first sample.
        loop_s: processor time of the loop's thread; `ready_s` is how long it was ready and got none.
        delays: of the loop, how many were at most so many seconds, by the bound; cumulative.
    """

    at_s: float
    memory_mb: float
    descriptors: int
    threads: int
    tasks: int
    children: int
    workspaces: int
    database_mb: float
    wal_mb: float
    attempts: int
    slots: int
    load: float
    worst_delay_ms: float
    loop_s: float
    ready_s: float
    delays: dict[str, float]


class Beside:
    """A bare timer in this process: how late it comes says what the machine alone holds up."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while True:
            due = time.monotonic() + EVERY_BEAT_S
            time.sleep(EVERY_BEAT_S)
            self.late_ms.append((time.monotonic() - due) * 1000)


class Crowd:
    """The issues of the project, each dropped again when it is finished."""

    def __init__(self, project: Project, number: int) -> None:
        self._random = Random(number)  # no waves: one agent takes longer than another
        self._project = project
        self._visits = {f"issue-{n:03}": 0 for n in range(number)}
        self._done = project.root / "issues" / "Done"
        self._done.mkdir()

    def drop_all(self) -> None:
        """Drop each for the first time."""
        for name in self._visits:
            self._drop(name)

    def drop_finished(self) -> None:
        """Take what is finished away and drop it anew."""
        for path in self._done.glob("*.md"):
            path.unlink()
            self._drop(path.stem)

    def _drop(self, name: str) -> None:
        self._visits[name] += 1
        text = ISSUE.format(
            name=name,
            visit=self._visits[name],
            wait=self._random.randint(*WAIT_S),
            now=datetime.now(UTC).isoformat(),
        )
        self._project.drop(name, text)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--issues", type=int, default=500)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--samples", type=Path, help="write each sample there, a line of JSON")
    chosen = parser.parse_args()
    begin()
    show(*measure(chosen.issues, chosen.slots, chosen.minutes, chosen.samples))


def measure(issues: int, slots: int, minutes: float, samples: Path | None = None) -> tuple[str, list[Figure]]:
    """Return a title and rows."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        project = Project(Path(folder) / "project")
        demo = {"command": None, "adapter": "demo"}
        project.configure(acp=demo, agent={"max_concurrent_agents": slots})
        with running(project.root) as daemon:
            daemon.settle()
        make_old(project, issues)
        with running(project.root) as daemon:
            daemon.settle()
            crowd = Crowd(project, issues)
            before = look(daemon, 0.0)
            crowd.drop_all()
            beside = Beside()
            taken = list(soak(daemon, crowd, minutes * 60, samples))
            late_ms = tuple(beside.late_ms)
            faults = end(project, daemon)
            daemon.settle()
            after = look(daemon, 0.0)
    title = f"{issues} issues, {slots} slots, {minutes:g} minutes"
    rows = (figures_of(taken, slots, faults), left_of(before, after), delays_of(taken, late_ms))
    return title, [figure for each in rows for figure in each]


def make_old(project: Project, issues: int) -> None:
    """Fill the database with as many decisions and finished effects as are ever kept."""
    now = datetime.now(UTC).isoformat()
    connection = sqlite3.connect(project.root / ".symphony" / "symphony.db")
    with connection:
        connection.executemany(
            "INSERT INTO audit (issue_id, n, at, decision, reason) VALUES (?,?,?,'dispatch',?)",
            (
                (f"issue-{number:03}", n, now, f"attempt {n}: eligible")
                for number in range(issues)
                for n in range(1, AUDIT_KEPT + number % AUDIT_SLACK + 1)
            ),
        )
        connection.executemany(
            "INSERT INTO journal (at, issue_id, attempt_id, action, detail, ended_at, result, result_detail) "
            "VALUES (?, 'old', 'old.1', 'move_issue', ?, ?, 'done', '{}')",
            ((now, json.dumps({"to_state": "Done", "n": n}), now) for n in range(JOURNAL_KEPT)),
        )
    connection.close()


def soak(daemon: Daemon, crowd: Crowd, seconds: float, file: Path | None) -> Iterator[Sample]:
    """Yield a sample now and then, while everything that is finished is dropped anew."""
    began = time.monotonic()
    due = began
    while time.monotonic() < began + WARM_UP_S + seconds:
        if daemon.process.poll() is not None:
            raise SystemExit(f"the daemon ended:\n{daemon.output()}")
        crowd.drop_finished()
        if time.monotonic() >= due:
            due += EVERY_S
            sample = look(daemon, time.monotonic() - began)
            if file is not None:
                with file.open("a") as lines:
                    lines.write(json.dumps(asdict(sample)) + "\n")
            yield sample
        time.sleep(LOOK_S)


def look(daemon: Daemon, at_s: float) -> Sample:
    """Return what is measured now."""
    own = daemon.root / ".symphony"
    pid = daemon.process.pid
    descriptors = number_in(Path(f"/proc/{pid}/fd"))  # before a connection of this look's own is open
    numbers: dict[str, float] = {}
    attempts = 0.0
    for family in text_string_to_metric_families(daemon.get("/metrics").decode()):
        for each in family.samples:
            numbers[each.name + each.labels.get("le", "")] = each.value
            attempts += each.value if each.name == "symphony_attempts_total" else 0
    at_work_ns, ready_ns, _ = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
    bucket = "symphony_loop_delay_seconds_bucket"
    return Sample(
        at_s=at_s,
        memory_mb=daemon.memory_mb(),
        descriptors=descriptors,
        threads=daemon.threads(),
        tasks=int(numbers["symphony_loop_tasks"]),
        children=len(psutil.Process(pid).children(recursive=True)),
        workspaces=number_in(own / "workspaces"),
        database_mb=(own / "symphony.db").stat().st_size / 1e6,
        wal_mb=size_of(own / "symphony.db-wal") / 1e6,
        attempts=int(attempts),
        slots=int(numbers["symphony_slots_used"]),
        load=load(),
        worst_delay_ms=numbers["symphony_loop_worst_delay_seconds"] * 1000,
        loop_s=int(at_work_ns) / 1e9,
        ready_s=int(ready_ns) / 1e9,
        delays={name.removeprefix(bucket): n for name, n in numbers.items() if name.startswith(bucket)},
    )


def number_in(folder: Path) -> int:
    """Return how many things are in a folder; 0 where there is none."""
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def size_of(path: Path) -> int:
    """Return a file's size; 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def end(project: Project, daemon: Daemon) -> str:
    """Let what runs end and nothing more begin; say what was lost or left behind."""
    pause = Request(daemon.url + "/api/v1/pause", b"{}", {"Content-Type": "application/json"})
    with urlopen(pause, timeout=60):
        pass

    def ended() -> bool:
        counts = daemon.get("/api/v1/state")["counts"]
        return not (counts["running"] or counts["retrying"] or counts["undelivered"])

    daemon.until(ended, END_BOUND_S, LOOK_S)
    faults = []
    outcomes = "SELECT outcome, message, count(*) FROM attempts WHERE outcome <> 'delivered' GROUP BY outcome"
    if odd := daemon.rows(outcomes):
        faults.append(f"attempts that did not end well: {odd[:FAULTS_SHOWN]}")
    if left := daemon.rows("SELECT action, issue_id FROM journal WHERE result IS NULL OR result <> 'done'"):
        faults.append(f"unfinished or failed effects: {left[:FAULTS_SHOWN]}")
    if folders := list((project.root / ".symphony" / "workspaces").iterdir()):
        faults.append(f"workspaces left behind: {len(folders)}")
    if children := psutil.Process(daemon.process.pid).children(recursive=True):
        faults.append(f"processes left behind: {children[:FAULTS_SHOWN]}")
    return "; ".join(faults)


def figures_of(taken: Sequence[Sample], slots: int, faults: str) -> list[Figure]:
    """Return the rows."""
    counted = [sample for sample in taken if sample.at_s >= WARM_UP_S]
    first, last = counted[0], counted[-1]
    attempts = last.attempts - first.attempts
    grown = (last.database_mb - first.database_mb) * 1e6 / max(1, attempts)
    held = tuple(float(sample.slots) for sample in counted)
    return [
        Figure("attempts that ended in the time", (float(attempts),), unit="", load=load()),
        Figure(f"slots held, of {slots}", held, unit=""),
        flat(counted, "memory", lambda sample: sample.memory_mb, "MB"),
        flat(counted, "threads", lambda sample: sample.threads),
        along(counted, "descriptors", lambda sample: sample.descriptors),
        along(counted, "tasks of the loop", lambda sample: sample.tasks),
        along(counted, "processes below it", lambda sample: sample.children),
        along(counted, "workspaces on the disk", lambda sample: sample.workspaces),
        flat(counted, "database", lambda sample: sample.database_mb, "MB"),
        Figure("- its growth, of each attempt", (grown,), unit="bytes"),
        flat(counted, "write-ahead log", lambda sample: sample.wal_mb, "MB"),
        Figure("nothing failed or left behind", note=faults or "right", met=not faults),
    ]


def left_of(before: Sample, after: Sample) -> list[Figure]:
    """Return the rows of what is held at rest, before the first issue and after the last."""
    return [
        left("descriptors", before.descriptors, after.descriptors),
        left("tasks of the loop", before.tasks, after.tasks),
        left("processes below it", before.children, after.children),
    ]


def left(what: str, before: int, after: int) -> Figure:
    """Return the row of what may be a few more at rest than before, and no more."""
    return Figure(f"- at rest: {what} (before: {before})", (float(after),), unit="", goal=float(before + FEW))


def delays_of(taken: Sequence[Sample], late_ms: tuple[float, ...]) -> list[Figure]:
    """Return the rows of how late the loop came, beside a timer that nothing but the machine holds up."""
    counted = [sample for sample in taken if sample.at_s >= WARM_UP_S]
    first, last = counted[0], counted[-1]
    percent = 100 / (last.at_s - first.at_s)
    return [
        Figure("loop's delay, at most, in 99 of 100 beats", (p99_ms(first, last),)),
        Figure("- the worst since the start", (last.worst_delay_ms,)),
        Figure("- its thread at work", (percent * (last.loop_s - first.loop_s),), unit="%"),
        Figure(
            "- its thread ready, without a processor", (percent * (last.ready_s - first.ready_s),), unit="%"
        ),
        Figure("- a bare timer beside it, in 99 of 100 beats", (percentile(late_ms, 99),)),
        Figure("- its worst", (max(late_ms),)),
    ]


def flat(taken: Sequence[Sample], what: str, value: Callable[[Sample], float], unit: str = "") -> Figure:
    """Return the row of what should be the same in the last third as in the first."""
    third = max(1, len(taken) // 3)
    values = [float(value(sample)) for sample in taken]
    before = statistics.median(values[:third])
    slope = statistics.linear_regression([sample.at_s for sample in taken], values).slope * 3600
    said = f"{what}, last third (first: {before:.1f}, slope: {slope:+.1f} an hour)"
    ratio = statistics.median(values[-third:]) / before if before else 1.0
    return Figure(said, tuple(values[-third:]), unit=unit, ratio=ratio, ratio_goal=TOLERANCE)


def along(taken: Sequence[Sample], what: str, value: Callable[[Sample], float]) -> Figure:
    """Return the row of what follows how many agents happen to be at work; `left_of` judges it."""
    return replace(flat(taken, what, value), ratio_goal=None)


def p99_ms(first: Sample, last: Sample) -> float:
    """Return the smallest bound of the daemon's own that 99 of 100 delays between two samples keep."""
    counts = {bound: n - first.delays.get(bound, 0) for bound, n in last.delays.items()}
    total = counts["+Inf"]
    bounds = sorted((float(bound), n) for bound, n in counts.items())
    return next(bound for bound, n in bounds if n >= 0.99 * total) * 1000


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
