"""The commands without a daemon: real processes on real folders."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.claim import IssueRecord, Parked, Retrying, Waiting
from symphony.core.handoff import Completion, Handoff
from symphony.core.outcome import Delivered
from symphony.core.ports import AttemptRow, Changes
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.host.lock import DaemonLock
from symphony.store.sqlite import SqliteStore, open_store
from symphony.workflow.loader import load_workflow
from tests.support.command_line import on_terminal, symphony

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORKFLOW = "---\nsandbox: local\nacp: {adapter: demo}\n---\nDo it.\n"
EVIL = '---\ntitle: "Fix \\e]0;pwned\\a\\e[31m it"\n---\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a workflow and empty issue folders."""
    (tmp_path / "WORKFLOW.md").write_text(WORKFLOW)
    for state in ("Todo", "In Progress", "Done"):
        (tmp_path / "issues" / state).mkdir(parents=True)
    return tmp_path


def drop(folder: Path, issue_id: str, text: str = "", state: str = "Todo") -> Path:
    path = folder / "issues" / state / f"{issue_id}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def store_of(folder: Path):
    return open_store(folder / ".symphony" / "symphony.db")


async def ask(store: SqliteStore, issue_id: str = "3") -> None:
    steering = SteeringRequest(
        f"{issue_id}.1.q1", issue_id, f"{issue_id}.1", "Blue\nor red?", "It is wet.", NOON
    )
    await store.attempt_started(AttemptRow(f"{issue_id}.1", issue_id, 1, "demo", "local", NOON))
    await store.ask(steering)
    await store.apply(Changes((IssueRecord(issue_id, Waiting(steering), attempts=1),)))


async def park(store: SqliteStore, issue_id: str, revision: str, reasons: Sequence[str]) -> None:
    parked = Parked(NOON, tuple(reasons), revision)
    record = IssueRecord(issue_id, parked, failures=len(reasons), failure_reasons=tuple(reasons), attempts=5)
    await store.apply(Changes((record,)))


def revision_of(folder: Path, issue_id: str) -> str:
    shown = json.loads(symphony(folder, "show", issue_id, "--json").out)
    return str(shown["issue"]["revision"])


# --- wrong usage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--prot", "0"], "symphony run: no such option: --prot. Did you mean '--port'?"),
        (["status", "--jsn"], "symphony status: no such option: --jsn. Did you mean '--json'?"),
        (["statsu"], "symphony: there is no command 'statsu'. Did you mean 'status'?"),
        (["new"], "symphony new: missing argument 'TITLE'. `symphony new --help` says more."),
        (["pause", "1", "2"],
         "symphony pause: got unexpected extra argument(s) (2). `symphony pause --help` says more."),
        (["--port", "70000"],
         "symphony run: invalid value for '--port': Input should be less than or equal to 65535. "
         "`symphony run --help` says more."),
        (["nope.md"],
         "symphony: nope.md: the workflow cannot be read: it does not exist. "
         "Name the file, or create one with `symphony init`."),
        (["status", "--workflow", "issues"],
         "symphony: issues: the workflow cannot be read: it is a folder. "
         "Name the file, or create one with `symphony init`."),
        (["--sandbox", "docker"],
         "symphony: sandbox: there is no kind 'docker'. Set `sandbox` to smolvm or local in WORKFLOW.md, "
         "or start with `--sandbox`."),
    ],
)  # fmt: skip
def test_wrong_usage_is_status_2_with_one_line_on_stderr(folder, words, message):
    ran = symphony(folder, *words)
    assert (ran.status, ran.out, ran.err) == (2, "", message + "\n")


@pytest.mark.parametrize("command", [["run"], ["status"], ["new", "A title"], ["reply", "1", "Yes"]])
def test_every_problem_of_an_invalid_workflow_has_a_line_with_file_line_and_key(folder, command):
    (folder / "WORKFLOW.md").write_text("---\nagent:\n  max_turn: 3\npolling: {interval_ms: soon}\n---\n")
    ran = symphony(folder, *command)
    assert ran.status == 2
    first, second = ran.err.splitlines()
    assert first.startswith("symphony: WORKFLOW.md:3: agent.max_turn: unknown key; allowed: ")
    assert first.endswith("Did you mean max_turns?")
    assert second.startswith("symphony: WORKFLOW.md:4: polling.interval_ms: found ")


def test_help_is_plain_on_a_pipe_and_names_every_command(folder):
    ran = symphony(folder, "-h")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith("Usage: symphony [OPTIONS] COMMAND [ARGS]...\n")
    assert "\x1b" not in ran.out
    assert "  logs        Show what happened to one issue.\n" in ran.out
    assert symphony(folder, "new", "--help").out.startswith("Usage: symphony new [OPTIONS] ")


def test_the_version_is_printed(folder):
    assert symphony(folder, "--version").out == "symphony 0.1.0\n"


# --- init and new ------------------------------------------------------------------------------------


def test_init_writes_what_is_missing_and_a_second_time_changes_nothing(tmp_path):
    first = symphony(tmp_path, "init")
    assert first.status == 0
    assert first.out == (
        "wrote  WORKFLOW.md\n"
        "wrote  issues/Todo\n"
        "wrote  issues/In Progress\n"
        "wrote  issues/Done\n"
        "wrote  .gitignore: .symphony/\n"
        "\n"
        "This is no git repository yet; agents need one with a commit: `git init`.\n"
        'Next: `symphony new "TITLE" --body "WHAT IS WANTED"` writes the first issue.\n'
        "Then: `symphony` works on it, and `symphony status` shows how it goes.\n"
    )
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    second = symphony(tmp_path, "init")
    assert second.out.splitlines()[:2] == ["there already  WORKFLOW.md", "there already  issues/Todo"]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_workflow_that_init_writes_loads_without_a_warning(tmp_path):
    symphony(tmp_path, "init", "a/project")
    workflow = load_workflow(tmp_path / "a/project/WORKFLOW.md", {})
    assert workflow.settings.sandbox == "smolvm"
    assert workflow.warnings == ()
    assert symphony(tmp_path / "a/project", "status").status == 0


def test_init_keeps_the_authors_files_and_follows_the_authors_workflow(tmp_path):
    (tmp_path / "WORKFLOW.md").write_text("---\ntracker: {root: ./work, active_states: [Now]}\n---\n")
    (tmp_path / ".gitignore").write_text("*.log")
    ran = symphony(tmp_path, "init")
    assert ran.out.splitlines()[:4] == [
        "there already  WORKFLOW.md",
        "wrote          work/Now",
        "wrote          work/Done",
        "wrote          .gitignore: .symphony/",
    ]
    assert (tmp_path / ".gitignore").read_text() == "*.log\n.symphony/\n"


def test_init_says_which_file_it_cannot_write(tmp_path):
    (tmp_path / "file").touch()
    ran = symphony(tmp_path, "init", "file/project")
    assert (ran.status, ran.err) == (
        1,
        "symphony: file/project cannot be written: not a directory. "
        "Name a folder that you may write to; repeating this adds only what is missing.\n",
    )


def test_new_prints_the_path_alone(folder):
    ran = symphony(
        folder, "new", "Fix it", "--body", "-", "--priority", "2", "--label", "UI", "--label", "api",
        "--blocked-by", "9", "--state", "in progress", "--id", "fix-1", stdin="Über\n".encode(),
    )  # fmt: skip
    path = folder / "issues/In Progress/fix-1.md"
    assert (ran.status, ran.out, ran.err) == (0, f"{path}\n", "")
    issue = json.loads(symphony(folder, "show", "fix-1", "--json").out)["issue"]
    assert issue["title"] == "Fix it"
    assert issue["description"].strip() == "Über"
    assert (issue["priority"], issue["labels"], issue["blocked_by"]) == (2, ["ui", "api"], ["9"])


def test_new_takes_the_next_free_number(folder):
    drop(folder, "7", state="Done")
    assert symphony(folder, "new", "Next").out == f"{folder / 'issues/Todo/8.md'}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["new", " "], "The title is blank. Write one line; the rest belongs in the body."),
        (["new", "x", "--id", ".."],
         "'..' cannot be an issue id: it starts with a dot. "
         "Choose another, or leave it out to get the next free number."),
        (["new", "x", "--state", "Nope"],
         "There is no state 'Nope'. Use one of: Todo, In Progress, Done, Closed, Cancelled, Canceled, "
         "Duplicate, Proposed."),
        (["move", "9", "Done"],
         "No issue '9' in {folder}/issues. `symphony status` lists the issues there are."),
        (["show", "9"], "There is no issue 9. `symphony status` lists the issues."),
        (["logs", "9"], "There is no issue 9. `symphony status` lists the issues."),
        (["retry", "9"], "There is no issue 9. `symphony status` lists the issues."),
        (["cancel", "1"], "Issue 1 is not running. `symphony pause 1` keeps it from being started."),
        (["reply", "1", "Yes"],
         "Issue 1 has no open question. `symphony inbox` lists the questions that are open."),
        (["reply", "1", " "], "The reply is empty. Write an answer for the agent."),
        (["approve", "1"], "Issue 1 is in Todo and needs no approval."),
        (["discard", "1"], "Issue 1 has no workspace and no patch."),
    ],
)  # fmt: skip
def test_a_refusal_is_status_1_with_one_line_that_says_what_to_do(folder, words, message):
    drop(folder, "1")
    ran = symphony(folder, *words)
    assert (ran.status, ran.out, ran.err) == (1, "", f"symphony: {message.format(folder=folder)}\n")


def test_text_on_stdin_that_is_no_text_is_wrong_usage(folder):
    ran = symphony(folder, "new", "x", "--body", "-", stdin=b"\xff")
    assert (ran.status, ran.err) == (2, "symphony: the text on stdin is not valid UTF-8.\n")
    assert list((folder / "issues/Todo").iterdir()) == []


# --- status, inbox, show -----------------------------------------------------------------------------


def test_status_of_a_fresh_project_says_that_nothing_runs_and_what_is_not_isolated(folder):
    ran = symphony(folder, "status")
    assert ran.out == (
        "idle: nothing to do\n"
        "\n"
        "  daemon    none runs; this is read from the files, and `symphony` starts one\n"
        f"  workflow  {folder}/WORKFLOW.md\n"
        "  sandbox   local isolates nothing: the agent runs as you, with your files, logins and network.\n"
        "  issues    none yet\n"
    )


def test_status_where_the_issues_folder_is_missing_says_what_to_do(folder):
    (folder / "WORKFLOW.md").write_text("---\nsandbox: smolvm\ntracker: {root: ./elsewhere}\n---\n")
    ran = symphony(folder, "status")
    assert ran.status == 0
    assert "\nProblems (1)\n" in ran.out
    assert f"{folder}/elsewhere" in ran.out
    assert "\n  sandbox   smolvm gives every attempt a machine of its own: " in ran.out
    new = symphony(folder, "new", "x")
    assert (new.status, new.err) == (
        1,
        f"symphony: The issues folder {folder}/elsewhere does not exist. "
        "Run `symphony init` to make it, or set `tracker.root` to the right folder.\n",
    )


async def test_status_shows_every_reason_in_the_schedulers_words(folder):
    drop(folder, "1", "---\ntitle: First\n---\n")
    drop(folder, "2", "---\ntitle: Second\nblocked_by: ['1']\n---\n")
    drop(folder, "3", "---\ntitle: Third\n---\n")
    drop(folder, "4", "---\ntitle: Fourth\n---\n")
    drop(folder, "5", "---\ntitle: [broken\n---\n")
    async with store_of(folder) as store:
        await ask(store)
        await park(store, "4", revision_of(folder, "4"), ["no money", "no time"])
        await store.apply(
            Changes((IssueRecord("6", Retrying(NOON, "agent exited"), failures=1),), adapter_pauses={})
        )
    drop(folder, "6")
    out = symphony(folder, "status").out
    assert out.startswith("attention: 1 waiting for your answer, 1 failed, ")
    assert "\nWaiting for their next attempt (1)\n  6  now  retry  1 failure  agent exited\n" in out
    assert "  issues    Todo 5\n" in out
    assert "    Blue\n    or red?\n    | It is wet.\n    symphony reply 3 TEXT\n" in out
    assert "\nNot running (2)\n" in out
    assert "\n  2  Todo  Second  blocked by 1 (Todo)\n" in out
    assert (
        "\n  4  Todo  Fourth  failed 2 times in a row and is parked; `symphony retry 4` or an edit of the "
        "file starts it again. Last: no time\n"
    ) in out
    assert f"\nProblems (1)\n  {folder}/issues/Todo/5.md:" in out


async def test_inbox_shows_only_what_needs_a_person(folder):
    drop(folder, "1", "---\ntitle: First\n---\n")
    drop(folder, "2", "---\nblocked_by: ['1']\n---\n")
    drop(folder, "3", "---\ntitle: Third\n---\n")
    drop(folder, "4", "---\ntitle: Fourth\n---\n")
    assert symphony(folder, "inbox").out == "Nothing needs you.\n"
    async with store_of(folder) as store:
        await ask(store)
        await park(store, "4", revision_of(folder, "4"), ["no money"])
        completion = Completion("7", "7.1", "Done", "All of it.", NOON)
        await store.accept_completion(completion)
        waits = IssueRecord("7", Retrying(NOON, "the disk is full"), failures=2, completion=completion)
        await store.apply(Changes((waits,)))
    out = symphony(folder, "inbox").out
    assert out.startswith("Waiting for you (1)\n")
    assert "    symphony reply 3 TEXT\n" in out
    assert "\nParked (1)\n  4  Todo  Fourth\n    failed 1 time in a row and is parked; " in out
    assert "\nFinished and not handed over yet (1)\n  7  again now  2 failures  the disk is full\n" in out
    assert "First" not in out
    needs = json.loads(symphony(folder, "inbox", "--json").out)
    assert [view["issue_id"] for view in needs["questions"]] == ["3"]
    assert [view["code"] for view in needs["parked"]] == ["failed"]
    assert [view["kind"] for view in needs["undelivered"]] == ["handoff"]


async def test_show_tells_an_issues_whole_story(folder):
    drop(folder, "3", "---\ntitle: Third\npriority: 2\nlabels: [ui]\n---\nPlease\n\ndo it.\n")
    patch = folder / ".symphony/patches/agent_3.patch"
    async with store_of(folder) as store:
        await ask(store)
        await store.reply("3", "Blue,\nof course.", NOON)
        handoff = Handoff("patch", "Patch with 1 commit.", patch)
        await store.attempt_ended("3.1", NOON, Delivered(handoff), 2, Usage(input_tokens=1_200))
        await store.apply(Changes((IssueRecord("3", attempts=1, last_handoff=handoff.note),)))
    patch.parent.mkdir(parents=True)
    patch.touch()
    out = symphony(folder, "show", "3").out
    assert out.startswith("3  Third\nEligible: it starts with the next decision.\n\n  state     Todo\n")
    assert f"  file      {folder}/issues/Todo/3.md\n\n  Please\n\n  do it.\n" in out
    assert (
        "\nAttempts (1)\n"
        "  #  began                took  agent          outcome    turns  tokens\n"
        "  1  2026-01-01 12:00:00  0s    demo in local  delivered  2      1,200   Patch with 1 commit.\n"
    ) in out
    assert (
        "\nQuestions and answers\n"
        "  2026-01-01 12:00:00 UTC  the agent asked:\n    Blue\n    or red?\n    | It is wet.\n"
        "  2026-01-01 12:00:00 UTC  you answered:\n    Blue,\n    of course.\n"
    ) in out
    assert f"\nHandoff\n  Patch with 1 commit.\n    git am {patch}\n" in out
    assert out.endswith(f"\nRun log\n  {folder}/.symphony/logs/3.jsonl (none yet: it has not run)\n")


def test_nothing_that_an_issue_says_can_move_a_cursor(folder):
    drop(folder, "1", EVIL + "Body \x1b[2J end\n")
    drop(folder, "2", EVIL.replace("title", "blocked_by: ['1']\ntitle"))
    for words in (["status"], ["show", "1"], ["inbox"], ["status", "--json"], ["show", "1", "--json"]):
        ran = symphony(folder, *words)
        assert ran.status == 0
        assert not any(ord(character) < 32 and character != "\n" for character in ran.out)
    assert "\x1b]0" not in on_terminal(folder, "status", columns=80)


# --- commands that change something ------------------------------------------------------------------


def test_pause_and_resume_are_remembered(folder):
    drop(folder, "1")
    paused = symphony(folder, "pause")
    assert paused.out == "Everything is paused: no new attempt starts; `symphony resume` lifts that.\n"
    assert "  paused    everything; `symphony resume` lifts it\n" in symphony(folder, "status").out
    assert symphony(folder, "resume").out == "Everything may start again when symphony runs.\n"
    one = symphony(folder, "pause", "1")
    assert one.out == "Issue 1 is paused: no new attempt starts; `symphony resume 1` lifts that.\n"
    shown = json.loads(symphony(folder, "show", "1", "--json").out)
    assert shown["standing"] == "Not running: paused by you; `symphony resume 1` lifts it."
    assert [entry["decision"] for entry in shown["audit"]] == ["pause"]
    assert symphony(folder, "resume", "1").out == "Issue 1 may start again when symphony runs.\n"


async def test_a_reply_is_kept_for_the_agent_and_a_second_one_refused(folder):
    drop(folder, "3")
    async with store_of(folder) as store:
        await ask(store)
    ran = symphony(folder, "reply", "3", "-", stdin=b"Blue.\nLight blue.\n")
    assert ran.out == "Answered issue 3; the agent goes on with it when symphony runs.\n"
    assert symphony(folder, "inbox").out == "Nothing needs you.\n"
    again = symphony(folder, "reply", "3", "Red.")
    assert again.status == 1
    assert again.err.startswith("symphony: The question of issue 3 was already answered at ")
    assert again.err.endswith("The first reply is kept; the agent gets it as its next prompt.\n")
    async with store_of(folder) as store:
        (steering,) = (await store.load()).steering.values()
        assert steering.reply == "Blue.\nLight blue.\n"
        claim = (await store.load()).records["3"].claim
        assert isinstance(claim, Waiting)
        assert claim.attempt is None


async def test_retry_frees_a_parked_issue_and_begins_no_attempt(folder):
    drop(folder, "4")
    async with store_of(folder) as store:
        await park(store, "4", revision_of(folder, "4"), ["no money"])
    assert symphony(folder, "retry", "4").out == "Issue 4 is tried again when symphony runs.\n"
    async with store_of(folder) as store:
        record = (await store.load()).records["4"]
        assert (record.claim, record.failures, record.attempts) == (None, 0, 5)
        assert [entry.decision for entry in await store.audit_of("4")] == ["retry"]


async def test_cancel_parks_an_issue_that_waits_for_its_next_attempt(folder):
    drop(folder, "4")
    async with store_of(folder) as store:
        await store.apply(Changes((IssueRecord("4", Retrying(NOON, "gone"), failures=1, attempts=1),)))
    assert symphony(folder, "cancel", "4").out == (
        "Issue 4 is cancelled; `symphony retry 4` starts it again.\n"
    )
    shown = json.loads(symphony(folder, "show", "4", "--json").out)
    assert shown["standing"] == "Not running: cancelled by you; `symphony retry 4` starts it again."


def test_move_and_approve_move_the_file(folder):
    drop(folder, "1", "text")
    ran = symphony(folder, "move", "1", "done")
    assert ran.out == f"Issue 1 is in Done: {folder}/issues/Done/1.md\n"
    drop(folder, "2", state="Proposed")
    assert symphony(folder, "approve", "2").out == f"Issue 2 is in Todo: {folder}/issues/Todo/2.md\n"
    drop(folder, "1", "another")
    blocked = symphony(folder, "move", "1", "Done")
    assert blocked.status == 1
    assert "is in more than one file" in blocked.err


def test_what_writes_the_store_refuses_while_another_installation_holds_the_tracker(folder, tmp_path):
    drop(folder, "1")
    from symphony.core.installation import Installation

    elsewhere = DaemonLock(Installation(tmp_path / "elsewhere/.symphony"), folder / "issues", NOON)
    elsewhere.acquire()
    try:
        ran = symphony(folder, "pause", "1")
        assert ran.status == 1
        assert ran.err == (
            f"symphony: a symphony daemon already runs on the issues in {folder}/issues: "
            f"process {os.getpid()}, since 2026-01-01 12:00:00 UTC. "
            f"Use that one, or end it with `kill {os.getpid()}` and start again.\n"
        )
        assert symphony(folder, "status").status == 0, "reading needs no lock"
    finally:
        elsewhere.release()


# --- terminals and pipes -----------------------------------------------------------------------------


def test_a_terminal_gets_colours_and_lines_that_fit(folder):
    drop(folder, "1", "---\ntitle: One\n---\n")
    drop(folder, "2", f"---\ntitle: {'Two ' * 30}\nblocked_by: ['1']\n---\n")
    shown = on_terminal(folder, "status", columns=50)
    assert "\x1b[" in shown
    plain = shown.replace("\x1b[1;32m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in plain
    wide = [line for line in plain.splitlines() if len(line) > 50]
    assert wide == [f"  workflow  {folder}/WORKFLOW.md"], "a path stays whole, to be copied"


def test_no_color_is_respected_and_a_dumb_terminal_gets_no_markup(folder):
    assert "\x1b[1;32m" not in on_terminal(folder, "status", columns=80, environment={"NO_COLOR": "1"})
    assert "\x1b" not in on_terminal(folder, "status", columns=80, environment={"TERM": "dumb"})


def test_a_pipe_gets_whole_lines_whatever_the_width(folder):
    drop(folder, "1", "---\ntitle: One\n---\n")
    drop(folder, "2", f"---\ntitle: {'Two ' * 60}\nblocked_by: ['1']\n---\n")
    ran = symphony(folder, "show", "2", environment={"COLUMNS": "20"})
    assert ran.out.startswith(f"2  {('Two ' * 60).strip()}\n")


def test_a_title_that_the_output_cannot_show_breaks_nothing(folder):
    drop(folder, "1", "---\ntitle: Grüße ☃\nblocked_by: ['x']\n---\n")
    ran = symphony(folder, "status", environment={"PYTHONIOENCODING": "ascii"})
    assert ran.status == 0
    assert "Gr??e ?" in ran.out


def test_an_issue_named_like_an_option_can_be_shown(folder):
    drop(folder, "-n")
    assert symphony(folder, "show", "--", "-n").out.startswith("-n  -n\n")
