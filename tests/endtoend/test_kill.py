"""The daemon as a process of its own, ended in every way: kill -9 at each stage, and signals.

An agent written for each test notes its process ids, so that what a dead run left behind is seen.
"""

import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from symphony.core.decide import DRAIN_GRACE
from symphony.store.reader import read_store
from tests.support.command_line import symphony
from tests.support.project import AGENTS, BOUND_S, LOOK_S, Project, git

AGENT = """
import os
import sys
import time
from pathlib import Path

NOTES = Path({notes!r})
sys.path.insert(0, {agents!r})
from base import Agent, commit_file


def hang():
    # outlives its stdin, and leaves a child in a session of its own
    if os.fork() == 0:
        os.setsid()
        note("child")
        while True:
            time.sleep(1)
    note("hangs")
    while True:
        time.sleep(1)


def note(what):
    (NOTES / f"{{what}}-{{os.getpid()}}").touch()


class Noted(Agent):
    def new_session(self, params):
        self.connect()
        return super().new_session(params)

    def done(self):
        self.mcp.call("mark_done", title="Add trivial.txt", summary="Wrote it.")

    def prompt(self, text):
        first = not list(NOTES.glob("agent-*"))
        note("agent")
        {turn}
        return "end_turn"


Noted().serve()
"""

WORKS = 'commit_file("trivial.txt", "done\\n", "Add trivial.txt"); self.done()'
HANGS_FIRST = f"""
        if first:
            commit_file("begun.txt", "begun\\n", "Begin")
            hang()
        {WORKS}
"""
WAITS_FIRST = f"""
        note("waits")
        while not (NOTES / "go").exists():
            time.sleep(0.02)
        {WORKS}
"""
HANGS_WHEN_DONE = f"{WORKS}; hang()"
ASKS_FIRST = f"""
        if first:
            self.mcp.call("request_human_steering", question="Which colour?")
        else:
            commit_file("colour.txt", "blue\\n" if "Blue." in text else "none\\n", "Choose")
            {WORKS}
"""

# holds each git command of a stage for as long as `hold` is there
GIT = """#!/bin/sh
if [ -e {notes}/hold ] && tail -n 1 {log} 2>/dev/null | grep -q "$(cat {notes}/hold)"; then
    touch {notes}/held
    while [ -e {notes}/hold ]; do sleep 0.02; done
fi
exec {git} "$@"
"""


class Kept(Project):
    """A project whose agent takes notes."""

    def __init__(self, root: Path, turn: str = WORKS, **sections: Any) -> None:
        super().__init__(root / "project")
        self.notes = root / "notes"
        self.notes.mkdir()
        program = root / "agent.py"
        program.write_text(AGENT.format(notes=str(self.notes), agents=str(AGENTS), turn=turn))
        command = "exec " + shlex.join([sys.executable, str(program)])
        self.configure(acp={"command": command, **sections.pop("acp", {})}, **sections)

    def pids(self, what: str) -> list[int]:
        """Return the processes that noted this of themselves."""
        return [int(path.name.rpartition("-")[2]) for path in self.notes.glob(f"{what}-*")]

    def living(self) -> list[int]:
        """Return the agents and their children that are still there."""
        return [pid for what in ("agent", "child", "hook") for pid in self.pids(what) if lives(pid)]

    def phases(self) -> list[str]:
        return [line["phase"] for line in self.log("1") if line["kind"] == "phase"]

    @contextmanager
    def process(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the context is left, which kills it if it still runs."""
        started = self.start(*words)
        try:
            yield started
        finally:
            started.kill()
            started.wait(BOUND_S)
            assert started.stdout is not None
            started.stdout.close()

    @contextmanager
    def ready(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon, from the moment at which it is ready."""
        with self.process(*words) as started:
            until(lambda: self.published().get("pid") == started.pid, started)
            yield started

    def published(self) -> dict[str, Any]:
        """Return what the running daemon says of itself."""
        try:
            words: dict[str, Any] = json.loads((self.root / ".symphony/daemon.json").read_text())
        except (OSError, ValueError):
            return {}
        return words

    def state(self) -> Any:
        """Return what `GET /api/v1/state` says."""
        with urlopen(self.published()["url"] + "/api/v1/state", timeout=10) as answer:
            return json.load(answer)

    def finish(self) -> int:
        """Run the daemon until idle and return its exit status."""
        with self.process("--until-idle") as started:
            return started.wait(BOUND_S)

    def handoffs(self) -> int:
        """Return how often the store says that work was handed over."""

        async def count() -> int:
            async with read_store(self.root / ".symphony/symphony.db") as store:
                return len(await store.recent_handoffs(100))

        return asyncio.run(count())

    def assert_delivered_once(self, tmp_path: Path, *files: str) -> None:
        """Check all that a person may rely on once issue 1 is done."""
        assert self.state_of("1") == "Done"
        assert self.handoffs() == 1
        left = sorted(path.name for path in (self.root / ".symphony/patches").iterdir())
        assert left == ["agent_1", "agent_1.patch"]
        clone = self.apply("1", tmp_path / "clone")
        assert {path.name for path in clone.glob("*.txt")} == set(files)
        subjects = git(clone, "log", "--format=%s").splitlines()
        assert len(subjects) == len(set(subjects))
        assert not (self.root / ".symphony/workspaces/1").exists()


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """End what a failing test left behind, by its own notes."""
    yield
    for path in (tmp_path / "notes").glob("*-*"):
        pid = int(path.name.rpartition("-")[2])
        if lives(pid):
            os.kill(pid, signal.SIGKILL)
    (tmp_path / "notes/hold").unlink(missing_ok=True)


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def until(condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
    """Return once the condition holds; fail if the process ends before, or after the bound."""
    deadline = time.monotonic() + BOUND_S
    while not condition():
        if process is not None and process.poll() is not None:
            assert process.stdout is not None
            pytest.fail(f"the daemon ended with {process.returncode}: {process.stdout.read().decode()}")
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(LOOK_S)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the daemon as a power failure would."""
    process.send_signal(signal.SIGKILL)
    process.wait(BOUND_S)


def test_a_daemon_killed_in_a_turn_leaves_no_agent_and_the_next_one_finishes_its_work(tmp_path):
    project = Kept(tmp_path, HANGS_FIRST)
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hangs") and project.pids("child"), first)
        kill(first)
    dead = project.living()
    assert len(dead) == 2
    assert project.finish() == 0
    assert [pid for pid in dead if lives(pid)] == []
    project.assert_delivered_once(tmp_path, "begun.txt", "trivial.txt")


def test_an_agent_of_a_dead_daemon_is_gone_before_the_next_one_starts_another(tmp_path):
    project = Kept(tmp_path, HANGS_FIRST, tracker={"required_labels": ["go"]})
    project.drop("1", "---\nlabels: [go]\n---\n")
    with project.ready() as first:
        until(lambda: project.pids("hangs") and project.pids("child"), first)
        kill(first)
    project.drop("1")
    with project.ready():
        assert project.living() == []


def test_work_is_delivered_once_though_the_daemon_is_killed_right_after_mark_done(tmp_path):
    project = Kept(tmp_path, HANGS_WHEN_DONE)
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hangs"), first)
        kill(first)
    assert project.state_of("1") == "Todo"
    assert project.finish() == 0
    assert len(project.pids("agent")) == 1
    assert project.living() == []
    project.assert_delivered_once(tmp_path, "trivial.txt")


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_question_outlives_a_killed_daemon_and_its_answer_is_used_once(tmp_path, when):
    project = Kept(tmp_path, ASKS_FIRST)
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.state()["waiting"], first)
        kill(first)
    if when == "before":
        assert symphony(project.root, "reply", "1", "Blue.").status == 0
    with project.ready() as second:
        if when == "after":
            until(lambda: project.state()["waiting"], second)
            assert symphony(project.root, "reply", "1", "Blue.").status == 0
        until(lambda: project.state_of("1") == "Done" and not project.state()["running"], second)
    project.assert_delivered_once(tmp_path, "colour.txt", "trivial.txt")
    assert (tmp_path / "clone/colour.txt").read_text() == "blue\n"
    assert len(project.pids("agent")) == 2


@pytest.mark.parametrize("phase", ["preparing the workspace", "importing the branch", "handing over"])
def test_work_is_delivered_once_though_the_daemon_is_killed_during_a_stage(tmp_path, monkeypatch, phase):
    project = Kept(tmp_path)
    log = project.root / ".symphony/logs/1.jsonl"
    wrapper = tmp_path / "bin/git"
    wrapper.parent.mkdir()
    wrapper.write_text(GIT.format(notes=project.notes, log=log, git=shutil.which("git")))
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")
    (project.notes / "hold").write_text(phase)
    project.drop("1")
    with project.ready() as first:
        until((project.notes / "held").exists, first)
        kill(first)
    assert project.phases()[-1] == phase
    (project.notes / "hold").unlink()
    assert project.finish() == 0
    assert project.living() == []
    project.assert_delivered_once(tmp_path, "trivial.txt")


def test_checks_that_a_kill_cuts_off_are_gone_and_run_again_on_what_is_committed_alone(tmp_path):
    notes = tmp_path / "notes"
    script = (
        f"touch {notes}/check-$$; ls > {notes}/saw; echo junk > junk.txt; "
        f"pwd > {notes}/place; test -e {notes}/go || exec sleep 600"
    )
    project = Kept(tmp_path, checks=[{"name": "slow", "run": script}])
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("check") and (notes / "place").exists(), first)
        kill(first)
    cut_off = project.pids("check")
    (notes / "go").touch()
    assert project.finish() == 0
    assert [pid for pid in cut_off if lives(pid)] == []
    assert len(project.pids("check")) == 2
    assert len(project.pids("agent")) == 1
    assert (notes / "saw").read_text().split() == ["README.md", "trivial.txt"]
    assert not Path((notes / "place").read_text().strip()).parent.exists()
    project.assert_delivered_once(tmp_path, "trivial.txt")
    assert f"slow ({script[:40]}" in project.patch("1").read_text()


def test_the_workspace_goes_though_the_daemon_is_killed_after_the_handoff(tmp_path):
    hold = tmp_path / "notes/hold"
    hook = f"touch {tmp_path}/notes/hook-$$; while [ -e {hold} ]; do sleep 0.02; done"
    project = Kept(tmp_path, hooks={"after_run": hook})
    hold.touch()
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hook"), first)
        kill(first)
    hold.unlink()
    assert project.finish() == 0
    project.assert_delivered_once(tmp_path, "trivial.txt")


def test_a_hook_of_a_dead_daemon_is_gone_before_the_next_one_starts_another(tmp_path):
    hold = tmp_path / "notes/hold"
    hook = f"touch {tmp_path}/notes/hook-$$; while [ -e {hold} ]; do sleep 0.02; done"
    project = Kept(tmp_path, hooks={"before_run": hook})
    hold.touch()
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hook"), first)
        kill(first)
    dead = project.pids("hook")
    with project.ready() as second:
        until(lambda: len(project.pids("hook")) == 2, second)
        assert [pid for pid in dead if lives(pid)] == []


def test_a_daemon_killed_again_and_again_still_delivers_once(tmp_path):
    project = Kept(tmp_path)
    project.drop("1")
    seen = 0
    for _ in range(6):
        with project.ready() as process:
            until(lambda seen=seen: len(project.phases()) > seen or project.state_of("1") == "Done", process)
            kill(process)
        seen = len(project.phases())
    assert project.finish() == 0
    assert project.living() == []
    project.assert_delivered_once(tmp_path, "trivial.txt")


def test_sigterm_lets_the_attempt_end_starts_no_other_and_exits_0(tmp_path):
    waits = (
        "note('waits')\n        while not (NOTES / 'go').exists():\n            time.sleep(0.02)\n        "
    )
    project = Kept(tmp_path, waits + WORKS)
    project.drop("1")
    with project.ready() as process:
        until(lambda: project.pids("waits"), process)
        process.send_signal(signal.SIGTERM)
        until(lambda: project.state()["status"] == "draining", process)
        project.drop("2")
        until(lambda: project.state()["counts"].get("state:Todo") == 2, process)
        (project.notes / "go").touch()
        assert process.wait(BOUND_S) == 0
    assert project.state_of("2") == "Todo"
    assert project.log("2") == []
    assert project.living() == []
    project.assert_delivered_once(tmp_path, "trivial.txt")
    assert project.published() == {}


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["SIGTERM", "SIGINT", "SIGHUP"]
)
def test_a_second_signal_ends_everything_within_the_grace_and_exits_0(tmp_path, number):
    project = Kept(tmp_path, HANGS_FIRST)
    project.drop("1")
    with project.ready() as process:
        until(lambda: project.pids("hangs") and project.pids("child"), process)
        process.send_signal(number)
        until(lambda: project.state()["status"] == "draining", process)
        process.send_signal(number)
        assert process.wait(DRAIN_GRACE.total_seconds() * 0.8) == 0
    assert project.living() == []
    assert project.state_of("1") == "Todo"
    assert project.finish() == 0
    project.assert_delivered_once(tmp_path, "begun.txt", "trivial.txt")


def test_a_second_daemon_exits_1_and_names_the_first(tmp_path):
    project = Kept(tmp_path)
    with project.ready() as first:
        ran = symphony(project.root, "run", "--port", "0")
        assert ran.status == 1
        assert str(first.pid) in ran.err
        assert project.published()["url"] in ran.err
        assert first.poll() is None
        assert project.published()["pid"] == first.pid
        project.drop("1")
        until(lambda: project.state_of("1") == "Done", first)


def test_a_daemon_starts_at_once_after_another_was_killed(tmp_path):
    project = Kept(tmp_path)
    with project.ready() as first:
        kill(first)
    with project.ready() as second:
        assert project.published()["pid"] == second.pid
