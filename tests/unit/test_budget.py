"""What an issue may spend: ceilings, what people give for one, and an account of it [CONTRACT 2.3]."""

import pytest

from symphony.core.backoff import REST_LEAST, REST_UNTOLD, rest
from symphony.core.budget import (
    BudgetKind,
    CeilingChange,
    Ceilings,
    InvalidBudget,
    account,
    changed,
    over_budget,
    parse_changes,
    raising,
)
from symphony.core.event import BudgetAsked
from symphony.core.repetition import repeats
from symphony.core.usage import Usage
from tests.support.world import after_events, make_issue, make_record, make_running, make_state

SPENT = Usage(input_tokens=1_000_000, output_tokens=200_000, cached_tokens=34_567, cost_usd=2.5, seconds=5430)


def test_an_account_names_what_is_spent_and_what_may_be():
    spending = account(SPENT, Ceilings(2_000_000, 2.0), Ceilings(minutes=90))
    assert [str(each) for each in spending] == [
        "1,234,567 of 2,000,000 tokens",
        "2.50 of 2.00 USD",
        "90.5 of 90 minutes",
    ]
    assert [each.own for each in spending] == [False, False, True]
    assert over_budget(spending) == "2.50 of 2.00 USD, 90.5 of 90 minutes"
    assert raising("7", spending) == "symphony budget 7 --usd +N --minutes +N"


def test_without_a_ceiling_nothing_runs_out():
    spending = account(SPENT, Ceilings())
    assert [str(each) for each in spending] == ["1,234,567 tokens", "2.50 USD", "90.5 minutes"]
    assert over_budget(spending) is None


def test_an_issues_own_ceiling_counts_before_the_workflows():
    assert over_budget(account(SPENT, Ceilings(tokens=1), Ceilings(tokens=9_000_000))) is None
    assert (
        over_budget(account(SPENT, Ceilings(tokens=9_000_000), Ceilings(tokens=1))) == "1,234,567 of 1 tokens"
    )


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"tokens": "2000000"}, CeilingChange(BudgetKind.TOKENS, 2_000_000)),
        ({"tokens": 5}, CeilingChange(BudgetKind.TOKENS, 5)),
        ({"tokens": "+500_000"}, CeilingChange(BudgetKind.TOKENS, 500_000, add=True)),
        ({"usd": "+2.50"}, CeilingChange(BudgetKind.USD, 2.5, add=True)),
        ({"usd": 2.5, "tokens": None}, CeilingChange(BudgetKind.USD, 2.5)),
        ({"minutes": " 90 "}, CeilingChange(BudgetKind.MINUTES, 90)),
        ({"minutes": "default"}, CeilingChange(BudgetKind.MINUTES, None)),
    ],
)
def test_an_amount_is_read(given, change):
    assert parse_changes(given) == (change,)


WHOLE = "allowed: a whole number of at least 1 and at most 1,000,000,000,000, +N to add N, or default."
ANY = "allowed: a number greater than 0 and at most 1,000,000,000,000, +N to add N, or default."


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"tokens": "0"}, f"tokens: found '0'; {WHOLE}"),
        ({"tokens": "-5"}, f"tokens: found '-5'; {WHOLE}"),
        ({"tokens": "1.5"}, f"tokens: found '1.5'; {WHOLE}"),
        ({"tokens": "many"}, f"tokens: found 'many'; {WHOLE}"),
        ({"tokens": True}, f"tokens: found 'True'; {WHOLE}"),
        ({"tokens": ""}, f"tokens: found nothing; {WHOLE}"),
        ({"tokens": "٣"}, f"tokens: found '٣'; {WHOLE}"),
        ({"usd": "nan"}, f"usd: found 'nan'; {ANY}"),
        ({"usd": float("nan")}, f"usd: found 'nan'; {ANY}"),
        ({"usd": "inf"}, f"usd: found 'inf'; {ANY}"),
        ({"usd": "1,5"}, f"usd: found '1,5'; {ANY}"),
        ({"usd": "+0"}, f"usd: found '+0'; {ANY}"),
        ({"minutes": "9" * 400}, f"minutes: found '{'9' * 59}…'; {ANY}"),
        ({"minutes": "1e3"}, f"minutes: found '1e3'; {ANY}"),
        ({}, "No ceiling was given. Give one of tokens, usd and minutes."),
        ({"usd": None}, "No ceiling was given. Give one of tokens, usd and minutes."),
    ],
)
def test_what_is_no_amount_is_refused_with_what_is_allowed(given, text):
    with pytest.raises(InvalidBudget) as refused:
        parse_changes(given)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("change", "own"),
    [
        (CeilingChange(BudgetKind.TOKENS, 500, add=True), Ceilings(1_235_067, minutes=200)),
        (CeilingChange(BudgetKind.MINUTES, 10, add=True), Ceilings(minutes=210)),
        (CeilingChange(BudgetKind.TOKENS, 1), Ceilings(1, minutes=200)),
        (CeilingChange(BudgetKind.MINUTES, None), Ceilings()),
    ],
    ids=["on top of what is spent", "on top of the ceiling", "below what is spent", "back to the workflow's"],
)
def test_a_change_is_made_to_what_is_in_force(change, own):
    before = Ceilings(minutes=200)
    spending = account(SPENT, Ceilings(tokens=1000), before)
    assert changed(before, spending, [change]) == own


def test_nothing_is_added_to_a_ceiling_that_is_none():
    change = CeilingChange(BudgetKind.USD, 5, add=True)
    assert changed(Ceilings(), account(SPENT, Ceilings()), [change]) == change


def test_a_raised_budget_starts_the_issue_and_is_in_the_audit():
    record = make_record("1", usage=SPENT, attempts=3)
    state = make_state(make_issue("1"), records=(record,), agent={"budget": {"tokens": 1000}})
    more = (CeilingChange(BudgetKind.TOKENS, 5_000_000),)
    decision = after_events(state, BudgetAsked("1", more))
    assert [(entry.decision, entry.reason) for entry in decision.changes.audit] == [
        ("budget", "1,234,567 of 5,000,000 tokens: a person said so"),
        ("dispatch", "attempt 4: eligible"),
    ]
    assert decision.changes.records[-1].budget == Ceilings(tokens=5_000_000)


def test_a_budget_below_what_is_spent_is_taken_and_said():
    record = make_record("1", make_running("1", usage=SPENT))
    state = make_state(make_issue("1"), records=(record,))
    decision = after_events(state, BudgetAsked("1", (CeilingChange(BudgetKind.TOKENS, 5),)))
    assert decision.changes.audit[0].reason == ("1,234,567 of 5 tokens and nothing is left: a person said so")


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        (Usage(input_tokens=-5, cost_usd=-1.0), Usage(input_tokens=10, cost_usd=2.0)),
        (Usage(input_tokens=20, cost_usd=float("nan")), Usage(input_tokens=20, cost_usd=2.0)),
        (Usage(input_tokens=5, cost_usd=float("inf")), Usage(input_tokens=10, cost_usd=2.0)),
        (Usage(context_used=7, context_size=9), Usage(10, cost_usd=2.0, context_used=7, context_size=9)),
    ],
    ids=["negative", "no number", "infinite", "window"],
)
def test_a_report_raises_totals_and_never_lowers_them(report, usage):
    assert Usage(input_tokens=10, cost_usd=2.0).raised_to(report) == usage


def test_tokens_that_were_seen_are_not_counted_again_when_they_are_reported():
    seen = Usage(input_tokens=10).raised_to(Usage(input_tokens=10, seen_tokens=50_000))
    assert seen.tokens == 50_010
    told = seen.raised_to(Usage(input_tokens=10, output_tokens=500, cached_tokens=60_000))
    assert (told.tokens, told.seen_tokens) == (60_510, 0)
    assert seen.raised_to(Usage(input_tokens=10, output_tokens=5)).tokens == 50_010


@pytest.mark.parametrize(
    ("earlier", "later", "same"),
    [
        ("exited with 1 after 3.2 s (pid 4711)", "exited with 1 after 9.1 s (pid 90210)", True),
        ("/tmp/pytest-of-x/a1b2c3/log: bad", "/tmp/pytest-of-x/00ffee/log: bad", True),
        ("lint fails", "lint  fails\n", True),
        ("lint fails", "tests fail", False),
        ("12 errors", "9 errors", False),
        ("at 12:00:01 commit abc1234 failed in 90 ms", "at 13:07:55 commit 99fee12 failed in 7 ms", True),
    ],
)
def test_two_reports_of_one_failure_differ_in_what_is_of_the_moment(earlier, later, same):
    assert repeats(later, earlier) is same


@pytest.mark.parametrize("told", [None, 0.0, -5.0, float("nan"), float("inf"), 1e12])
def test_a_model_that_says_nothing_of_use_rests_for_five_minutes(told):
    assert rest(told) == REST_UNTOLD


def test_a_model_that_may_be_asked_again_at_once_still_rests_a_little():
    assert rest(0.25) == REST_LEAST
