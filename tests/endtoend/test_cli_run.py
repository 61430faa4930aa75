"""`symphony run` and `symphony demo` as processes: banner, console, exit status, signals, broken pipes."""

import os
import shlex
import signal
import subprocess
import sys
import unittest
from pathlib import Path

import pytest

from symphony.agent.demo.instructions import parse_instructions
from symphony.cli.demo_project import FIX, ISSUES, QUESTION, REPLY, make_project, write_issues
from symphony.cli.errors import CommandError
from tests.support.command_line import BOUND_S, ENVIRONMENT, argv, symphony
from tests.support.project import Project, git

DEMO = {"command": None, "adapter": "demo"}


def start(project: Project, *words: str) -> subprocess.Popen[str]:
    """Start the daemon with its streams on pipes."""
    return subprocess.Popen(
        argv("--port", "0", *words),
        cwd=project.root,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(process: subprocess.Popen[str], word: str) -> list[str]:
    """Read the process's output up to the line that has this word."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or word not in lines[-1]:
        line = process.stdout.readline()
        assert line, f"it ended before it said {word!r}: {lines}"
        lines.append(line)
    return lines


def test_the_banner_says_what_runs_and_what_is_not_isolated(project):
    process = start(project)
    try:
        banner = until(process, "Ctrl-C")
    finally:
        process.terminate()
        _, err = process.communicate(timeout=BOUND_S)
    root = project.root
    assert banner[0] == "symphony 0.1.0\n"
    assert banner[1:4] == [
        f"  workflow   {root}/WORKFLOW.md\n",
        f"  issues     {root}/issues\n",
        "  sandbox    local isolates nothing: the agent runs as you, with your files, logins and network.\n",
    ]
    assert banner[4].startswith("  dashboard  http://127.0.0.1:")
    assert banner[5:] == [
        f"  log        {root}/.symphony/logs/symphony.log\n",
        "  Ctrl-C stops it; times below are UTC.\n",
    ]
    assert err == ""


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_drains_and_ends_with_status_0(project, signal_number):
    process = start(project)
    until(process, "Ctrl-C")
    process.send_signal(signal_number)
    out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, err) == (0, "")
    assert "  stopping: attempts have 30 s to end; a second signal ends them now\n" in out


def test_until_idle_ends_with_0_when_all_is_done(project):
    project.drop("1")
    ran = symphony(project.root, "--port", "0", "--until-idle")
    assert (ran.status, ran.err) == (0, "")
    assert f"  1 is done: Patch with 1 commit: `git am {project.patch('1')}`" in ran.out
    assert ran.out.endswith("  nothing is left to do\n")


def test_until_idle_ends_with_3_when_a_person_is_needed_and_says_how_to_help(project):
    project.configure(acp=DEMO)
    project.drop("3", "Ask: Blue or red?\n")
    ran = symphony(project.root, "--port", "0", "--until-idle")
    assert (ran.status, ran.err) == (3, "")
    assert "  3 asks: Blue or red?  (answer with: symphony reply 3 TEXT)\n" in ran.out
    assert ran.out.endswith("  nothing moves until you act; `symphony inbox` shows what is needed\n")
    assert "    Blue or red?\n" in symphony(project.root, "inbox").out


def test_an_answer_given_between_two_runs_reaches_the_agent(project):
    project.configure(acp=DEMO)
    project.drop("3", QUESTION.text(shlex.quote(sys.executable)))
    assert symphony(project.root, "--port", "0", "--until-idle").status == 3
    assert symphony(project.root, "reply", "3", "Hello, all!").status == 0
    assert symphony(project.root, "--port", "0", "--until-idle").status == 0
    assert "+Hello, all!\n" in project.patch("3").read_text()


def test_a_reader_that_goes_away_does_not_stop_the_daemon(project):
    process = start(project)
    until(process, "Ctrl-C")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    project.drop("1")
    project.drop("2")
    watcher = subprocess.Popen(
        argv("logs", "2", "-f"), cwd=project.root, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    until(watcher, "delivered")
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=BOUND_S)
    process.terminate()
    assert process.wait(BOUND_S) == 0


def test_a_terminal_that_somebody_stopped_does_not_hold_up_the_daemon_or_its_end(project):
    for number in range(1_000):
        project.drop(f"broken-{number}", "---\n[\n---\n")
    project.drop("1")
    process = start(project)
    watcher = subprocess.Popen(
        argv("logs", "1", "-f"), cwd=project.root, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    until(watcher, "delivered")
    watcher.send_signal(signal.SIGINT)
    watcher.communicate(timeout=BOUND_S)
    process.terminate()
    assert process.wait(BOUND_S) == 0, "nobody has read its output"
    process.communicate()


def test_a_daemon_without_any_standard_stream_works(project):
    project.drop("1")
    command = f"exec {shlex.join(argv('--port', '0', '--until-idle'))} <&- >&- 2>&-"
    ran = subprocess.run(
        ["sh", "-c", command], cwd=project.root, env=ENVIRONMENT, timeout=BOUND_S, check=False
    )
    assert ran.returncode == 0
    assert project.patch("1").exists()


def test_verbose_shows_the_log(project):
    ran = symphony(project.root, "--port", "0", "--until-idle", "--verbose")
    assert ran.status == 0
    assert "msg=daemon.ready" in ran.err


def test_a_port_that_is_taken_is_said_in_one_line(project):
    process = start(project)
    url = until(process, "  dashboard ")[-1].split()[-1]
    port = url.rpartition(":")[2]
    other = Project(project.root.parent / "other")
    try:
        ran = symphony(other.root, "--port", port)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err == (
            f"symphony: 127.0.0.1:{port} is in use by another program. "
            "Stop that program, set another server.port, or use `--port 0` for a free one.\n"
        )
    finally:
        process.terminate()
        process.communicate(timeout=BOUND_S)


# --- demo --------------------------------------------------------------------------------------------


def test_the_demo_ends_with_a_patch_that_applies_and_mends_the_test(tmp_path):
    ran = symphony(tmp_path, "demo", "play ground")
    assert (ran.status, ran.err) == (0, "")
    project = tmp_path / "play ground"
    patch = project / ".symphony/patches/agent_1.patch"
    assert ran.out.endswith(f"    git -C '{project}' am '{patch}'\n")
    assert outcome_of_tests(project) != 0
    git(project, "am", "--quiet", str(patch))
    assert outcome_of_tests(project) == 0
    again = symphony(tmp_path, "demo", "play ground")
    assert (again.status, again.err) == (
        1,
        f"symphony: {project} is not empty. Name a folder that does not exist.\n",
    )


def test_the_demo_project_has_one_failing_test_whatever_git_is_configured_to(tmp_path, monkeypatch):
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    (tmp_path / "config").write_text(f"[commit]\ngpgsign = true\n[core]\nhooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    project = make_project(tmp_path / "project")
    assert git(project, "log", "--format=%s") == "Greet people"
    assert git(project, "status", "--porcelain") == ""
    assert outcome_of_tests(project) != 0


def test_the_demo_issues_are_what_the_demo_agent_understands(tmp_path):
    write_issues(make_project(tmp_path), python="python3")
    texts = [(tmp_path / f"issues/Todo/{issue.id}.md").read_text() for issue in ISSUES]
    fix, addition, question = [parse_instructions(text) for text in texts]
    assert [len(each.changes) for each in (fix, addition, question)] == [1, 2, 2]
    assert addition.test == "python3 -m unittest -q test_farewell"
    assert question.question == "What should the welcome on the front page say?"
    assert question.needs_reply
    listed = symphony(tmp_path, "status").out
    assert "\n  2  Todo  Say goodbye as well  blocked by 1 (Todo)\n" in listed
    assert symphony(tmp_path, "show", "1").out.startswith(f"1  {FIX.title}\n")
    assert REPLY.strip()


def test_a_missing_git_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError) as failed:
        make_project(tmp_path / "project")
    assert str(failed.value) == "git is not installed. Install git 2.28 or newer."


def outcome_of_tests(project: Path) -> int:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", unittest.__name__, "-q"],
        cwd=project,
        env=environment,
        capture_output=True,
        timeout=BOUND_S,
        check=False,
    )
    return ran.returncode
