"""In which order issues are dispatched, and how long failures wait [CONTRACT 4.2, 4.5]."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from symphony.core.backoff import retry_delay
from symphony.core.order import in_dispatch_order
from tests.support.world import after, make_issue, make_state

TABLE = make_state().states


def ids(*issues):
    return [issue.id for issue in in_dispatch_order(issues, TABLE)]


def test_smaller_priority_goes_first_and_none_last():
    assert ids(make_issue("a"), make_issue("b", priority=2), make_issue("c", priority=1)) == ["c", "b", "a"]


def test_a_priority_of_zero_is_more_urgent_than_one():
    assert ids(make_issue("a", priority=1), make_issue("b", priority=0)) == ["b", "a"]


def test_older_goes_first_and_undated_last():
    undated, old, new = (
        make_issue("a"),
        make_issue("b", created_at=after(0)),
        make_issue("c", created_at=after(1)),
    )
    assert ids(undated, new, old) == ["b", "c", "a"]


def test_equal_issues_go_by_identifier():
    assert ids(make_issue("b"), make_issue("a")) == ["a", "b"]


def test_only_active_issues_are_candidates():
    assert ids(make_issue("a", "Done"), make_issue("b", "Proposed"), make_issue("c", " todo")) == ["c"]


def test_delays_double_from_ten_seconds_to_the_ceiling():
    delays = [retry_delay(n, 300_000).total_seconds() for n in (1, 2, 3, 5, 6, 7)]
    assert delays == [10, 20, 40, 160, 300, 300]


@given(st.integers(min_value=-5, max_value=10**9), st.integers(min_value=1, max_value=10**9))
def test_a_delay_never_exceeds_its_ceiling_and_never_overflows(failures, ceiling_ms):
    delay = retry_delay(failures, ceiling_ms)
    assert timedelta(0) < delay <= timedelta(milliseconds=ceiling_ms)
