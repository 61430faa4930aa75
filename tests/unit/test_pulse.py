"""The loop's delay is seen from inside it: each beat says how late it came."""

import asyncio

import pytest

from symphony.host.pulse import EVERY_S, open_pulse


class HandDriven:
    """A loop whose timers fire when the test says so."""

    def __init__(self):
        self.now = 100.0
        self.timers = []

    def time(self):
        return self.now

    def call_at(self, when, callback):
        self.timers.append(asyncio.TimerHandle(when, callback, (), self))
        return self.timers[-1]

    def get_debug(self):
        return False

    def _timer_handle_cancelled(self, timer):
        self.timers.remove(timer)

    def fire(self, at):
        """Make it a time, at which the loop gets to what is due."""
        self.now = at
        self.timers.pop(0)._run()


def test_each_beat_says_how_late_it_came():
    loop, told = HandDriven(), []
    with open_pulse(loop, told.append):
        loop.fire(100 + EVERY_S)
        loop.fire(100 + 2 * EVERY_S + 1.5)
        loop.fire(100 + 3 * EVERY_S + 1.5)
    assert told == pytest.approx([0, 1.5, 0])


def test_leaving_ends_it():
    loop = HandDriven()
    with open_pulse(loop, lambda _: None):
        assert len(loop.timers) == 1
    assert loop.timers == []
