"""What agents do wrong: each has its error where a person looks, and the daemon goes on."""

import os
from pathlib import Path

import pytest

from tests.support.project import agent_command, git

SHORT_TURN = {"prompt_timeout_ms": 500, "read_timeout_ms": 10_000}  # a busy machine takes its time to start
SHORT = {"read_timeout_ms": 500}


async def first_failure(project, daemon):
    """Drop an issue, and return how its first attempt ended and what the daemon says of it."""
    project.drop("1")
    ended = await daemon.until_outcome("1")
    await daemon.until(lambda: (project.root / ".symphony/logs/symphony.log").exists())
    assert (await daemon.state())["status"] in {"working", "idle", "attention"}
    return ended["outcome"], ended["message"]


@pytest.mark.parametrize(
    ("agent", "acp", "code", "words"),
    [
        ("exits_at_once", {}, "agent.exited", "exited with status 3"),
        ("huge_frame", {}, "agent.frame_too_large", "16 MiB"),
        ("never_answers", SHORT_TURN, "agent.prompt_timeout", "acp.prompt_timeout_ms"),
        ("ignores_cancel", SHORT_TURN, "agent.prompt_timeout", "acp.prompt_timeout_ms"),
        ("never_initializes", SHORT, "agent.read_timeout", "acp.read_timeout_ms"),
        ("never_connects", {"read_timeout_ms": 5_000}, "mcp_not_connected", "mcp: connection refused"),
        ("exits_when_ready", {}, "agent.exited", "exited with status 5 while connecting to its tools"),
        ("closes_pipe", {}, "agent.closed_pipe", ""),
    ],
)
async def test_a_broken_agent_is_told_with_its_code_and_retried(project_with, agent, acp, code, words):
    project = project_with(agent)
    project.configure(acp=acp)
    async with project.daemon() as daemon:
        outcome, message = await first_failure(project, daemon)
        assert outcome == code
        assert words in message
        await daemon.until(lambda: "msg=scheduler.retry issue=1" in log_of(project))
        assert (await daemon.state())["retrying"][0]["reason"] == message


async def test_a_program_that_is_not_there_is_named_and_nobody_is_kept_waiting_for_it(project):
    project.configure(acp={"command": "exec no-such-agent"})
    async with project.daemon() as daemon:
        outcome, message = await first_failure(project, daemon)
        assert outcome in {"agent.exited", "agent.not_found"}
        assert "no-such-agent" in message
        await daemon.until(lambda: "msg=scheduler.park issue=1" in log_of(project))
        assert (await daemon.state())["status"] == "attention"


@pytest.mark.parametrize(("stop", "code"), [("refusal", "agent.refused"), ("max_tokens", "agent.max_tokens")])
async def test_a_bad_stop_reason_is_a_failure_of_its_own(project, stop, code):
    project.configure(acp={"command": f"{agent_command('stops')} {stop}"})
    async with project.daemon() as daemon:
        assert (await first_failure(project, daemon))[0] == code


async def test_garbage_on_stdout_is_in_the_run_log(project_with):
    project = project_with("garbage")
    async with project.daemon() as daemon:
        await first_failure(project, daemon)
    garbage = [line["text"] for line in project.log("1") if line["kind"] == "garbage"]
    assert "Welcome to chatty agent!" in garbage


async def test_processes_that_an_agent_leaves_behind_are_ended_with_its_attempt(project_with):
    project = project_with("leaves_children")
    async with project.daemon() as daemon:
        project.drop("1")
        await daemon.until_outcome("1")
        pid = int((project.root / ".symphony/workspaces/1/child.pid").read_text())
        await daemon.until(lambda: not Path(f"/proc/{pid}").exists())


async def test_marking_done_twice_at_once_delivers_once(project_with, tmp_path):
    project = project_with("marks_done_twice")
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    assert (project.apply("1", tmp_path / "clone") / "twice.txt").exists()
    assert [line["outcome"] for line in project.log("1") if line["kind"] == "ended"] == ["delivered"]
    assert len([line for line in project.log("1") if line["kind"] == "mark_done"]) == 1


async def test_an_agent_that_commits_nothing_hands_over_nothing_and_says_so(project_with):
    project = project_with("commits_nothing")
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
        assert daemon.task.result() == 0
    assert project.state_of("1") == "Done"
    assert not project.patch("1").exists()
    assert [line for line in daemon.said.lines if line.startswith("1 is done: ")]


async def test_uncommitted_work_is_committed_and_marked(project_with, tmp_path):
    project = project_with("leaves_uncommitted")
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    clone = project.apply("1", tmp_path / "clone")
    assert (clone / "uncommitted.txt").read_text() == "new\n"
    assert git(clone, "log", "-1", "--format=%s") == "Save uncommitted work"
    assert any(line["kind"] == "uncommitted_work_saved" for line in project.log("1"))


async def test_work_outlives_an_agent_that_deletes_its_git_folder(project_with, tmp_path):
    project = project_with("deletes_git")
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    assert (project.apply("1", tmp_path / "clone") / "work.txt").read_text() == "work\n"
    ended = project.log("1")[-1]
    assert "The agent's own commits could not be read" in ended["message"]


async def test_an_agent_that_dies_by_sigkill_in_its_turn_is_retried(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        project.drop("1")
        await daemon.until(lambda: any(line["kind"] == "message" for line in project.log("1")))
        os.kill(agent_pid(project), 9)
        ended = await daemon.until_outcome("1")
    assert ended["outcome"] == "agent.exited"
    assert "signal 9" in ended["message"] or "SIGKILL" in ended["message"]


def agent_pid(project):
    """Return the process id of the one agent that runs in the project's workspace."""
    workspace = str(project.root / ".symphony/workspaces/1")
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str((entry / "cwd").readlink()) == workspace:
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("no agent runs")


def log_of(project):
    return (project.root / ".symphony/logs/symphony.log").read_text()
