"""Values of the API as people read them."""

import pytest

from symphony.cli.words import counted, machine, moment, spent
from symphony.core.text import duration

NOTHING = {"total_tokens": 0, "cost_usd": 0.0, "seconds": 0.0}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (-3, "0s"),
        (59.4, "59s"),
        (59.6, "1m 0s"),
        (192, "3m 12s"),
        (7_500, "2h 5m"),
        (266_400, "3d 2h"),
    ],
)
def test_a_duration_is_said_in_its_two_largest_units(seconds, words):
    assert duration(seconds) == words


def test_a_time_is_said_to_the_second_in_utc():
    assert moment("2026-01-31T12:00:00.500Z") == "2026-01-31 12:00:00 UTC"
    assert moment(None) == ""


def test_numbers_agree_with_their_noun():
    assert [counted(n, "token") for n in (0, 1, 12_400)] == ["0 tokens", "1 token", "12,400 tokens"]


def test_only_what_was_spent_is_said():
    assert spent(NOTHING) == ""
    assert spent({**NOTHING, "seconds": 184.0}) == "3m 4s of turns"
    assert spent({"total_tokens": 12_400, "cost_usd": 0.125, "seconds": 60.0}) == (
        "12,400 tokens, $0.12, 1m 0s of turns"
    )


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (None, ""),
        ({"state": "running", "memory_bytes": 432_013_312, "cpu_percent": 12.5}, "412 MiB, 12 % CPU"),
        ({"state": "running", "memory_bytes": 2 << 30, "cpu_percent": 187.6}, "2,048 MiB, 188 % CPU"),
        ({"state": "paused", "memory_bytes": 0, "cpu_percent": 0.0}, "paused"),
        ({"state": "failed", "memory_bytes": 0, "cpu_percent": 0.0}, "failed"),
    ],
)
def test_a_machine_is_said_by_what_it_costs_else_by_its_state(view, words):
    assert machine(view) == words
