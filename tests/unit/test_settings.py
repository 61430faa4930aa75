"""What settings mean once they are read: states, their own settings, and slots [CONTRACT 2.3]."""

from typing import Any

import pytest
from pydantic import ValidationError

from symphony.core.settings import HooksSettings, Settings
from symphony.core.states import StateRole


def settings(**sections: Any) -> Settings:
    return Settings.model_validate(sections)


STATES = {
    "Todo": {"role": "active"},
    "Review": {
        "role": "active",
        "adapter": "codex",
        "model": None,
        "effort": "high",
        "max_turns": 5,
        "max_concurrent": 1,
        "hooks": {"before_run": "true"},
        "checks": [{"name": "lint", "run": "ruff"}],
    },
    "Plain": {"role": "active", "adapter": None, "max_turns": None, "hooks": None, "checks": None},
    "Done": {"role": "terminal"},
}
BASE = {
    "states": STATES,
    "acp": {"adapter": "opencode", "model": "opus"},
    "agent": {"max_turns": 9},
    "hooks": {"before_run": "make"},
    "checks": [{"name": "tests", "run": "make test"}],
}


def test_the_two_lists_are_the_states_and_proposals_have_somewhere_to_rest() -> None:
    table = Settings().state_table()
    assert table.with_role(StateRole.ACTIVE) == ("Todo", "In Progress")
    assert table.with_role(StateRole.HOLDING) == ("Proposed",)
    assert table.done() == "Done"


def test_states_replace_the_two_lists() -> None:
    table = settings(states=STATES).state_table()
    assert table.names == ("Todo", "Review", "Plain", "Done", "Proposed")
    assert table.role("In Progress") is StateRole.HOLDING


def test_an_absent_key_of_a_state_inherits() -> None:
    assert settings(**BASE).in_state(" TODO ") == settings(**BASE)
    assert settings(**BASE).in_state("unknown") == settings(**BASE)


def test_a_key_of_a_state_replaces() -> None:
    review = settings(**BASE).in_state("review")
    assert (review.acp.adapter, review.acp.effort, review.agent.max_turns) == ("codex", "high", 5)
    assert review.hooks == HooksSettings(before_run="true")
    assert [check.name for check in review.checks] == ["lint"]


def test_an_explicit_null_of_a_state_clears() -> None:
    assert settings(**BASE).in_state("Review").acp.model is None
    plain = settings(**BASE).in_state("Plain")
    assert (plain.acp.adapter, plain.acp.model, plain.agent.max_turns) == ("claude", "opus", 20)
    assert plain.hooks == HooksSettings()
    assert plain.checks == ()


def test_the_tighter_limit_of_a_state_counts() -> None:
    limits = {"max_concurrent_agents_by_state": {"REVIEW": 3, "todo": 2}}
    both = settings(states=STATES, agent=limits)
    assert [both.slots_in_state(name) for name in ("Review", "Todo", "Plain")] == [1, 2, None]


def test_required_labels_are_lower_case_as_an_issues_labels_are() -> None:
    assert settings(tracker={"required_labels": [" Agent ", "UI"]}).tracker.required_labels == ("agent", "ui")


@pytest.mark.parametrize("value", [0, -1, "0", "inf", float("inf"), float("nan"), True, "x"])
def test_a_budget_is_a_finite_number_above_zero(value: Any) -> None:
    with pytest.raises(ValidationError):
        settings(agent={"budget": {"usd": value}})


def test_a_budget_may_be_a_number_a_digit_string_or_null() -> None:
    budget = settings(agent={"budget": {"usd": "2.5", "minutes": 3, "tokens": None}}).agent.budget
    assert (budget.usd, budget.minutes, budget.tokens) == (2.5, 3.0, None)
    assert settings(agent={"budget": {"usd": None}}).agent.budget.usd is None


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().agent.max_turns = 3  # type: ignore[misc] # that it fails is the point
