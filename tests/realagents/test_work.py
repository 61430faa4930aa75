"""Real agents do the main job, ask, go on, are cancelled, and are resumed [CONTRACT 5, 6]."""

import asyncio
import json
import os
import shlex
import shutil
import signal
from typing import Any

import pytest

from symphony.agent.adapters import ADAPTERS
from symphony.agent.launch import launch_of
from symphony.cli.timeline import Entry, Timeline
from symphony.core.settings import AcpSettings
from symphony.store.run_log_reader import RunLogLine
from symphony.web.timeline.assembler import Assembler
from symphony.web.timeline.entries import Note, ToolCall
from tests.models.script import Run, Say, Silence, UseMcp
from tests.models.server import Model
from tests.realagents.conftest import BOUND_S, COMMIT, KEY, PATIENT, processes_with, until_gone, work
from tests.support.project import LOOK_S, Project, git

CLIENTS = {"claude": "claude-code", "codex": "codex-mcp-client", "opencode": "opencode"}


async def test_an_issue_goes_from_todo_to_done_with_a_patch_that_applies(
    agent: str, project: Project, model: Model, tmp_path: Any
) -> None:
    model.play(*work(project, agent), Say("It is done."))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    clone = project.apply("3", tmp_path / "clone")
    assert (clone / "hello.txt").read_text() == "hello\n"
    assert git(clone, "log", "--format=%s", "-1") == "Say hello"
    assert project.state_of("3") == "Done"
    connected = next(line for line in project.log("3") if line["kind"] == "mcp_connected")
    assert connected["client"].startswith(CLIENTS[agent])
    assert "Do Say hello." in model.prompts()
    assert {headers.get("x-api-key") or headers.get("Authorization") for headers in model.headers} <= {
        KEY,
        f"Bearer {KEY}",
    }
    for log in (project.root / ".symphony" / "logs").iterdir():
        assert KEY not in log.read_text(), f"the key is in {log.name}"
    assert KEY not in "".join(
        path.read_text("utf-8", "replace") for path in (tmp_path / "home").rglob("auth.json")
    )


async def test_what_an_agent_reports_is_shown_as_what_it_is(
    agent: str, project: Project, model: Model
) -> None:
    model.play(*work(project, agent), Say("It is done."))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    lines = project.log("3")
    (program,) = (line["text"] for line in lines if line["kind"] == "program")
    assert program.split()[-1] in ADAPTERS[agent].versions.tested
    assert not [line for line in lines if line["kind"] == "warning"]
    assert not [line for line in lines if line["kind"] == "other" and "unknown" in line["text"]]
    told = {line["kind"] for line in lines}
    assert {"tool_call", "message", "usage", "commands"} <= told
    page, logs = Assembler(), Timeline()
    for number, line in enumerate(lines):
        page.take(RunLogLine(number, number + 1, line))
    bodies = [entry.body for entry in page.entries]
    calls = [body for body in bodies if isinstance(body, ToolCall)]
    changed = [diff.path for call in calls for diff in call.diffs]
    if agent == "opencode":  # of a file that it creates it tells the text alone
        assert any("hello.txt" in str(call) for call in calls if not call.diffs)
    else:
        assert any(path.endswith("hello.txt") for path in changed)
    assert any("git add hello.txt" in str(call) for call in calls)
    assert any("mark_done" in call.title for call in calls)
    assert any(isinstance(body, Note) and body.label == "usage" for body in bodies)
    labels = {entry.label for line in lines for entry in logs.take(line) if isinstance(entry, Entry)}
    assert {"tool", "usage", "commands", "program", "tools", "done"} <= labels


async def test_a_question_is_answered_and_the_reply_is_the_next_prompt(
    agent: str, project: Project, model: Model
) -> None:
    model.play(UseMcp("request_human_steering", {"question": "Tabs or spaces?"}), Say("I have asked."))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: any("Tabs or spaces?" in line for line in daemon.said.lines))
        async with asyncio.timeout(BOUND_S):
            while not (await daemon.state())["waiting"]:
                await asyncio.sleep(LOOK_S)
        asked = len(model.asked)
        model.replies.clear()
        model.play(*work(project, agent))
        await daemon.call("POST", "/api/v1/issues/3/steering-reply", {"text": "Spaces, four of them."})
        await daemon.until(lambda: project.patch("3").exists())
    assert "Spaces, four of them." in str(model.asked[asked])


async def test_a_turn_that_ends_without_a_word_is_followed_by_a_second(
    agent: str, project: Project, model: Model
) -> None:
    model.play(Run("touch begun"), Say("I have begun."), *work(project, agent))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
        turns = [line["turn"] for line in project.log("3") if line.get("phase") == "in a turn"]
    assert turns == [1, 2]


async def test_a_cancel_in_the_middle_of_a_command_ends_the_command_too(
    agent: str, project: Project, model: Model
) -> None:
    model.play(Run("sleep 4321.5"))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: processes_with("sleep 4321.5"))
        await daemon.call("POST", "/api/v1/issues/3/cancel")
        ended = await daemon.until_outcome("3")
    assert ended["outcome"] == "cancelled"
    await until_gone("sleep 4321.5")


async def test_after_kill_9_the_session_is_resumed_with_its_history(
    agent: str, project: Project, model: Model
) -> None:
    model.play(Run("echo remember the colour crimson"), Silence())
    project.drop("3", "---\ntitle: Say hello\n---\n")
    first = await asyncio.to_thread(project.start)
    async with asyncio.timeout(BOUND_S):
        await model.until_asked(2)
    first.send_signal(signal.SIGKILL)
    await asyncio.to_thread(first.communicate)
    asked = len(model.asked)
    model.play(*work(project, agent))
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    assert "remember the colour crimson" in str(model.asked[asked])
    methods = [line["frame"].get("method") for line in project.log("3") if line["kind"] == "frame_out"]
    assert methods.count("session/new") == 1
    assert {"session/resume", "session/load"} & set(methods)


@pytest.mark.parametrize("agent", ["codex"], indirect=True)
async def test_codex_as_a_machine_starts_it_bears_an_engine_that_refuses_web_sockets_and_placeholders(
    agent: str, project: Project, model: Model
) -> None:
    program = shutil.which("codex-acp")
    assert program is not None
    launch = launch_of(ADAPTERS[agent], AcpSettings(), os.environ, in_guest=True)
    command = f"GIT_CONFIG_KEY_0=safe.directory exec {shlex.join([program, *launch.argv[1:]])}"
    project.configure("Do {{ issue.title }}.\n", acp={"command": command, "adapter": agent, **PATIENT})
    model.no_upgrade = 400
    model.play(Run("env"), *work(project, agent))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    assert "GIT_CONFIG_KEY_0=safe.directory" in model.prompts()  # as every program in a machine gets it
    assert KEY not in model.prompts()  # in a machine it is a placeholder, and such a request is refused


@pytest.mark.parametrize("permission", ["deny", "ask"])
async def test_symphonys_own_tools_need_no_permission(
    agent: str, project: Project, model: Model, permission: str
) -> None:
    project.configure(
        "Do it.\n",
        acp={"command": None, "adapter": agent, "permission": permission, **PATIENT},
    )
    model.play(UseMcp("mark_done", {"title": "Nothing to do", "summary": "It was done already."}))
    project.drop("3")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.state_of("3") == "Done")


async def test_a_check_that_fails_is_the_answer_to_mark_done_and_is_mended_in_the_same_turn(
    agent: str, project: Project, model: Model, tmp_path: Any
) -> None:
    check = {"name": "greeting", "run": "grep -q world hello.txt || { echo nobody is greeted; exit 3; }"}
    project.configure(
        "Do {{ issue.title }}.\n",
        acp={"command": None, "adapter": agent, **PATIENT},
        agent={"max_failures": 1, "max_turns": 1},
        checks=[check],
    )
    first = work(project, agent)
    mend = Run(f"echo hello world > hello.txt && {COMMIT}")
    model.play(*first, mend, first[-1], Say("It is done."))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    clone = project.apply("3", tmp_path / "clone")
    assert (clone / "hello.txt").read_text() == "hello world\n"
    log = project.log("3")
    ended = [line["status"] for line in log if line["kind"] == "hook" and line["name"] == "greeting"]
    assert ended == [3, 0]
    assert [line["turns"] for line in log if line["kind"] == "ended"] == [1]
    said = [asked for asked in model.asked if "nobody is greeted" in str(asked)]
    assert said, "the check's output has not reached the model"
    assert "greeting (exit status 3):" in str(said[0])
    assert "greeting (" in project.patch("3").read_text()


@pytest.mark.parametrize("agent", ["opencode"])
async def test_a_project_that_configures_its_agent_gets_nothing_of_the_agents_own_back(
    agent: str, project: Project, model: Model, tmp_path: Any
) -> None:
    of_the_user = tmp_path / "home" / ".config" / "opencode" / "opencode.json"
    schema = {"$schema": "https://opencode.ai/config.json"}  # which OpenCode writes into a file without it
    config = schema | json.loads(of_the_user.read_text())
    (project.root / "opencode.json").write_text(json.dumps(config))
    of_the_user.unlink()
    git(project.root, "add", "opencode.json")
    git(project.root, "commit", "--quiet", "-m", "Choose a model")
    model.play(*work(project, agent), Say("It is done."))
    project.drop("3", "---\ntitle: Say hello\n---\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("3").exists())
    clone = project.apply("3", tmp_path / "clone")
    assert git(clone, "log", "--format=", "--name-only", "-1") == "hello.txt"
    assert git(clone, "log", "--format=%s", "-1") == "Say hello"
