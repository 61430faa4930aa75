"""`symphony logs`: a run log as a story, also while it is being written."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import BOUND_S, ENVIRONMENT, argv, symphony

AT = "2026-01-01T12:00:{:02}.000000+00:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with one issue that has not run."""
    (tmp_path / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n")
    (tmp_path / "issues/Todo").mkdir(parents=True)
    (tmp_path / "issues/Todo/1.md").touch()
    return tmp_path


def append(folder: Path, *lines: dict[str, Any] | bytes) -> Path:
    """Write lines as the daemon does."""
    path = folder / ".symphony/logs/1.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        for line in lines:
            file.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    return path


def line(number: int, kind: str = "plan", **fields: Any) -> dict[str, Any]:
    return {"at": AT.format(number), "attempt": "1.1", "kind": kind, **fields}


def test_an_issue_that_has_not_run_says_so(folder):
    ran = symphony(folder, "logs", "1")
    path = folder / ".symphony/logs/1.jsonl"
    assert (ran.status, ran.out) == (0, f"Issue 1 has not run yet; its run log will be {path}.\n")
    assert symphony(folder, "logs", "1", "--json").out == ""


def test_the_story_has_a_line_for_each_thing_and_hides_the_protocol(folder):
    append(
        folder,
        line(1, "phase", phase="in a turn", turn=1),
        line(2, "frame_out", frame={"method": "session/prompt"}),
        b"torn and no JSON\n",
        line(3, "question", question="Blue?", context="Or\nred."),
        line(4, "novelty", colour="red"),
    )
    assert symphony(folder, "logs", "1").out == (
        "attempt 1.1, 2026-01-01 (UTC)\n"
        "12:00:01  phase     in a turn, turn 1\n"
        "12:00:03  question  Blue?\n"
        "                    Or\n"
        "                    red.\n"
        "12:00:04  novelty   colour=red\n"
    )
    assert '12:00:02  ->        {"method": "session/prompt"}\n' in symphony(folder, "logs", "1", "--raw").out


def test_only_the_last_entries_are_shown_under_their_attempt(folder):
    append(folder, *(line(number, text=f"step {number}") for number in range(30)))
    assert symphony(folder, "logs", "1", "-n", "2").out == (
        "attempt 1.1, 2026-01-01 (UTC)\n12:00:28  plan      step 28\n12:00:29  plan      step 29\n"
    )
    append(folder, {**line(40, text="again"), "attempt": "1.2"})
    assert symphony(folder, "logs", "1", "-n", "2").out == (
        "attempt 1.1, 2026-01-01 (UTC)\n12:00:29  plan      step 29\n"
        "\nattempt 1.2, 2026-01-01 (UTC)\n12:00:40  plan      again\n"
    )
    raw = symphony(folder, "logs", "1", "-n", "1", "--json").out
    assert [json.loads(each) for each in raw.splitlines()] == [{**line(40, text="again"), "attempt": "1.2"}]
    assert symphony(folder, "logs", "1", "-n", "0").out == ""


def test_nothing_in_the_log_reaches_the_terminal_as_a_control_character(folder):
    append(folder, '{"at":"","attempt":"\u009b1","kind":"stderr","text":"\u009b2J\u202e"}\n'.encode())
    for words in ([], ["--json"], ["--raw"]):
        assert not any(mark in symphony(folder, "logs", "1", *words).out for mark in "\x1b\u009b\u202e")


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_following_begins_before_the_log_is_there_and_ends_quietly_on_ctrl_c(folder, words):
    process = subprocess.Popen(
        argv("logs", "1", "-f", *words),
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    if not words:
        assert "has not run yet" in process.stdout.readline()
    append(folder, line(1, text="step 1"))
    while "step 1" not in process.stdout.readline():
        assert process.poll() is None
    append(folder, json.dumps(line(2, text="step 2")).encode())
    append(folder, b"\n")
    assert "step 2" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, out, err) == (0, "", "")


def test_following_shows_what_an_agent_is_still_saying_when_it_pauses(folder):
    update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "Hold on"}}
    append(folder, line(1, text="earlier"), line(2, text="ready"))
    process = subprocess.Popen(
        argv("logs", "1", "-f", "-n", "1"), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "attempt 1.1, 2026-01-01 (UTC)\n"
    assert process.stdout.readline() == "12:00:02  plan      ready\n"
    append(folder, line(3, "frame_in", frame={"method": "session/update", "params": {"update": update}}))
    assert process.stdout.readline() == "12:00:03  agent     Hold on\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=BOUND_S)


def test_a_reader_that_goes_away_ends_it_as_a_pipe_does(folder):
    append(folder, *(line(1, text="x" * 500) for _ in range(2_000)))
    process = subprocess.Popen(
        argv("logs", "1", "-n", "2000"),
        cwd=folder,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(BOUND_S) == 141


def test_a_full_disk_is_said_in_one_line(folder):
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(
            argv("status"), cwd=folder, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, timeout=BOUND_S,
            check=False,
        )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (
        1,
        b"symphony: The output cannot be written: no space left on device.\n",
    )
