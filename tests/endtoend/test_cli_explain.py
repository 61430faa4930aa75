"""`symphony explain`: from the files without a daemon, through the API beside one, in the same words."""

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from symphony.core.claim import IssueRecord, Retrying, Waiting
from symphony.core.effect import Audit
from symphony.core.ports import AttemptRow, Changes
from symphony.core.steering import SteeringRequest
from symphony.store.sqlite import open_store
from tests.support.command_line import symphony
from tests.support.project import Project

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NONE_RUNS = "  No daemon runs; nothing of this happens before `symphony` starts one.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a workflow and empty issue folders."""
    (tmp_path / "WORKFLOW.md").write_text("---\nsandbox: local\nacp: {adapter: demo}\n---\nDo it.\n")
    for state in ("Todo", "Done"):
        (tmp_path / "issues" / state).mkdir(parents=True)
    return tmp_path


def drop(folder: Path, issue_id: str, text: str = "", state: str = "Todo") -> Path:
    path = folder / "issues" / state / f"{issue_id}.md"
    path.write_text(text)
    return path


def test_an_issue_is_explained_from_its_file_before_anything_ran(folder):
    drop(folder, "1", "---\nblocked_by: ['2']\n---\n")
    drop(folder, "2", "---\nblocked_by: ['1']\n---\n")
    ran = symphony(folder, "explain", "1")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "1: Not running: blocked by 2 (Todo).\n"
        "\n"
        "What happens next\n"
        "  Nothing, ever, by itself: 1 → 2 → 1 wait for one another in a circle; "
        "take one of them out of another's blocked_by.\n" + NONE_RUNS
    )


async def test_retries_questions_and_decisions_are_read_from_the_store(folder):
    drop(folder, "1")
    drop(folder, "3")
    due = datetime.now(UTC) + timedelta(seconds=290)  # a later one is due sooner after a start
    asked = SteeringRequest("3.1.q1", "3", "3.1", "Blue or red?", "", NOON)
    decisions = tuple(Audit(NOON + timedelta(seconds=n), "1", "retry", f"reason {n}") for n in range(12))
    async with open_store(folder / ".symphony" / "symphony.db") as store:
        await store.attempt_started(AttemptRow("3.1", "3", 1, "demo", "local", NOON))
        await store.ask(asked)
        records = (
            IssueRecord("1", Retrying(due, "git failed"), failures=2, attempts=2),
            IssueRecord("3", Waiting(asked), attempts=1),
        )
        await store.apply(Changes(records, audit=decisions))
    retrying = symphony(folder, "explain", "1").out
    assert f"  Attempt 3 starts, after failure 2 of 5, at {due:%Y-%m-%d %H:%M:%S} UTC, in 4m " in retrying
    head, _, table = retrying.partition("Last decisions, newest first\n")
    assert NONE_RUNS in head
    assert [line.split()[-1] for line in table.splitlines()] == [str(n) for n in range(11, 1, -1)]
    waiting = symphony(folder, "explain", "3").out
    assert waiting.startswith(
        "3: Not running: waiting for your answer; `symphony inbox` shows the question.\n"
    )
    assert "  Nothing, until you answer with `symphony reply 3 TEXT`; then a new attempt starts" in waiting


def test_json_is_the_apis_with_the_daemon_beside_it(folder):
    drop(folder, "1", state="Done")
    explained = json.loads(symphony(folder, "explain", "1", "--json").out)
    assert explained.keys() == {"issue_id", "generated_at", "code", "where", "next", "decisions", "daemon"}
    assert (explained["code"], explained["daemon"]) == ("finished", None)
    assert [step["at"] for step in explained["next"]] == [None]


def test_files_that_are_no_issues_are_explained_too(folder):
    drop(folder, "1", "---\n[\n---\n")
    drop(folder, "2")
    drop(folder, "2", state="Done")
    assert symphony(folder, "explain", "1").out.startswith("1: Its file cannot be read: ")
    assert symphony(folder, "explain", "2").out.startswith("2: In conflict: more than one file has this id: ")


def test_an_unknown_id_is_refused_in_one_line(folder):
    ran = symphony(folder, "explain", "nope")
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == "symphony: There is no issue nope. `symphony status` lists the issues.\n"


async def cli(project: Project, *words: str):
    return await asyncio.to_thread(symphony, project.root, *words)


async def test_a_running_daemon_explains_the_attempt_it_runs(project_with):
    project = project_with("never_answers")
    project.configure(agent={"max_concurrent_agents": 1})
    async with project.daemon() as daemon:
        project.drop("1", "---\ntitle: Takes its time\n---\n")
        await daemon.until(lambda: any(line.get("phase") == "in a turn" for line in project.log("1")))
        await cli(project, "new", "Waits", "--id", "2")  # through the daemon, which knows of it then
        running = await cli(project, "explain", "1")
        assert running.out.startswith("1: Running: in a turn, turn 1 of 20.\n")
        assert "  The agent goes on until it calls mark_done or asks you something, " in running.out
        assert "  If nothing is heard of the agent it counts as stalled and is ended, at 20" in running.out
        assert "dispatch  attempt 1: eligible\n" in running.out
        assert NONE_RUNS not in running.out
        explained = json.loads((await cli(project, "explain", "2", "--json")).out)
        assert explained["code"] == "no_slot"
        assert explained["daemon"]["pid"] == os.getpid()
        assert explained["next"][0]["text"] == "It starts as soon as a slot is free; slots are held by 1"
        refused = await cli(project, "explain", "9")
        assert refused.err == "symphony: There is no issue 9. `symphony status` lists the issues.\n"
        await cli(project, "cancel", "1")
        await daemon.until_outcome("1")
