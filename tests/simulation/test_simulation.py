"""The whole engine in random worlds, and the simulation's own promise: the same seed, the same story."""

import os
import subprocess
import sys

import pytest

from tests.simulation.plans import plan
from tests.simulation.run import STEPS, play, report, shrink, simulate

SEEDS = 2_000
BATCH = 100  # each is a test of its own, so that one sees how far it is and where it was cut off


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_every_promise_is_kept_in_random_worlds(first):
    for broken in filter(None, (play(STEPS, seed) for seed in range(first, first + BATCH))):
        pytest.fail(report(shrink(broken, STEPS), STEPS))


def test_the_same_seed_gives_the_same_story():
    for seed in range(1_000, 1_010):
        first, second = simulate(seed), simulate(seed)
        assert first.trace == second.trace
    assert simulate(1_001).digest != simulate(1_002).digest


def test_the_story_does_not_depend_on_the_order_of_sets():
    program = "from tests.simulation.run import simulate; print([simulate(s).digest for s in range(20)])"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": number},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(told) == 1


def test_a_longer_plan_begins_with_the_shorter_one():
    assert plan(7, 90)[:60] == plan(7, 60)
