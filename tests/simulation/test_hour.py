"""A busy hour leaves nothing behind, in small: scripts/simulate --hour has five hundred issues."""

from tests.simulation.hour import EVERY_S, Hour, Moment, grown
from tests.simulation.run import hearing_logs

WARM_UP_S = 300.0


def test_what_is_kept_does_not_grow_with_what_was_done():
    hour = Hour(issues=30, slots=6)
    with hearing_logs(hour.world.hear):
        hour.pass_time(WARM_UP_S + 900)
        more = grown(hour.moments, WARM_UP_S)
        hour.end()
    assert hour.finished > 30
    assert more == {}


def test_what_grows_is_found():
    moments = [Moment(n * EVERY_S, {"flat": 40 + n % 3, "leaks": 40 + n}) for n in range(60)]
    assert grown(moments, WARM_UP_S) == {"leaks": (57.5, 91.5)}
