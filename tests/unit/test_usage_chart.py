"""What an issue has used is a line that never falls, from its first attempt to now."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from symphony.core.ports import AttemptRow
from symphony.core.snapshot import RunningView
from symphony.core.usage import Usage
from symphony.web.usage_chart import HEIGHT, POINTS, WIDTH, usage_chart

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def row(number: int, start: int, end: int | None, tokens: int) -> AttemptRow:
    ended = None if end is None else NOON + timedelta(minutes=end)
    usage = Usage(input_tokens=tokens)
    began = NOON + timedelta(minutes=start)
    return AttemptRow(f"7.{number}", "7", number, "demo", "local", began, ended, "failed", "", 1, None, usage)


def test_there_is_nothing_to_draw_before_anything_was_used() -> None:
    assert usage_chart((), None) is None
    assert usage_chart((row(1, 0, 5, 0),), None) is None


def test_attempts_add_up_and_pauses_are_level() -> None:
    chart = usage_chart((row(1, 0, 5, 100), row(2, 10, 20, 300)), None)
    assert chart is not None
    assert chart.line == "0.0,60.0 150.0,45.0 300.0,45.0 600.0,0.0"
    assert (chart.top, chart.bars) == (400, (0.0, 300.0))
    assert (chart.first, chart.last) == (NOON, NOON + timedelta(minutes=20))


def test_the_running_attempt_counts_up_to_its_last_sign_of_life() -> None:
    heard = NOON + timedelta(minutes=4)
    running = RunningView(
        "7", "7", "", "Todo", "7.1", 1, "demo", "in a turn", 1, 20, NOON, heard, "", Usage(input_tokens=50)
    )
    chart = usage_chart((row(1, 0, None, 0),), running)
    assert chart is not None
    assert (chart.top, chart.last, chart.line) == (50, heard, "0.0,60.0 600.0,0.0")


def test_of_very_many_attempts_the_latest_are_drawn_and_all_are_counted() -> None:
    chart = usage_chart(tuple(row(n, n, n + 1, 10) for n in range(POINTS + 100)), None)
    assert chart is not None
    assert (chart.top, len(chart.bars)) == ((POINTS + 100) * 10, POINTS)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 1_000)), max_size=20))
def test_the_line_stays_in_its_picture_and_never_falls(steps: list[tuple[int, int, int]]) -> None:
    rows, clock = [], 0
    for number, (pause, length, tokens) in enumerate(steps):
        rows.append(row(number, clock + pause, clock + pause + length, tokens))
        clock += pause + length
    chart = usage_chart(rows, None)
    if chart is None:
        return
    points = [tuple(map(float, point.split(","))) for point in chart.line.split(" ")]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)
    assert [x for x, _ in points] == sorted(x for x, _ in points)
