"""A form sent twice is carried out once, in bounded sight; two texts are compared for a person."""

import asyncio

import pytest

from symphony.web.differences import LINES, Difference, differences
from symphony.web.errors import Refusal
from symphony.web.once import Once


class Work:
    """Counts how often it is done, and can be held up or fail."""

    def __init__(self) -> None:
        self.times = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.failure: Exception | None = None

    async def __call__(self) -> int:
        self.times += 1
        times = self.times
        await self.may_go_on.wait()
        if self.failure is not None:
            raise self.failure
        return times


async def test_the_second_gets_the_result_of_the_first_also_while_it_is_under_way() -> None:
    once, work = Once[int](), Work()
    work.may_go_on.clear()
    both = [asyncio.create_task(once.run("a", work)) for _ in range(2)]
    work.may_go_on.set()
    assert await asyncio.gather(*both) == [1, 1]
    assert await once.run("a", work) == 1
    assert await once.run("b", work) == 2


async def test_what_failed_may_be_tried_again() -> None:
    once, work = Once[int](), Work()
    work.failure = ValueError("full")
    with pytest.raises(ValueError, match="full"):
        await once.run("a", work)
    work.failure = None
    assert await once.run("a", work) == 2


async def test_work_goes_on_when_whoever_asked_stops_waiting() -> None:
    once, work = Once[int](), Work()
    work.may_go_on.clear()
    first = asyncio.create_task(once.run("a", work))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    work.may_go_on.set()
    assert await once.run("a", work) == 1


async def test_only_the_latest_are_remembered_and_never_forgotten_while_under_way() -> None:
    once, work, slow = Once[int](kept=2), Work(), Work()
    slow.may_go_on.clear()
    held = asyncio.create_task(once.run("slow", slow))
    await asyncio.sleep(0)
    for key in "abc":
        await once.run(key, work)
    slow.may_go_on.set()
    assert await once.run("slow", slow) == await held == 1
    await once.run("d", work)
    assert await once.run("a", work) == 5


async def test_a_person_waits_in_bounds_and_the_work_goes_on() -> None:
    once, work = Once[int](bound_s=0.01), Work()
    work.may_go_on.clear()
    with pytest.raises(Refusal) as late:
        await once.run("a", work)
    assert (late.value.status, str(late.value)) == (
        504,
        "symphony has not finished this within 0.01 s and goes on with it. "
        "Look at the board before you send it again.",
    )
    work.may_go_on.set()
    assert await once.run("a", work) == 1


async def test_closing_ends_what_is_under_way_and_says_so() -> None:
    once, work = Once[int](), Work()
    work.may_go_on.clear()
    asked = asyncio.create_task(once.run("a", work))
    await asyncio.sleep(0)
    once.close()
    await asyncio.wait({asked})
    with pytest.raises(Refusal, match=r"symphony is stopping and has not finished this\.") as stopped:
        asked.result()
    assert stopped.value.status == 503


def test_differences_are_lines_with_their_neighbours() -> None:
    assert differences("a\nb\nc\nd\ne\nf\n", "a\nb\nc\nD\ne\nf\n") == (
        Difference("…", ""),
        Difference(" ", "b"),
        Difference(" ", "c"),
        Difference("-", "d"),
        Difference("+", "D"),
        Difference(" ", "e"),
        Difference(" ", "f"),
    )
    assert differences("@a", "-a") == (Difference("…", ""), Difference("-", "@a"), Difference("+", "-a"))
    assert differences("a", "a") == ()


def test_very_long_texts_are_not_compared() -> None:
    assert differences("a\n" * LINES, "b") == ()
