"""Tokens, cost and context: totals that never count twice [CONTRACT 5.4]."""

from hypothesis import given
from hypothesis import strategies as st

from symphony.agent.adapters import TokenScope
from symphony.agent.usage import Counter, Meter, normalise
from symphony.core.usage import Usage

levels = st.lists(st.integers(0, 10**9), max_size=50)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
COUNTS = (
    "inputTokens",
    "outputTokens",
    "thoughtTokens",
    "cachedReadTokens",
    "cachedWriteTokens",
    "totalTokens",
)


@given(levels)
def test_a_total_never_falls_and_is_the_sum_of_all_rises(reports: list[int]) -> None:
    counter, totals = Counter(), [0.0]
    for level in reports:
        counter.report(level)
        totals.append(counter.total)
    assert totals == sorted(totals)
    rises = [max(0, later - earlier) for earlier, later in zip([0, *reports], reports, strict=False)]
    assert counter.total == sum(rises)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_growing_reports_count_exactly_the_last_one(reports: list[int]) -> None:
    counter = Counter()
    for level in sorted(reports):
        counter.report(level)
    assert counter.total == max(reports)


@given(levels, st.integers(1, 4))
def test_repeating_a_report_adds_nothing(reports: list[int], times: int) -> None:
    once, often = Counter(), Counter()
    for level in reports:
        once.report(level)
        for _ in range(times):
            often.report(level)
    assert once.total == often.total


def test_a_fall_after_a_compaction_counts_nothing_and_growth_goes_on_from_there() -> None:
    counter = Counter()
    for level in (1000, 300, 450):
        counter.report(level)
    assert counter.total == 1150


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=20),
    st.sampled_from(TokenScope),
)
def test_the_turns_add_up_to_the_session(reports: list[tuple[int, int]], scope: TokenScope) -> None:
    meter, sum_of_turns = Meter(scope), Usage()
    for fresh, output in reports:
        meter.begin_turn()
        meter.answer({"inputTokens": fresh, "outputTokens": output})
        sum_of_turns = sum_of_turns.plus(meter.turn)
    assert sum_of_turns == meter.totals


def test_tokens_of_a_turn_are_added_and_tokens_of_a_session_are_compared() -> None:
    totals = {}
    for scope in TokenScope:
        meter = Meter(scope)
        for fresh in (100, 250):
            meter.answer({"inputTokens": fresh, "outputTokens": 0})
        totals[scope] = meter.totals.input_tokens
    assert totals == {TokenScope.TURN: 350, TokenScope.SESSION: 250}


def test_a_resumed_session_does_not_pay_for_its_past_again() -> None:
    meter = Meter(TokenScope.SESSION, resumed=True, cost_survives_load=True)
    for fresh, amount in ((5000, 3.0), (5100, 3.5)):
        meter.begin_turn()
        meter.answer({"inputTokens": fresh, "outputTokens": 0})
        meter.update({"used": 1, "size": 2, "cost": {"amount": amount, "currency": "USD"}})
    assert (meter.totals.input_tokens, meter.totals.cost_usd) == (100, 0.5)


def test_what_fills_the_window_in_a_turn_counts_until_the_agent_reports_its_tokens() -> None:
    meter = Meter()
    told = []
    for used in (20_000, 60_000, 15_000, 30_000):  # with a compaction
        meter.update({"used": used, "size": 200_000})
        told.append(meter.totals.tokens)
    meter.answer({"inputTokens": 200, "outputTokens": 3000, "cachedReadTokens": 150_000})
    told.append(meter.totals.tokens)
    assert told == [20_000, 60_000, 60_000, 75_000, 153_200]
    assert meter.totals.seen_tokens == 0


def test_a_resumed_session_does_not_pay_for_the_window_that_it_brings() -> None:
    meter = Meter(resumed=True)
    for used in (90_000, 95_000):
        meter.update({"used": used, "size": 200_000})
    assert meter.totals.tokens == 5_000


def test_the_window_may_shrink_and_other_currencies_are_not_dollars() -> None:
    meter = Meter()
    meter.update({"used": 150_000, "size": 200_000, "cost": {"amount": 9, "currency": "EUR"}})
    meter.update({"used": 20_000, "size": 0})
    assert (meter.totals.context_used, meter.totals.context_size, meter.totals.cost_usd) == (
        20_000,
        200_000,
        0.0,
    )


@given(st.dictionaries(st.sampled_from([*COUNTS, "used", "size", "cost"]), anything))
def test_no_report_however_broken_breaks_the_meter(report: dict[str, object]) -> None:
    for scope in TokenScope:
        meter = Meter(scope)
        meter.update(report)
        meter.answer(report)
        assert meter.totals.tokens >= 0
        assert meter.totals.cost_usd >= 0


def test_cached_tokens_inside_the_input_are_taken_out_of_it() -> None:
    apart = {
        "inputTokens": 10,
        "outputTokens": 5,
        "cachedReadTokens": 80,
        "cachedWriteTokens": 20,
        "totalTokens": 115,
    }
    inside = {
        "inputTokens": 110,
        "outputTokens": 5,
        "cachedReadTokens": 80,
        "cachedWriteTokens": 20,
        "totalTokens": 115,
    }
    assert normalise(apart) == normalise(inside) == Usage(10, 5, 100)


def test_thoughts_count_as_output_once() -> None:
    apart = {"inputTokens": 10, "outputTokens": 5, "thoughtTokens": 3, "totalTokens": 18}
    inside = {"inputTokens": 10, "outputTokens": 8, "thoughtTokens": 3, "totalTokens": 18}
    assert normalise(apart) == normalise(inside) == Usage(10, 8, 0)
