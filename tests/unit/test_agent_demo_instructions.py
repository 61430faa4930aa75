"""The format in which an issue tells the demo agent what to do."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.agent.demo.edits import DoesNotFit, plan_edits
from symphony.agent.demo.instructions import (
    Instructions,
    NotUnderstood,
    Patch,
    Replacement,
    WholeFile,
    find_reply,
    parse_instructions,
)
from symphony.agent.demo.shell import detect_test
from symphony.core.issue import Issue
from symphony.core.steering import SteeringRequest
from symphony.core.workflow import Workflow
from symphony.workflow.continuation import continuation_prompt, earlier_prompt, reply_prompt
from symphony.workflow.prompt import render_prompt
from tests.support.world import NOON, make_workflow

BODY = """\
The function `shop.total()` forgets the tax.

- Ask: Which rate?
- **Test:** `python -m unittest`

```replace shop.py
<<<<
    return x
====
    return x * @REPLY@
>>>>
```

~~~markdown notes/tax.md
```python
not_a_block()
```
~~~

```text
Ask: not this one
```
"""
WANTED = Instructions(
    title="Add the tax",
    question="Which rate?",
    test="python -m unittest",
    changes=(
        Replacement("shop.py", (("    return x", "    return x * @REPLY@"),)),
        WholeFile("notes/tax.md", "```python\nnot_a_block()\n```\n"),
    ),
    names=("total",),
)


def make_issue(body: str) -> Issue:
    return Issue("7", "7", "Add the tax", "Todo", Path("/issues/Todo/7.md"), description=body)


def first_prompt(body: str) -> str:
    workflow: Workflow = make_workflow()
    place = {"path": "/w", "branch": "agent/7", "base": "main"}
    return render_prompt(workflow, make_issue(body), None, place)


def asked(question: str, reply: str) -> SteeringRequest:
    return SteeringRequest("q", "7", "7.1", question, "context", NOON, reply, NOON)


def test_the_default_prompt_is_understood() -> None:
    assert parse_instructions(first_prompt(BODY)) == WANTED


def test_an_edited_issue_is_understood_inside_its_quotes() -> None:
    prompt = continuation_prompt(make_issue(BODY), 2, 20, edited=True)
    assert parse_instructions(prompt) == WANTED


def test_a_continuation_brings_no_instructions() -> None:
    told = parse_instructions(continuation_prompt(make_issue(BODY), 2, 20, edited=False))
    assert (told.changes, told.question, told.test) == ((), None, None)


def test_a_reply_is_found_in_the_reply_turn_and_in_a_later_attempts_prompt() -> None:
    assert find_reply(reply_prompt(asked("Which rate?", "1.19\n\nas always"))) == "1.19\n\nas always"
    later = earlier_prompt(first_prompt(BODY), (), (asked("Which rate?", "1.07"), asked("Sure?", "1.19")))
    assert find_reply(later) == "1.19"
    assert parse_instructions(later) == WANTED
    assert find_reply(first_prompt(BODY)) is None


def test_the_reply_stands_where_the_issue_wants_it() -> None:
    assert WANTED.needs_reply
    filled = WANTED.with_reply("1.19")
    assert filled.changes[0] == Replacement("shop.py", (("    return x", "    return x * 1.19"),))
    assert not filled.needs_reply


def test_diffs_files_and_test_blocks_are_told_apart() -> None:
    told = parse_instructions(
        "# Title\n\n```diff\n--- a/x\n```\n```file Makefile\nall:\n```\n"
        "```sh test\nmake\nmake check\n```\n```sh\nrm -rf /\n```\n"
    )
    assert told.title == "Title"
    assert told.changes == (Patch("--- a/x\n"), WholeFile("Makefile", "all:\n"))
    assert told.test == "make\nmake check"


@pytest.mark.parametrize("line", ["Transition: In Review", "- **Transition:** `In Review`"])
def test_where_the_issue_goes_next_is_read_and_without_it_the_issue_is_finished(line: str) -> None:
    assert parse_instructions(f"# Title\n\n{line}\nTransition: Later\n").to_state == "In Review"
    quoted = "```text\nTransition: Review\n```\n> Transition: Review\n"
    assert parse_instructions(f"# Title\n\n{quoted}").to_state is None


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ("<<<<\na\n====\nb\n", "the replacement in x.py has no line >>>> at its end"),
        ("<<<<\n\n====\nb\n>>>>\n", "the replacement in x.py has no old text between <<<< and ===="),
        ("", "the replacement in x.py has no old text between <<<< and ===="),
        ("a = 1\n", "the replacement in x.py has the line 'a = 1' outside <<<< and >>>>"),
    ],
)
def test_a_broken_replacement_says_what_is_wrong(block: str, reason: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        parse_instructions(f"```replace x.py\n{block}```\n")
    assert str(caught.value) == reason


@given(st.text(alphabet="`~<=>\nab :AskTet.#@", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(NotUnderstood):
        parse_instructions(text)
    find_reply(text)


def test_several_changes_to_one_file_follow_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    changes = (
        Replacement("a.txt", (("one", "1"), ("two", "2"))),
        Replacement("a.txt", (("1\n2", "3"),)),
        WholeFile("b/c.txt", "new\n"),
    )
    edits = plan_edits(tmp_path, changes)
    assert [(edit.path, edit.before, edit.after) for edit in edits] == [
        ("a.txt", "one\ntwo\n", "3\n"),
        ("b/c.txt", None, "new\n"),
    ]
    assert (tmp_path / "a.txt").read_text() == "one\ntwo\n"


def test_an_old_text_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x\nx\n")
    with pytest.raises(DoesNotFit, match=r"in a\.txt the old text that starts with 'x' is there 2 times"):
        plan_edits(tmp_path, (Replacement("a.txt", (("x", "y"),)),))


def test_tests_are_found_where_projects_keep_them(tmp_path: Path) -> None:
    assert detect_test(tmp_path) is None
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("")
    assert (detect_test(tmp_path) or "").endswith("-m unittest discover -q -s tests -t .")
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    assert (detect_test(tmp_path) or "").endswith("-m pytest -q")
