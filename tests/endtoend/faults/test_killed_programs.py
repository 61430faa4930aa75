"""The agent, each hook and each command of git die by a signal, and the work ends as if they had not."""

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.endtoend.faults.project import TEXT, FaultProject
from tests.support.project import BOUND_S

AGENT_POINTS = ("handshake", "session", "prompted", "committed", "uncommitted", "worked", "done")
HOOKS = ("after_create", "before_run", "after_run", "before_remove")
RETRIED = ("after_create", "before_run")
LEAST = {"before": 36, "writing": 15, "after": 36}  # commands; not every one writes a file


@pytest.mark.parametrize("point", AGENT_POINTS)
def test_an_agent_killed_in_its_work_costs_an_attempt_and_nothing_else(make_project, undisturbed, point):
    project = make_project()
    project.kill_at(point)
    assert project.end(project.finish()) == undisturbed
    assert project.was_killed_at(point)
    ends = project.ends()
    assert ends[-1]["outcome"] == "delivered"
    if point == "done":
        assert len(ends) == 1
    else:
        assert len(ends) == 2
        assert "SIGKILL" in ends[0]["message"] or "signal 9" in ends[0]["message"]


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_killed_is_shown_and_loses_no_work(make_project, undisturbed, hook):
    project = make_project()
    project.configure(**project.sections, hooks={hook: project.script(hook)})
    project.kill_at(hook)
    assert project.end(project.finish()) == undisturbed
    assert project.was_killed_at(hook)
    assert len(project.ends()) == 1 + (hook in RETRIED)
    shown = [str(line) for line in project.log("1") if hook in str(line)]
    assert any("SIGKILL" in line or "signal 9" in line or "-9" in line for line in shown), shown


class WrappedGit:
    """A folder first on PATH whose git dies by a signal."""

    def __init__(self, project: FaultProject, mode: str) -> None:
        self.folder = project.place / "wrapped"
        for name in ("met", "attempts"):
            (self.folder / name).mkdir(parents=True)
        words = {"mode": mode, "real": shutil.which("git"), "logs": project.root / ".symphony/logs"}
        for name, word in words.items():
            (self.folder / name).write_text(str(word))
        shutil.copy(Path(__file__).with_name("git.sh"), self.folder / "git")
        (self.folder / "git").chmod(0o755)
        self.variables = {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}

    def met(self) -> list[str]:
        """Return the commands that were seen, in words."""
        return [path.read_text() for path in (self.folder / "met").iterdir()]

    def killed(self) -> int:
        """Return how many of them died."""
        return len(list((self.folder / "attempts").iterdir()))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", LEAST)
def test_each_command_of_git_is_killed_once_and_every_issue_ends_alike(make_project, undisturbed, mode):
    project = make_project()
    project.configure(**project.sections, merge_train={"branch": "train"})
    git = WrappedGit(project, mode)
    issues = []
    with project.ready(environment=git.variables) as daemon:
        met = -1
        while len(git.met()) > met:
            met = len(git.met())
            issues.append(str(len(issues) + 1))
            project.drop(issues[-1], TEXT)
            project.until(lambda: project.is_over(issues[-1]), daemon)
        daemon.send_signal(signal.SIGTERM)
        status = daemon.wait(BOUND_S)
    print(f"git killed {mode}: {git.killed()} of {len(git.met())} commands; {len(issues)} issues")
    for issue_id in issues:
        end = project.end(status, issue_id)
        assert end == undisturbed, project.ends(issue_id)
    assert git.killed() >= LEAST[mode]
