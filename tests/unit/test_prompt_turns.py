"""What an agent is told after its first turn, and of attempts before its own [CONTRACT 5.3]."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from symphony.core.issue import Issue
from symphony.core.ports import AttemptRow, Earlier, HookResult, Prompts, Workspace
from symphony.core.settings import Settings
from symphony.core.steering import SteeringRequest
from symphony.core.workflow import Workflow
from symphony.workflow.continuation import (
    checks_failed_prompt,
    continuation_prompt,
    earlier_prompt,
    reply_prompt,
)
from symphony.workflow.prompts import LiquidPrompts

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ISSUE = Issue(
    id="A-1",
    identifier="A-1",
    title="Mend it",
    state="Todo",
    path=Path("/repo/issues/Todo/A-1.md"),
    description="The roof leaks.\nSince May.",
)


def asked(question: str, context: str = "", reply: str | None = None) -> SteeringRequest:
    return SteeringRequest("s1", "A-1", "a1", question, context, NOON, reply)


def row(number: int, **fields: Any) -> AttemptRow:
    return AttemptRow(f"a{number}", "A-1", number, "demo", "local", NOON, **fields)


def test_a_continuation_says_which_turn_it_is_and_how_to_finish() -> None:
    assert continuation_prompt(ISSUE, 2, 5, edited=False) == (
        "The issue `A-1` is still open. This is turn 2 of 5; 3 more can follow.\n"
        "\n"
        "Go on from where you are: look at what is missing, do it, and check it. Keep your work committed "
        "on the "
        "current branch.\n"
        "When all that the issue asks for is committed, call `mark_done` with a title and a summary. When "
        "you "
        "need a person, call `request_human_steering` and stop.\n"
    )
    assert "This is turn 5 of 5; no turn is left after it." in continuation_prompt(ISSUE, 5, 5, edited=False)


def test_a_continuation_after_an_edit_brings_the_new_text_quoted() -> None:
    text = continuation_prompt(ISSUE, 2, 5, edited=True)
    assert (
        "A person has edited the issue. It now reads:\n\nTitle: Mend it\n\n> The roof leaks.\n> Since May.\n"
        in text
    )


def test_a_reply_turn_carries_question_context_and_reply() -> None:
    text = reply_prompt(asked("Which tile?", "Red or\nblack.", "Red.\n\n# not a heading"))
    assert text == (
        "You asked a person:\n\n> Which tile?\n\nwith this context:\n\n> Red or\n> black.\n\nThe answer:\n\n"
        "> Red.\n>\n> # not a heading\n\n"
        "Go on with the issue accordingly. When all that the issue asks for is committed, call `mark_done` "
        "with a "
        "title and a summary. When you need a person, call `request_human_steering` and stop.\n"
    )
    assert "context" not in reply_prompt(asked("Which tile?", "", "Red."))


def test_failed_checks_are_told_with_the_end_of_their_output() -> None:
    results = [
        HookResult("tests", 1, "line\n" * 10_000 + "E: two is not three\n", 2.0),
        HookResult("lint", 0, "fine", 1.0),
        HookResult("types", None, "", 600.0),
    ]
    text = checks_failed_prompt(results)
    assert text.startswith(
        "Your `mark_done` does not count yet: 2 checks fail.\n\ntests (exit status 1):\n\n"
    )
    assert "> … (the start is left out)\n" in text
    assert "> E: two is not three\n\ntypes (was killed at its timeout):\n\n> (no output)\n" in text
    assert text.endswith("These pass: lint.\n\nCorrect the cause, commit, and call `mark_done` again.\n")
    assert len(text) < 20_000
    assert checks_failed_prompt(results[:1]).startswith(
        "Your `mark_done` does not count yet: a check fails.\n"
    )


def test_a_first_attempt_is_told_the_prompt_alone() -> None:
    assert earlier_prompt("Work.\n") == "Work.\n"


def test_a_later_attempt_is_told_what_is_known_of_the_earlier_ones() -> None:
    text = earlier_prompt(
        "Work.\n",
        [
            row(1, outcome="failed", message="The agent\nexited.", turns=1),
            row(2, outcome="turns_exhausted", turns=20),
            row(3),
        ],
        [asked("Which tile?", reply="Red."), asked("Really?")],
        ["Add a tile", "Mend the gutter"],
        unfinished=True,
    )
    assert text == (
        "Work.\n\nEarlier attempts worked on this issue in this folder. Build on what they left:\n\n"
        "- Attempt 1 ended after 1 turn (failed): The agent exited.\n"
        "- Attempt 2 ended after 20 turns (turns exhausted)\n"
        "- Attempt 3 ended after 0 turns (unknown)\n\n"
        "Commits that are on the branch already (2):\n\n- Add a tile\n- Mend the gutter\n\n"
        "Work of theirs lies in this folder unfinished, some of it perhaps uncommitted. Look at "
        "`git status` and `git log` first, and do not throw it away unseen.\n\n"
        "An earlier attempt asked a person:\n\n> Which tile?\n\nThe answer:\n\n> Red.\n\n"
        "An earlier attempt asked a person:\n\n> Really?\n\nNo answer yet.\n"
    )


@pytest.mark.parametrize(
    ("endings", "alike"),
    [
        ([("agent.exited", "died (pid 4711)"), ("agent.exited", "died (pid 90210)")], "The last 2 of them"),
        (
            [("x", "a"), ("agent.exited", "died"), ("agent.exited", "died"), ("agent.exited", "died")],
            "The last 3",
        ),
        ([("agent.exited", "died"), ("agent.closed_pipe", "died")], None),
        ([("agent.exited", "out of memory"), ("agent.exited", "died")], None),
        ([("out_of_budget", "spent"), ("out_of_budget", "spent")], None),
        ([("interrupted", ""), ("interrupted", "")], None),
        ([("stalled", ""), ("stalled", "")], "The last 2 of them"),
    ],
)
def test_attempts_that_failed_alike_are_named_and_what_is_no_failure_is_not(
    endings: list[tuple[str, str]], alike: str | None
) -> None:
    rows = [
        AttemptRow(f"1.{number}", "1", number, "demo", "local", NOON, NOON, outcome, message, 1)
        for number, (outcome, message) in enumerate(endings, start=1)
    ]
    text = earlier_prompt("Do it.\n", rows)
    assert ("ended in the same way. Do not do the same again" in text) is (alike is not None)
    assert alike is None or alike in text


def test_what_agents_and_people_said_is_bounded_and_cannot_move_a_cursor() -> None:
    text = reply_prompt(asked("\x1b[2JWhich\u202e?", "c" * 100_000, "Red."))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert len(text) < 20_000
    many = earlier_prompt("Work.\n", [row(n, outcome="failed") for n in range(1, 30)], (), ["x"] * 900)
    assert "Attempt 24" not in many
    assert "Attempt 25" in many
    assert "(900):" in many
    assert many.count("- x") == 50


def test_the_engines_port_is_made_of_these_texts() -> None:
    prompts: Prompts = LiquidPrompts()
    workflow = Workflow(
        Path("/repo/WORKFLOW.md"), Settings(), "{{ issue.id }} {{ attempt }} {{ workspace.path }}"
    )
    workspace = Workspace("A-1", "A-1", Path("/work/A-1"), "agent/A-1", "main", "0" * 40)
    assert prompts.first(workflow, ISSUE, 1, workspace, Earlier()) == "A-1  /work/A-1\n"
    second = prompts.first(workflow, ISSUE, 2, workspace, Earlier((row(1, outcome="failed"),)))
    assert second.startswith("A-1 2 /work/A-1\n\nEarlier attempts worked on this issue")
    assert prompts.continuation(ISSUE, 2, 5, edited=True) == continuation_prompt(ISSUE, 2, 5, edited=True)
    request = asked("Which tile?", reply="Red.")
    assert prompts.reply(request) == reply_prompt(request)
    result = [HookResult("tests", 1, "no", 1.0)]
    assert prompts.checks_failed(result) == checks_failed_prompt(result)
