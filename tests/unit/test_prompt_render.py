"""The prompt is rendered strictly, and an issue's text is never read as Liquid [CONTRACT 2.5]."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.issue import Issue
from symphony.core.settings import Settings
from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.prompt import render_prompt

PLACE = {"path": Path("/work/A-1"), "branch": "agent/A-1", "base": "main"}


def make_issue(**fields: Any) -> Issue:
    known: dict[str, Any] = {
        "id": "A-1",
        "identifier": "A-1",
        "title": "Mend it",
        "state": "Todo",
        "path": Path("/repo/issues/Todo/A-1.md"),
    }
    return Issue(**{**known, **fields})


def render(template: str, issue: Issue | None = None, attempt: int | None = None) -> str:
    workflow = Workflow(Path("/repo/WORKFLOW.md"), Settings(), template, prompt_line=5)
    return render_prompt(workflow, issue or make_issue(), attempt, PLACE)


def fails(template: str, issue: Issue | None = None) -> tuple[str, str]:
    with pytest.raises(WorkflowError) as caught:
        render(template, issue)
    return caught.value.code, str(caught.value)


def test_all_fields_of_the_issue_are_in_scope() -> None:
    issue = make_issue(
        description="Leaks.",
        priority=2,
        labels=("roof", "rain"),
        blocked_by=("A-0",),
        branch_name="mend",
        url="https://example.org/1",
        created_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        revision="r1",
        extra={"due": date(2026, 2, 3), "estimate": {"days": 3}, "tags": ["x", 1], "title": "hidden"},
    )
    template = (
        "{{ issue.id }} {{ issue.identifier }} {{ issue.title }} {{ issue.state }} {{ issue.description }} "
        "{{ issue.priority }} {{ issue.labels | join: '+' }} {{ issue.blocked_by[0] }} {{ issue.branch_name "
        "}} "
        "{{ issue.url }} {{ issue.created_at }} [{{ issue.updated_at }}] {{ issue.path }} {{ issue.revision "
        "}} "
        "{{ issue.due }} {{ issue.estimate.days }} {{ issue.extra.tags | join: '+' }} {{ issue.extra.title }}"
    )
    assert render(template, issue) == (
        "A-1 A-1 Mend it Todo Leaks. 2 roof+rain A-0 mend https://example.org/1 2026-01-02T03:04:00+00:00 [] "
        "/repo/issues/Todo/A-1.md r1 2026-02-03 3 x+1 hidden\n"
    )


def test_attempt_is_null_first_and_workspace_and_workflow_are_in_scope() -> None:
    template = (
        "{% if attempt %}{{ attempt }}{% else %}first{% endif %} {{ workspace.path }} "
        "{{ workspace.branch }} {{ workspace.base }} {{ workflow.path }}"
    )
    place = "/work/A-1 agent/A-1 main /repo/WORKFLOW.md"
    assert render(template) == f"first {place}\n"
    assert render(template, attempt=2) == f"2 {place}\n"


def test_a_fallback_that_the_author_wrote_counts_for_an_unknown_variable() -> None:
    assert render("{{ issue.component | default: 'none' }}") == "none\n"


def test_an_empty_prompt_is_the_default_one() -> None:
    first = render("", make_issue(description="The roof leaks."))
    assert first.startswith(
        "You are working on the issue `A-1`: Mend it\n\nThe roof leaks.\n\nHow to work:\n"
    )
    for word in ("agent/A-1", "main", "mark_done", "request_human_steering", "Do not push"):
        assert word in first
    assert "attempt" not in first
    assert "{" not in first
    assert first.endswith("what you can find out yourself.\n")
    assert "This is attempt 2. Look at `git log`" in render("", attempt=2)
    assert "its title says what is wanted.\n\nHow to work:" in render("")


@pytest.mark.parametrize(
    ("template", "code", "message"),
    [
        (
            "Hi\n{{ issue.titel }}",
            "template_render_error",
            "/repo/WORKFLOW.md:6: the prompt uses the unknown variable `issue.titel`. Did you mean "
            "issue.title?",
        ),
        (
            "{% if workspace.brunch %}x{% endif %}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt uses the unknown variable `workspace.brunch`. "
            "Did you mean workspace.branch?",
        ),
        (
            "{{ isue.title }}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt uses the unknown variable `isue`. Did you mean issue?",
        ),
        (
            "{{ issue.labels[3] }}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt uses an item of `issue` that is not there.",
        ),
        (
            "{{ issue.title[0] }}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt uses an item of `issue.title` that is not there.",
        ),
        (
            "x\n{% if issue.labels > 3 %}y{% endif %}",
            "template_render_error",
            "/repo/WORKFLOW.md:6: the prompt fails: '<' and '>' are not supported between 'int' and 'list'.",
        ),
        (
            "{{ '99999999999999999999' | date: '%Y' }}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt fails: timestamp out of range for platform time_t.",
        ),
        (
            "x\n{% break %}",
            "template_render_error",
            "/repo/WORKFLOW.md:6: the prompt fails: unexpected 'break'.",
        ),
        (
            "\n\n{{ issue.title | upcas }}",
            "template_render_error",
            "/repo/WORKFLOW.md:7: the prompt uses the unknown filter `upcas`. Did you mean upcase?",
        ),
        (
            "\n{{ 1 | divided_by: 0 }}",
            "template_render_error",
            "/repo/WORKFLOW.md:6: the filter `divided_by` fails: divided_by: can't divide by 0.",
        ),
        (
            "{% if attempt %}again{% endif %}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt comes out empty for this issue; give it a text that is always "
            "there.",
        ),
        (
            "{% for i in (1..100001) %}x{% endfor %}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt needs too much: loop iteration limit reached; allowed: at most "
            "1 MiB "
            "of text and 100,000 rounds of a loop.",
        ),
        (
            "{% for i in (1..99999) %}a long line of text{% endfor %}",
            "template_render_error",
            "/repo/WORKFLOW.md:5: the prompt needs too much: output stream limit reached; allowed: at most "
            "1 MiB "
            "of text and 100,000 rounds of a loop.",
        ),
        (
            "Hi\n{{ issue.title",
            "template_parse_error",
            "/repo/WORKFLOW.md:6: the prompt is not valid Liquid: expected '}}', found end of file.",
        ),
        (
            "a\n{% if attempt %}\n{% for l in issue.labels %}\n{% endfor %}\nb",
            "template_parse_error",
            "/repo/WORKFLOW.md:6: the prompt is not valid Liquid: nothing closes this block; add {% endif "
            "%}.",
        ),
        (
            "a\n{% if %}b{% endif %}",
            "template_parse_error",
            "/repo/WORKFLOW.md:6: the prompt is not valid Liquid: missing expression.",
        ),
        (
            "a\nb {{ }}",
            "template_parse_error",
            "/repo/WORKFLOW.md:6: the prompt is not valid Liquid: expected a primitive expression, found "
            "end of "
            "expression.",
        ),
        (
            "\n{% include '/etc/passwd' %}",
            "template_parse_error",
            "/repo/WORKFLOW.md:6: the prompt is not valid Liquid: unexpected tag 'include'.",
        ),
        (
            "{% render 'x' %}",
            "template_parse_error",
            "/repo/WORKFLOW.md:5: the prompt is not valid Liquid: unexpected tag 'render'.",
        ),
    ],
)
def test_a_template_error_names_the_line_and_the_name(template: str, code: str, message: str) -> None:
    assert fails(template) == (code, message)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value] * 10
    return value


def itself() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "value", [nested(12), itself(), "x" * (5 * 1024 * 1024)], ids=["many", "loop", "long"]
)
def test_front_matter_that_multiplies_itself_fails_the_attempt_and_not_the_daemon(value: Any) -> None:
    assert fails("Hi {{ issue.id }}", make_issue(extra={"bomb": value})) == (
        "template_render_error",
        "/repo/WORKFLOW.md:5: the front matter of the issue A-1 is too large or nested too deeply.",
    )


@given(
    title=st.text()
    | st.sampled_from(["{{ issue.id }}", "{% include 'x' %}", "{% raw %}", "{{", "%}{{ x | y }}"]),
    body=st.text() | st.just("{% for i in (1..9999999) %}x{% endfor %}"),
)
def test_no_text_of_an_issue_is_read_as_liquid(title: str, body: str) -> None:
    issue = make_issue(title=title, description=body, extra={"note": body}, labels=(title,))
    title, body = (text.replace("\r\n", "\n").replace("\r", "\n") for text in (title, body))
    template = "<{{ issue.title }}|{{ issue.description }}|{{ issue.note }}|{{ issue.labels | join: ',' }}>"
    assert render(template, issue) == f"<{title}|{body}|{body}|{title}>\n"
    assert f": {title}\n" in render("", issue)


@given(st.text(alphabet="{}%-|.'\n aisue[]0:", max_size=60))
def test_any_template_renders_or_fails_with_a_code_and_a_line(template: str) -> None:
    failure: WorkflowError | None = None
    try:
        render(f"x{template}")
    except WorkflowError as error:
        failure = error
    if failure is not None:
        assert failure.code in ("template_parse_error", "template_render_error")
        assert failure.problems[0].where.startswith("/repo/WORKFLOW.md:")
