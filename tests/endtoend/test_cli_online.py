"""The commands beside a running daemon: they go through its HTTP API and say the same."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from symphony.cli import client, desk
from symphony.cli.desk import act, read
from symphony.cli.errors import CommandError
from symphony.cli.place import Place
from symphony.host.lock import DaemonLock, publish_daemon
from tests.support.command_line import Ran, symphony
from tests.support.project import Project

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DEMO = {"command": None, "adapter": "demo"}
ASKS = "---\ntitle: A question\n---\nAsk: Blue or red?\n\n```file colour.txt\n@REPLY@\n```\n"


async def cli(project: Project, *words: str, **options: Any) -> Ran:
    return await asyncio.to_thread(symphony, project.root, *words, **options)


async def json_of(project: Project, *words: str) -> Any:
    ran = await cli(project, *words, "--json")
    assert ran.status == 0, ran.err
    return json.loads(ran.out)


def shape(value: Any) -> Any:
    """Return a JSON value's keys and kinds, without what differs from moment to moment."""
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case list():
            return [shape(each) for each in value[:1]]
        case bool() | str() | None:
            return type(value).__name__
        case _:
            return "number"


@pytest.fixture
def asking(project: Project) -> Project:
    """A project in whose one issue the agent asks a question."""
    project.configure(acp=DEMO)
    project.drop("3", ASKS)
    return project


async def until_waiting(daemon: Any) -> None:
    for _ in range(2_000):
        if (await daemon.state())["waiting"]:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the agent did not ask")


async def test_a_question_is_answered_from_the_command_line_and_the_work_goes_on(asking):
    async with asking.daemon() as daemon:
        await until_waiting(daemon)
        inbox = await cli(asking, "inbox")
        assert "    Blue or red?\n" in inbox.out
        assert "    symphony reply 3 TEXT\n" in inbox.out
        answered = await cli(asking, "reply", "3", "Blue.")
        assert (answered.status, answered.out) == (0, "Answered issue 3; the agent goes on with it.\n")
        await daemon.until(lambda: asking.state_of("3") == "Done" and asking.patch("3").exists())
        shown = await cli(asking, "show", "3")
        assert f"    git am {asking.patch('3')}\n" in shown.out
    assert "+Blue.\n" in asking.patch("3").read_text()


async def test_status_names_the_daemon_and_what_runs(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        project.drop("1", "---\ntitle: Takes its time\n---\n")
        project.drop("2", "---\nblocked_by: ['1']\n---\n")
        await daemon.until(lambda: any(line.get("phase") == "in a turn" for line in project.log("1")))
        out = (await cli(project, "status")).out
        assert out.startswith("working: 1 running, 0 waiting for their next attempt\n")
        assert f"\n  daemon    process {os.getpid()} at {daemon.said.running.url}, since " in out
        assert "\n  sandbox   local isolates nothing: " in out
        assert "\nRunning (1)\n  1  in a turn  turn 1/20  " in out
        assert "  Takes its time" in out
        assert "\n  2  Todo  2  blocked by 1 (Todo)\n" in out
        assert (await cli(project, "cancel", "1")).out == (
            "Issue 1 is cancelled; `symphony retry 1` starts it again.\n"
        )
        await daemon.until_outcome("1")


async def test_refusals_read_the_same_with_and_without_a_daemon(project):
    project.drop("1", state="Held")
    commands = (
        ["retry", "9"], ["cancel", "1"], ["reply", "1", "x"], ["show", "9"], ["logs", "9"], ["discard", "1"],
        ["move", "9", "Done"], ["move", "1", "Nope"], ["new", "x", "--id", "1"], ["new", " "], ["pause", "9"],
        ["resume", "9"], ["approve", "9"],
    )  # fmt: skip
    async with project.daemon():
        online = [await cli(project, *words) for words in commands]
    offline = [await cli(project, *words) for words in commands]
    assert [ran.err for ran in online] == [ran.err for ran in offline]
    assert {ran.status for ran in (*online, *offline)} == {1}


async def test_json_has_the_same_shape_with_and_without_a_daemon(asking):
    reading = (["status"], ["inbox"], ["show", "3"])
    async with asking.daemon() as daemon:
        await until_waiting(daemon)
        online = [await json_of(asking, *words) for words in reading]
    offline = [await json_of(asking, *words) for words in reading]
    assert online[0]["daemon"]["pid"] == os.getpid()
    assert online[0]["daemon"]["answers"] is True
    for live, stored in zip(online, offline, strict=True):
        for views in (live, stored):
            views.pop("daemon", None)
        assert shape(stored).keys() == shape(live).keys()
    assert shape(offline[0]["waiting"]) == shape(online[0]["waiting"])
    assert shape(offline[1]["questions"]) == shape(online[1]["questions"])
    assert shape(offline[2]["issue"]) == shape(online[2]["issue"])
    assert shape(offline[2]["steering"]) == shape(online[2]["steering"])


async def test_commands_that_change_something_go_through_the_daemon(project):
    async with project.daemon() as daemon:
        assert (await cli(project, "pause")).out.startswith("Everything is paused")
        assert (await daemon.state())["paused"] is True
        path = project.root / "issues/Todo/1.md"
        created = await cli(project, "new", "Held back", "--body", "-", "--label", "A", stdin=b"text")
        assert created.out == f"{path}\n"
        assert await daemon.reason("1") == "Not running: everything is paused; `symphony resume` lifts it."
        assert (await cli(project, "pause", "1")).status == 0
        assert (await cli(project, "resume")).out == "Everything may start again.\n"
        moved = await cli(project, "move", "1", "Proposed")
        assert moved.out == f"Issue 1 is in Proposed: {project.root}/issues/Proposed/1.md\n"
        assert (await cli(project, "approve", "1")).out == f"Issue 1 is in Todo: {path}\n"
        assert (await cli(project, "resume", "1")).out == "Issue 1 may start again.\n"
        await daemon.until(project.patch("1").exists)


async def test_the_token_is_taken_from_the_workflow_when_the_daemon_asks_for_one(project, monkeypatch):
    monkeypatch.setenv("SYMPHONY_TEST_TOKEN", "a secret of some length")
    project.configure(server={"token": "$SYMPHONY_TEST_TOKEN"})
    async with project.daemon() as daemon:
        right = {"SYMPHONY_TEST_TOKEN": "a secret of some length"}
        assert (await cli(project, "status", environment=right)).status == 0
        wrong = await cli(project, "pause", environment={"SYMPHONY_TEST_TOKEN": "another"})
        assert (wrong.status, wrong.err) == (
            1,
            "symphony: The daemon asks for its token, and WORKFLOW.md has none or another one. "
            "Set server.token, or the variable it names, as it was when the daemon started.\n",
        )
        assert daemon.said.running is not None


async def test_a_broken_workflow_does_not_hide_the_daemon_that_runs_on_the_last_good_one(project):
    async with project.daemon() as daemon:
        (project.root / "WORKFLOW.md").write_text("---\nagent: {max_turns: soon}\n---\n")
        for _ in range(2_000):
            if (await daemon.state())["problems"]:
                break
            await asyncio.sleep(0.02)
        ran = await cli(project, "status")
        assert ran.status == 0
        assert ran.out.startswith("attention: ")
        isolation = "local isolates nothing: the agent runs as you, with your files, logins and network."
        assert f"\n  sandbox   {isolation}\n" in ran.out
        assert "\nProblems (1)\n  " in ran.out
        assert "agent.max_turns" in ran.out


async def test_a_second_daemon_refuses_to_start_and_names_the_first(project):
    async with project.daemon() as daemon:
        ran = await cli(project, "--port", "0")
        assert ran.status == 1
        first, _, second = ran.err.partition(", since ")
        pid, url = os.getpid(), daemon.said.running.url
        assert (
            first == f"symphony: a symphony daemon already runs for {project.root}/.symphony: process {pid}"
        )
        assert second.endswith(f", at {url}. Use that one, or end it with `kill {pid}` and start again.\n")


# --- a daemon that cannot be asked -------------------------------------------------------------------


@pytest.fixture
def place(project: Project, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The project, for commands that lose no time in waiting for a daemon."""
    monkeypatch.setattr(desk, "READY_BOUND_S", 0.0)
    return Place(project.root / "WORKFLOW.md")


@pytest.fixture
def held(place: Place) -> Any:
    """A lock as a daemon holds it; the test decides what it says of itself."""
    lock = DaemonLock(place.installation, place.path.parent / "issues", NOON)
    lock.acquire()
    yield place.installation
    lock.release()


def test_a_daemon_that_does_not_listen_yet_is_waited_for_and_then_named(place, held):
    with pytest.raises(CommandError) as refused:
        act(place, lambda asked: asked.command("pause", None))
    assert refused.value.code == "daemon_unreachable"
    assert str(refused.value) == (
        f"The daemon (process {os.getpid()}) cannot be reached: it does not listen yet. "
        f"Its log is {held.log_file}; `kill {os.getpid()}` ends it."
    )


def test_reading_goes_on_with_the_files_and_says_so(place, held, capsys):
    publish_daemon(held, "http://127.0.0.1:9")
    state, live = read(place, lambda asked: (asked.state(), asked.live))
    assert state["status"] == "idle"
    assert live is False
    said = capsys.readouterr().err
    assert said.startswith(
        f"symphony: The daemon (process {os.getpid()}) cannot be reached at http://127.0.0.1:9: "
    )
    assert said.endswith(" What follows is read from the files.\n")


def whole_request(connection: socket.socket) -> bytes:
    """Read a request to its end: closing over unread bytes would reset the answer away."""
    with connection.makefile("rb") as reader:
        head = b"".join(iter(reader.readline, b"\r\n"))
        length = next(line for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        return head + reader.read(int(length.split(b":")[1]))


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n<html>", "not_symphony",
         "What answers at {url} is not this symphony: '<html>'. "
         "Use the symphony that the daemon was started with."),
        (b"HTTP/1.0 500 No\r\n\r\n[]", "not_symphony",
         "What answers at {url} is not this symphony: '[]'. "
         "Use the symphony that the daemon was started with."),
        (b"", "daemon_silent",
         "The daemon (process {pid}) did not answer: Remote end closed connection without response. "
         "Look at `symphony status` before you repeat this: it may have been done."),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_said_and_not_repeated(place, held, answer, code, message):
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked: list[bytes] = []

        def answer_once() -> None:
            connection, _ = server.accept()
            with connection:
                asked.append(whole_request(connection))
                connection.sendall(answer)

        answering = threading.Thread(target=answer_once)
        answering.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        publish_daemon(held, url)
        with pytest.raises(CommandError) as refused:
            act(place, lambda desk: desk.command("pause", None))
        answering.join()
    assert refused.value.code == code
    assert str(refused.value) == message.format(url=url, pid=os.getpid())
    assert asked[0].startswith(b"POST /api/v1/pause HTTP/1.1\r\n")


def test_a_daemon_on_another_machine_is_not_taken_for_one_here(place, held):
    publish_daemon(held, "http://127.0.0.1:9")
    words = json.loads(held.lock_file.read_text())
    held.lock_file.write_text(json.dumps({**words, "machine": "far-away"}))
    with pytest.raises(CommandError) as refused:
        act(place, lambda asked: asked.command("pause", None))
    assert str(refused.value) == (
        f"The daemon (process {os.getpid()}) runs on the machine far-away and listens only there. "
        "Run this on far-away."
    )


def test_a_daemon_that_starts_in_between_is_asked_instead(project):
    started: list[subprocess.Popen[bytes]] = []
    asked_live: list[bool] = []

    def command(asked: desk.Desk) -> None:
        asked_live.append(asked.live)
        if not started:
            started.append(project.start())
            until_ready(started[0])
        asked.command("pause", None)

    try:
        act(Place(project.root / "WORKFLOW.md"), command)
        assert asked_live == [False, True]
        assert json.loads(symphony(project.root, "status", "--json").out)["paused"] is True
    finally:
        for process in started:
            process.terminate()
            process.communicate(timeout=60)


def test_a_daemon_that_hangs_is_given_up_and_the_files_are_read(project, monkeypatch, capsys):
    process = project.start()
    try:
        until_ready(process)
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(client, "READ_BOUND_S", 0.5)
        place = Place(project.root / "WORKFLOW.md")
        assert read(place, lambda asked: (asked.state()["status"], asked.live)) == ("idle", False)
        assert capsys.readouterr().err == (
            f"symphony: The daemon (process {process.pid}) did not answer: timed out. "
            "Look at `symphony status` before you repeat this: it may have been done. "
            "What follows is read from the files.\n"
        )
    finally:
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        process.communicate(timeout=60)


def until_ready(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    while b"Ctrl-C" not in (line := process.stdout.readline()):
        assert line, "the daemon ended before it was ready"


def test_the_place_of_a_command_is_beside_the_workflow(tmp_path: Path):
    assert Place(tmp_path / "sub/flow.md").installation.root == tmp_path / "sub/.symphony"
