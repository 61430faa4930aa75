"""What a restart finds again after kill -9: work that was not committed, sessions, retries, pauses."""

import json
import os
import subprocess
from pathlib import Path

from tests.endtoend.test_kill import AGENT, WORKS, Kept, kill, lives, until
from tests.support.command_line import symphony
from tests.support.project import GIT_ENVIRONMENT, git

EVERY_BYTE = bytes(range(256)) + b"\r\nno end"
HEADLONG = f"""
        note(f"in{{Path.cwd().stat().st_ino}}")
        if first:
            commit_file("begun.txt", "begun\\n", "Begin")
            Path("half.bin").write_bytes(bytes(range(256)) + b"\\r\\nno end")
            Path("README.md").write_text("half rewritten\\n")
            hang()
        # an agent that begins with a clean slate, whatever lies there
        os.system("git reset -q --hard HEAD~1 && git clean -qfdx")
        {WORKS}
"""
LOADS = """
    def initialize(self, params):
        self.capabilities["loadSession"] = True
        return super().initialize(params)

    def other(self, method, params):
        if method != "session/load":
            return super().other(method, params)
        self.cwd, self.servers, self.session_id = params["cwd"], params["mcpServers"], params["sessionId"]
        os.chdir(self.cwd)
        note("loaded." + self.session_id)
        self.connect()
        return {{}}

    def prompt(self, text):"""


def git_bytes(repository: Path, *words: str) -> bytes:
    return subprocess.run(
        ("git", f"--git-dir={repository}", *words), env=GIT_ENVIRONMENT, capture_output=True, check=True
    ).stdout


def test_what_was_not_committed_when_all_was_killed_is_safe_before_the_next_agent_touches_it(tmp_path):
    project = Kept(tmp_path, HEADLONG)
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hangs") and project.pids("child"), first)
        kill(first)
    dead = project.living()
    for pid in dead:
        os.kill(pid, 9)
    folder = (project.root / ".symphony/workspaces/1").stat().st_ino

    assert project.finish() == 0

    assert [pid for pid in dead if lives(pid)] == []
    assert len(project.pids("agent")) == 2
    assert len(project.pids(f"in{folder}")) == 2  # the second agent worked in the same folder
    project.assert_delivered_once(tmp_path, "trivial.txt")
    host = project.root / ".symphony/host.git"
    ref = "refs/symphony/safety/1/1"
    assert git_bytes(host, "for-each-ref", "--format=%(refname)", "refs/symphony/safety").split() == [
        ref.encode()
    ]
    assert git_bytes(host, "show", f"{ref}:half.bin") == EVERY_BYTE
    assert git_bytes(host, "show", f"{ref}:README.md") == b"half rewritten\n"
    assert git_bytes(host, "log", "-1", "--format=%s", f"{ref}^1") == b"Begin\n"

    saved = json.loads(symphony(project.root, "show", "1", "--json").out)["safety"]
    assert saved["why"] == "Attempt 2 begins; attempt 1 had ended (interrupted)."
    shown = symphony(project.root, "show", "1").out
    (command,) = [line.strip() for line in shown.splitlines() if "git fetch" in line]
    assert command.removeprefix("$ ") == saved["command"]
    subprocess.run(saved["command"], shell=True, cwd=project.root, env=GIT_ENVIRONMENT, check=True)
    git(project.root, "switch", "--quiet", "saved/1/1")
    assert (project.root / "half.bin").read_bytes() == EVERY_BYTE
    assert (project.root / "begun.txt").read_text() == "begun\n"


def test_a_session_that_was_cut_off_by_kill_9_is_loaded_by_the_agent_that_can(tmp_path, monkeypatch):
    text = AGENT.replace("\n    def prompt(self, text):", LOADS)
    monkeypatch.setattr("tests.endtoend.test_kill.AGENT", text)
    project = Kept(tmp_path, f"\n        if first:\n            hang()\n        {WORKS}\n")
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hangs") and project.pids("child"), first)
        kill(first)

    assert project.finish() == 0

    assert len(project.pids("loaded.session-1")) == 1
    project.assert_delivered_once(tmp_path, "trivial.txt")


def test_a_retry_its_failures_and_a_pause_are_the_same_after_kill_9(tmp_path):
    project = Kept(tmp_path, "\n        sys.exit(3)\n")
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.state()["retrying"], first)
        assert symphony(project.root, "pause").status == 0
        before = project.state()["retrying"]
        kill(first)

    with project.ready():
        after = project.state()
        assert after["paused"]
        assert [(row["due_at"], row["failures"], row["reason"]) for row in after["retrying"]] == [
            (row["due_at"], row["failures"], row["reason"]) for row in before
        ]
        assert after["retrying"][0]["failures"] == 1


def test_what_is_discarded_without_a_daemon_can_be_brought_back(tmp_path):
    project = Kept(tmp_path, HEADLONG)
    project.drop("1")
    with project.ready() as first:
        until(lambda: project.pids("hangs") and project.pids("child"), first)
        kill(first)
    for pid in project.living():
        os.kill(pid, 9)

    assert symphony(project.root, "discard", "1").status == 0

    assert not (project.root / ".symphony/workspaces/1").exists()
    saved = json.loads(symphony(project.root, "show", "1", "--json").out)["safety"]
    assert saved["why"] == "A person discarded the workspace."
    subprocess.run(saved["command"], shell=True, cwd=project.root, env=GIT_ENVIRONMENT, check=True)
    assert git(project.root, "show", "saved/1/1:README.md") == "half rewritten"
