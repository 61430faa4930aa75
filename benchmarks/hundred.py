"""A hundred trivial issues, ten slots and a trivial agent, against the agents' own time.

Run `python benchmarks/hundred.py [--issues 100] [--slots 10]`. All issues are dropped at once on
an idle daemon; the wall time is from the first drop to the moment when nothing runs any more.

It is set against the agents' own time divided by what the machine can run at once. That
quotient is measured and not computed, in the same run: the same command lines are started by a
minimal client (`bare.py`), as many at once as there are cores, in workspaces that are there
already, with an MCP endpoint that agrees to everything. More at once would not be faster, since
the trivial agent waits for nothing; one after another and divided by the cores would count a
core as lost while the client itself works. For comparison there is the least that a tool has to
do with each issue besides: clone, run the agent, write the patch, delete the clone.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from bare import Bare, run_bare, run_least
from daemon import Daemon, running, seconds_of
from figures import Figure, begin, load, show

from tests.support.project import Project, agent_command, git

RUN_BOUND_S = 600.0
LOOK_S = 0.05
FAULTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Whole:
    """What the run took and what was wrong with it.

    Attributes:
        each_s: of each issue, from its drop to its handoff.
        cpu_s: of the daemon itself; `children_cpu_s` of what it started.
        faults: empty if all is right.
    """

    wall_s: float
    each_s: tuple[float, ...]
    cpu_s: float
    children_cpu_s: float
    peak_mb: float
    threads: int
    load: float
    faults: str


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--issues", type=int, default=100)
    parser.add_argument("--slots", type=int, default=10)
    chosen = parser.parse_args()
    begin()
    show(*measure(chosen.issues, chosen.slots))


def measure(issues: int, slots: int) -> tuple[str, list[Figure]]:
    """Return a title and rows."""
    cores = len(os.sched_getaffinity(0))
    argv = ["bash", "-lc", agent_command("trivial")]
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        project = Project(Path(folder) / "project")
        project.configure(agent={"max_concurrent_agents": slots})
        place = Path(folder) / "bare"
        before = run_bare(project.root, place, argv, issues, cores)
        whole = run_all(project, issues)
        after = run_bare(project.root, place, argv, issues, cores)
        least = run_least(project.root, place, argv, issues, cores)
    bare_s = (before.wall_s + after.wall_s) / 2  # around the run, so that both meet the same machine
    return f"{issues} trivial issues, {slots} slots, {cores} cores", [
        Figure(
            "first drop to idle; ratio to the agents' own time",
            (whole.wall_s,),
            unit="s",
            ratio=whole.wall_s / bare_s,
            load=whole.load,
        ),
        own_time(f"- the agents alone, {cores} at once", before, after),
        Figure(
            "- the least: clone, agent, format-patch, delete; ratio of the whole to it",
            (least.wall_s,),
            unit="s",
            ratio=whole.wall_s / least.wall_s,
        ),
        Figure("- processor time: the daemon itself", (whole.cpu_s,), unit="s"),
        Figure("- processor time: what it started (agents, git)", (whole.children_cpu_s,), unit="s"),
        Figure("- processor time: the agents alone", ((before.cpu_s + after.cpu_s) / 2,), unit="s"),
        Figure("one issue, drop to delivered, in the crowd", whole.each_s, unit="s"),
        Figure("peak memory of the daemon", (whole.peak_mb,), unit="MB"),
        Figure("nothing lost, repeated or stuck", note=whole.faults or "right", met=not whole.faults),
    ]


def own_time(what: str, *runs: Bare) -> Figure:
    """Return the row of bare runs."""
    return Figure(what, tuple(run.wall_s for run in runs), unit="s")


def run_all(project: Project, issues: int) -> Whole:
    """Drop the issues on an idle daemon and wait until it is idle again."""
    names = [f"issue-{n:03}" for n in range(issues)]
    done = project.root / "issues" / "Done"
    done.mkdir()
    with running(project.root) as daemon:
        daemon.settle()
        cpu_s, children_cpu_s = daemon.cpu_s(), daemon.children_cpu_s()
        dropped = {}
        for name in names:
            dropped[name] = time.time()
            project.drop(name, f"---\ntitle: Do {name}\n---\nDo it.\n")
        threads = 0

        def finished() -> bool:
            nonlocal threads
            threads = max(threads, daemon.threads())
            if sum(1 for _ in done.iterdir()) < issues:
                return False
            counts = daemon.get("/api/v1/state")["counts"]
            return not (
                counts["running"] or counts["retrying"] or counts["undelivered"] or counts["eligible"]
            )

        daemon.until(finished, RUN_BOUND_S, LOOK_S)
        wall_s = time.time() - dropped[names[0]]
        return Whole(
            wall_s,
            tuple(ended - dropped[name] for name, ended in delivery_times(daemon)),
            daemon.cpu_s() - cpu_s,
            daemon.children_cpu_s() - children_cpu_s,
            daemon.memory_mb("VmHWM"),
            threads,
            load(),
            faults_of(project, daemon, names),
        )


def delivery_times(daemon: Daemon) -> list[tuple[str, float]]:
    """Return when each issue was delivered, in seconds since 1970."""
    rows = daemon.rows("SELECT issue_id, delivered_at FROM completions WHERE delivered_at IS NOT NULL")
    return [(issue_id, seconds_of(at)) for issue_id, at in rows]


def faults_of(project: Project, daemon: Daemon, names: list[str]) -> str:
    """Say what was lost, done twice or left behind; empty when nothing was."""
    faults = []
    attempts = sorted(daemon.rows("SELECT issue_id, number, outcome FROM attempts"))
    if attempts != [(name, 1, "delivered") for name in names]:
        odd = [attempt for attempt in attempts if attempt[1:] != (1, "delivered")]
        faults.append(f"{len(attempts)} attempts, among them {odd[:FAULTS_SHOWN]}")
    for name in names:
        patch = project.patch(name)
        if project.state_of(name) != "Done":
            faults.append(f"{name} is in {project.state_of(name)}")
        elif not patch.exists():
            faults.append(f"{name} has no patch")
        elif "trivial.txt" not in git(project.root, "apply", "--numstat", "--check", str(patch)):
            faults.append(f"{name}'s patch does not hold the work")
    if left := daemon.rows("SELECT action, issue_id FROM journal WHERE result IS NULL OR result <> 'done'"):
        faults.append(f"unfinished or failed effects: {left[:FAULTS_SHOWN]}")
    if folders := list((project.root / ".symphony" / "workspaces").iterdir()):
        faults.append(f"workspaces left behind: {folders[:FAULTS_SHOWN]}")
    if children := psutil.Process(daemon.process.pid).children(recursive=True):
        faults.append(f"processes left behind: {children[:FAULTS_SHOWN]}")
    return "; ".join(faults[:FAULTS_SHOWN])


if __name__ == "__main__":
    main()
