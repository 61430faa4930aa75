"""Who is told of what, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from symphony.core.access import AccessRequest
from symphony.core.access_view import AccessView
from symphony.core.attention import needs_of
from symphony.core.notice import (
    GONE_AFTER,
    NOTICES_AT_ONCE,
    Notice,
    Telling,
    Told,
    notices_of,
    shortened,
    target_name,
    unsettled,
)
from symphony.core.problem import Problem
from symphony.core.settings import NotifySettings
from symphony.core.snapshot import BlockedView, RunningView, Snapshot, WaitingView
from symphony.core.usage import Usage
from tests.support.world import make_steering

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A_MOMENT = timedelta(seconds=1)
TOLD = Told(frozenset({Telling("t", "k")}))


def refused(issue_id: str, host: str, not_kept: int = 0) -> AccessView:
    return AccessView(issue_id, issue_id, "Fetch", AccessRequest(host, 443, 1, NOON, NOON), not_kept)


def keys(snapshot: Snapshot) -> list[str]:
    return [need.key for need in notices_of(snapshot)]


class TestWhatIsTold:
    def test_a_guest_that_is_refused_many_hosts_is_one_thing(self) -> None:
        views = tuple(refused("1", f"{number}.example.org") for number in range(50))
        assert keys(Snapshot(NOON, access=(*views, refused("2", "pypi.org")))) == [
            "access:1:0.example.org",
            "access:2:pypi.org",
        ]

    def test_a_guest_that_floods_is_one_thing_whichever_hosts_are_kept(self) -> None:
        first = Snapshot(NOON, access=(refused("1", "a.example.org", 7),))
        later = Snapshot(NOON, access=(refused("1", "b.example.org", 90),))
        assert keys(first) == keys(later) == ["access:1"]

    def test_the_next_host_is_news_once_the_first_is_decided(self) -> None:
        before = Snapshot(NOON, access=(refused("1", "a.example.org"), refused("1", "b.example.org")))
        after = Snapshot(NOON, access=before.access[1:])
        assert keys(before) != keys(after)

    def test_nobody_is_told_of_what_they_did_themselves_or_that_they_cannot_be_told(self) -> None:
        snapshot = Snapshot(
            NOON,
            blocked=(BlockedView("1", "1", "T", "Todo", "cancelled", "cancelled by you", NOON),),
            problems=(Problem("notify.failed", "notify", "The webhook did not answer."),),
        )
        assert keys(snapshot) == []

    def test_of_very_many_things_the_first_are_told_and_one_stands_for_the_rest(self) -> None:
        problems = tuple(Problem("issue_unreadable", f"Todo/{n:04}.md", "is broken") for n in range(1_000))
        told = shortened(notices_of(Snapshot(NOON, problems=problems)))
        assert len(told) == NOTICES_AT_ONCE + 1
        assert (told[-1].key, told[-1].title) == ("more", "980 more things to look at")

    def test_a_notice_is_text_and_bounded(self) -> None:
        steering = replace(make_steering("1", question="\x1b[2J" + "?" * 90_000), context="\x00\u202ec")
        need = needs_of(Snapshot(NOON, waiting=(WaitingView("1", "1", "T\n" * 900, steering, ""),)))[0]
        fields = Notice(need, NOON, "http://127.0.0.1/issues/1").fields()
        assert (len(fields["text"] or ""), fields["context"], len(fields["title"] or "")) == (4_000, "c", 200)
        assert (fields["text"] or "").startswith("[2J?")


class TestWhatIsForgotten:
    def look(self, told: Told, needed: set[str], at: datetime = NOON) -> tuple[Told, frozenset[Telling]]:
        return told.look(needed, (), ("t",), at)

    def test_what_is_still_needed_is_remembered(self) -> None:
        assert self.look(TOLD, {"k"}) == (TOLD, frozenset())

    def test_what_is_gone_for_a_moment_is_remembered(self) -> None:
        told, gone = self.look(TOLD, set())
        assert not gone
        assert self.look(told, {"k"}, NOON + A_MOMENT) == (TOLD, frozenset())

    def test_what_stays_away_is_forgotten(self) -> None:
        told, _ = self.look(TOLD, set())
        assert self.look(told, set(), NOON + GONE_AFTER) == (Told(), TOLD.tellings)

    def test_what_comes_back_after_long_is_told_again(self) -> None:
        told, _ = self.look(TOLD, set())
        assert self.look(told, {"k"}, NOON + GONE_AFTER) == (Told(), TOLD.tellings)

    def test_what_a_removed_target_was_told_is_forgotten_at_once(self) -> None:
        assert TOLD.look({"k"}, (), (), NOON) == (Told(), TOLD.tellings)

    def test_a_handoff_that_is_tried_again_is_not_over(self) -> None:
        told = (Telling("t", "handoff:1"), Telling("t", "handoff:2"), Telling("t", "parked:1:x"))
        running = RunningView(
            "1", "1", "T", "Todo", "1.2", 2, "demo", "handoff", 0, 1, NOON, NOON, "", Usage()
        )
        waiting = BlockedView("2", "2", "T", "Todo", "undelivered", "done")
        snapshot = Snapshot(NOON, running=(running,), blocked=(waiting,))
        assert unsettled(snapshot, told) == {"handoff:1", "handoff:2"}

    @given(st.lists(st.sets(st.sampled_from("abc")), max_size=12), st.integers(1, 90))
    def test_only_what_was_needed_within_the_last_minute_is_remembered(
        self, looks: list[set[str]], pace_s: int
    ) -> None:
        told, last_needed = Told(), dict[str, datetime]()
        for number, needed in enumerate(looks):
            now = NOON + number * timedelta(seconds=pace_s)
            told, gone = self.look(told, needed, now)
            assert not gone & told.tellings
            for key in needed:
                told, last_needed[key] = told.of(Telling("t", key)), now
            for telling in told.tellings - {Telling("t", key) for key in needed}:
                assert now - last_needed[telling.key] < GONE_AFTER + timedelta(seconds=pace_s)


def test_a_targets_name_tells_nothing_and_differs_by_what_is_called() -> None:
    webhook = NotifySettings(kind="webhook", target="https://example.org/secret")
    command = NotifySettings(kind="command", target="https://example.org/secret")
    assert target_name(webhook) != target_name(command)
    assert "secret" not in target_name(webhook)
