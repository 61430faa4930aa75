"""From an issue file dropped to its agent's process started, the daemon idle, many issues on disk.

Run `python benchmarks/drop.py [--issues 10000] [--drops 20]`. Drops come one after another, each
when the one before is delivered. The agent's login shell is a program that writes down when it
was started, before it becomes the shell; the agent behind it writes down its own first act.
Where the time goes is read from what the daemon itself writes down for every attempt: the audit
and the journal in its database, and its run log. What git needs for a clone by itself is
measured beside it, between the drops, and so are the watcher and the tracker.
"""

import argparse
import asyncio
import shlex
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from bare import run_git
from daemon import Daemon, running, seconds_of
from figures import Figure, begin, load, ms, show
from trees import DROPPED, make_project

from symphony.host.watcher import open_watcher
from symphony.tracker.index import Index
from tests.support.project import AGENTS, Project

PROGRAMS = Path(__file__).resolve().parent / "programs"
GOAL_MS = 100.0
DONE_BOUND_S = 60.0
REST_S = 0.3  # between drops, so that each meets an idle daemon


@dataclass(frozen=True, slots=True)
class Drop:
    """The moments of one drop, in seconds since 1970.

    Attributes:
        clone_s: seconds that a bare `git clone` of the same source took just before.
    """

    dropped: float
    decided: float
    durable: float
    preparing: float
    prepared: float
    opening: float
    session: float
    started: float
    speaking: float
    clone_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--issues", type=int, default=10_000, help="issue files on disk")
    parser.add_argument("--drops", type=int, default=20)
    parser.add_argument("--state", choices=("Done", "Todo", "both"), default="both", help="where they are")
    chosen = parser.parse_args()
    begin()
    for state in ("Done", "Todo") if chosen.state == "both" else (chosen.state,):
        show(*measure(chosen.issues, chosen.drops, state))


def measure(issues: int, drops: int, state: str) -> tuple[str, list[Figure]]:
    """Return a title and rows for so many idle issues in one state."""
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        root = Path(folder) / "project"
        project = make_stamped_project(root, issues, state)
        with running(root) as daemon:
            daemon.settle()
            found = [drop(project, daemon, f"dropped-{n}") for n in range(drops)]
        alone = [*watcher_alone(Path(folder), drops), *tracker_alone(project, drops)]
        kind = "idle in Todo, blocked or unlabelled" if state == "Todo" else f"in {state}"
        return f"Drop to agent: {issues:,} issues {kind}; {drops} drops", [*rows(found), *alone]


def make_stamped_project(root: Path, issues: int, state: str) -> Project:
    """Make a project whose agents write down when they were started."""
    root.mkdir()
    shell = shutil.copy(PROGRAMS / "stamped_shell", root.parent)
    argv = [sys.executable, "-IS", str(PROGRAMS / "stamped_agent.py"), str(root.parent / "agent-stamps")]
    command = "exec " + shlex.join([*argv, str(AGENTS / "trivial.py")])
    return make_project(root, issues, state, acp={"shell": str(shell), "command": command})


def drop(project: Project, daemon: Daemon, issue_id: str) -> Drop:
    """Drop one issue, wait until it is delivered, and read what was written down on the way."""
    clone_s = bare_clone(project.root, project.root.parent / "bare-clone")
    time.sleep(REST_S)
    dropped = time.time_ns() / 1e9
    project.drop(issue_id, DROPPED)
    daemon.until(lambda: any(line["kind"] == "ended" for line in project.log(issue_id)), DONE_BOUND_S)
    time.sleep(REST_S)
    log = project.log(issue_id)
    if log[-1].get("outcome") != "delivered":
        raise SystemExit(f"{issue_id} was not delivered: {log[-1]}")
    phases = {line["phase"]: seconds_of(line["at"]) for line in reversed(log) if line["kind"] == "phase"}
    ((decided,),) = daemon.rows(
        f"SELECT at FROM audit WHERE issue_id = '{issue_id}' AND decision = 'dispatch'"
    )
    ((started,),) = daemon.rows(f"SELECT started_at FROM attempts WHERE issue_id = '{issue_id}'")
    ((began, ended),) = daemon.rows(
        f"SELECT at, ended_at FROM journal WHERE issue_id = '{issue_id}' AND action = 'prepare_workspace'"
    )
    folder = project.root.parent
    return Drop(
        dropped=dropped,
        decided=seconds_of(decided),
        durable=seconds_of(started),
        preparing=seconds_of(began),
        prepared=seconds_of(ended),
        opening=phases["starting the sandbox"],
        session=phases["opening the session"],
        started=float((folder / "shell-stamps").read_text().split()[-1]),
        speaking=int((folder / "agent-stamps").read_text().split()[-1]) / 1e9,
        clone_s=clone_s,
    )


def bare_clone(source: Path, target: Path) -> float:
    """Return the seconds that the least clone with the same promise takes: no hard links."""
    began = time.perf_counter()
    run_git(source, "clone", "--quiet", "--no-hardlinks", str(source), str(target))
    seconds = time.perf_counter() - began
    shutil.rmtree(target)
    return seconds


def rows(drops: list[Drop]) -> list[Figure]:
    """Return the whole and its parts."""
    now = load()
    whole = [drop.started - drop.dropped for drop in drops]
    prepare = [drop.prepared - drop.preparing for drop in drops]
    bare = [drop.clone_s for drop in drops]
    rest = [all_of_it - part for all_of_it, part in zip(whole, prepare, strict=True)]
    beyond = [all_of_it - part for all_of_it, part in zip(whole, bare, strict=True)]

    def part(what: str, seconds: list[float]) -> Figure:
        return Figure(f"- {what}", ms(seconds), load=now)

    return [
        Figure("dropped to agent process started", ms(whole), load=now),
        Figure("the same without preparing the workspace", ms(rest), goal=GOAL_MS, load=now),
        Figure("the same without a bare `git clone --no-hardlinks`", ms(beyond), goal=GOAL_MS, load=now),
        part("watcher, tracker, decision", [drop.decided - drop.dropped for drop in drops]),
        part("decision durable, attempt's task, its run log open", [d.durable - d.decided for d in drops]),
        part("attempt and its first intent durable", [d.preparing - d.durable for d in drops]),
        Figure(
            "- workspace prepared; ratio to a bare clone",
            ms(prepare),
            ratio=statistics.median(prepare) / statistics.median(bare),
            load=now,
        ),
        part("result durable, fingerprint", [drop.opening - drop.prepared for drop in drops]),
        part("sandbox open, MCP endpoint open", [drop.session - drop.opening for drop in drops]),
        part("process started", [drop.started - drop.session for drop in drops]),
        part(
            "(then) login shell and Python, up to the agent's first act",
            [d.speaking - d.started for d in drops],
        ),
        part("(beside) a bare `git clone --no-hardlinks`", bare),
    ]


def watcher_alone(folder: Path, drops: int) -> list[Figure]:
    """Measure how long the watcher takes to tell of a file, with nothing behind it."""
    root = folder / "watched"
    (root / "Todo").mkdir(parents=True)

    async def watch() -> list[float]:
        told: asyncio.Queue[float] = asyncio.Queue()
        taken = []
        async with open_watcher([root], lambda _: told.put_nowait(time.perf_counter()), subfolders=True):
            for n in range(drops):
                await asyncio.sleep(0.05)
                while not told.empty():
                    told.get_nowait()
                began = time.perf_counter()
                threading.Thread(target=put_file, args=(root / "Todo", n)).start()
                taken.append(await told.get() - began)
        return taken

    return [Figure("- (beside) the watcher alone", ms(asyncio.run(watch())), load=load())]


def put_file(folder: Path, n: int) -> None:
    """Put a file there in one step."""
    (folder / ".new").write_text(DROPPED)
    (folder / ".new").replace(folder / f"{n}.md")


def tracker_alone(project: Project, drops: int) -> list[Figure]:
    """Measure how long the index takes for one new file among all that there are."""
    index = Index(project.root / "issues")
    index.scan()
    taken = []
    for n in range(drops):
        path = project.drop(f"alone-{n}", DROPPED)
        began = time.perf_counter()
        index.refresh([path])
        taken.append(time.perf_counter() - began)
    return [Figure("- (beside) the tracker alone", ms(taken), load=load())]


if __name__ == "__main__":
    main()
