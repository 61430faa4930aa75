"""The workflow that docs/states.md shows works as it is [CONTRACT 2.3, 6.4]."""

import re
from pathlib import Path

import pytest

from symphony.core.transition import exits_of
from symphony.core.workflow import Workflow
from symphony.workflow.loader import parse_workflow
from symphony.workflow.prompt import render_prompt
from tests.support.world import make_issue

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "states.md"
PLACE = {"path": "/w", "branch": "agent/7", "base": "main"}


@pytest.fixture
def workflow() -> Workflow:
    found = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return parse_workflow(found[1].encode(), Path("/project/WORKFLOW.md"), {})


def rendered(workflow: Workflow, state: str) -> str:
    in_state = Workflow(
        workflow.path, workflow.settings.in_state(state), workflow.prompt, workflow.prompt_line
    )
    return render_prompt(in_state, make_issue("7", state, description="Please."), None, PLACE)


def test_one_agent_implements_another_reviews_and_the_issue_is_done(workflow: Workflow) -> None:
    settings = workflow.settings
    assert not workflow.warnings
    assert [settings.in_state(state).acp.adapter for state in ("Todo", "Review")] == ["claude", "codex"]
    todo, review = exits_of(settings, "Todo"), exits_of(settings, "Review")
    assert ([target.state for target in todo.targets], todo.finishes) == (["Backlog", "Review"], False)
    assert ([target.state for target in review.targets], review.finishes) == (["Todo", "Done"], True)
    assert [len(settings.in_state(state).checks) for state in ("Todo", "Review")] == [1, 1]


def test_each_state_has_its_branch_of_the_prompt(workflow: Workflow) -> None:
    todo, review = rendered(workflow, "Todo"), rendered(workflow, "Review")
    assert "Do what the issue asks for" in todo
    assert "Review what the branch `agent/7` changes: `git diff main...`." in review
    assert "Review what" not in todo
    assert "Do what the issue asks for" not in review
