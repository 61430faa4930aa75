"""A watched issue: what its agent does comes in as it happens, without gap or repeat, from one follower."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from symphony.core.ports import AttemptRow
from symphony.core.snapshot import RunningView, Snapshot
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.web import issue_watch
from symphony.web.issue_cursor import IssueCursor
from symphony.web.issue_timeline import CATCH_UP
from symphony.web.listener import Bounds, open_listener
from tests.web.issue_support import (
    HOSTILE,
    FakeBranches,
    IssueWorld,
    daemon_in,
    live_path,
    notes,
    said,
    update,
    viewing,
)
from tests.web.support import BOUND, NOON, Client, Door, surface_of

RUNNING = RunningView(
    "7", "7", "Fix it", "Todo", "7.2", 2, "demo", "in a turn", 3, 20, NOON, NOON, "edits", Usage(1_000, 34)
)
NOTE = re.compile(r"note (\d+)\.")
APPEND = 'hx-swap-oob="beforeend:#timeline"'


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[IssueWorld]:
    daemon, branches = daemon_in(tmp_path), FakeBranches()
    surface = surface_of(daemon, Door(), branches=branches)
    bounds = Bounds(close_s=0.1)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
        yield IssueWorld(tmp_path, daemon, branches, Client(listener.port))


def numbers(text: str) -> list[int]:
    return [int(number) for number in NOTE.findall(text)]


async def test_what_is_appended_is_sent_and_nothing_that_the_page_has(world: IssueWorld) -> None:
    world.add()
    world.write(*notes(range(3)))
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.write(*notes([3]))
        await viewer.until("note 3.")
        world.write(*notes([4, 5]))
        await viewer.until("note 5.")
    assert numbers(page) == [0, 1, 2]
    assert numbers(viewer.seen) == [3, 4, 5]
    assert APPEND in viewer.seen


async def test_the_log_may_begin_after_the_page_was_opened(world: IssueWorld) -> None:
    world.add()
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.write(*notes(range(2)))
        await viewer.until("note 1.")
    assert numbers(viewer.seen) == [0, 1]


async def test_a_message_grows_in_its_place_and_a_tool_call_is_replaced(world: IssueWorld) -> None:
    world.add()
    world.write(said("Hel"))
    page = await world.page("/issues/7")
    assert '<li id="t0-1"' in page
    async with viewing(world.client, live_path(page)) as viewer:
        world.write(said("lo."))
        await viewer.until('<li id="t0-1" hx-swap-oob="morph"', "Hello.")
        begins = world.log().stat().st_size
        world.write(update("tool_call", toolCallId="c", title="Run", status="in_progress"))
        await viewer.until(APPEND, f'<li id="t{begins}-1" {APPEND}', "in progress")
        world.write(update("tool_call_update", toolCallId="c", status="completed"))
        await viewer.until(f'<li id="t{begins}-1" hx-swap-oob="morph"', "completed")
    assert viewer.seen.count(APPEND) == 1
    assert viewer.seen.count("<li id=") == 3


async def test_who_comes_back_gets_what_it_missed_and_no_more(world: IssueWorld) -> None:
    world.add()
    world.write(*notes([0]))
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.write(*notes([1]))
        await viewer.until("note 1.")
    world.write(*notes([2, 3]))
    async with viewing(world.client, "/issues/7/live?after=0", **{"Last-Event-ID": viewer.last_id}) as again:
        await again.until("note 3.")
        world.write(*notes([4]))
        await again.until("note 4.")
    assert numbers(viewer.seen + again.seen) == [1, 2, 3, 4]


async def test_one_who_returns_to_another_ones_stream_is_not_served_twice(world: IssueWorld) -> None:
    world.add()
    world.write(*notes(range(500), pad=1_000))
    page = await world.page("/issues/7")
    shown = numbers(page)
    async with viewing(world.client, live_path(page)) as first:
        world.write(*notes([500]))
        await first.until("note 500.")
        early = IssueCursor(int(live_path(page).split("after=")[1].split(".")[0]) - 10_000)
        async with viewing(world.client, f"/issues/7/live?after={early}") as second:
            await second.until("note 500.")
            world.write(*notes([501]))
            await second.until("note 501.")
            await first.until("note 501.")
    assert numbers(first.seen) == [500, 501]
    assert shown[-1] == 499
    found = numbers(second.seen)
    assert found == list(range(found[0], 502))


async def test_without_events_a_page_asks_for_what_is_new(world: IssueWorld) -> None:
    world.add()
    world.write(*notes([0]))
    path = live_path(await world.page("/issues/7"))
    world.write(*notes([1]))
    first = await world.client.ask("GET", f"{path}&poll=1")
    assert numbers(first.body.decode()) == [1]
    cursor = quote(first.headers["live-cursor"])
    world.write(*notes([2]))
    again = await world.client.ask("GET", f"/issues/7/live?after={cursor}&poll=1")
    assert numbers(again.body.decode()) == [2]


async def test_who_is_far_behind_gets_the_last_page_in_place_of_its_own(world: IssueWorld) -> None:
    world.add()
    world.write(*notes(range(CATCH_UP // 1_000 + 100), pad=1_000))
    answer = await world.client.ask("GET", "/issues/7/live?after=0&poll=1")
    text = answer.body.decode()
    assert '<ol id="timeline" class="timeline" hx-swap-oob="outerHTML">' in text
    assert numbers(text)[-1] == CATCH_UP // 1_000 + 99
    assert answer.headers["live-cursor"].startswith(f"{world.log().stat().st_size}.")


async def test_a_log_that_begins_anew_is_shown_anew(world: IssueWorld) -> None:
    world.add()
    world.write(*notes(range(10)))
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.write(*notes([10]))
        await viewer.until("note 10.")
        world.log().unlink()
        world.write(*notes([77]))
        await viewer.until("note 77.")
        world.write(*notes([78]))
        await viewer.until("note 78.")
    assert numbers(viewer.seen) == [10, 77, 78]
    assert 'id="timeline" class="timeline" hx-swap-oob="outerHTML"' in viewer.seen


async def test_where_the_issue_stands_changes_by_itself(world: IssueWorld) -> None:
    detail = world.add()
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.daemon.details["7"] = replace(detail, standing="Running: in a turn, turn 3 of 20.")
        world.daemon.change(Snapshot(NOON, "working", "one attempt", running=(RUNNING,)))
        await viewer.until("Running: in a turn, turn 3 of 20.", "1,034 tokens", "one attempt")
        assert '<section id="issue-standing" hx-swap-oob="morph"' in viewer.seen
        asked = SteeringRequest("q1", "7", "7.2", "Tabs or spaces?", "", NOON)
        world.daemon.details["7"] = replace(detail, steering=(asked,))
        world.daemon.change(Snapshot(NOON))
        await viewer.until("Tabs or spaces?", 'value="q1"')


async def test_a_part_that_looks_as_on_the_page_is_not_sent(world: IssueWorld) -> None:
    world.add()
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.daemon.change(Snapshot(NOON, "working", "busy", running=(RUNNING,)))
        await viewer.until("1,034 tokens")
    assert viewer.seen.count('id="issue-standing"') == 1
    assert 'id="issue-text"' not in viewer.seen
    assert 'id="issue-audit"' not in viewer.seen


async def test_who_comes_back_after_a_restart_gets_only_what_looks_different(world: IssueWorld) -> None:
    detail = world.add()
    path = live_path(await world.page("/issues/7"))
    same = await world.client.ask("GET", f"{path}&poll=1")
    assert same.body == b""
    world.daemon.details["7"] = replace(detail, standing="Not running: paused.")
    other = await world.client.ask("GET", f"{path}&poll=1")
    assert other.body.decode().count("hx-swap-oob") == 1
    assert "Not running: paused." in other.body.decode()


async def test_the_changes_are_asked_for_again_when_an_attempt_has_ended(world: IssueWorld) -> None:
    detail = world.add()
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        row = AttemptRow("7.1", "7", 1, "demo", "local", NOON, NOON, "delivered")
        world.daemon.details["7"] = replace(detail, attempts=(row,))
        world.daemon.change(Snapshot(NOON))
        await viewer.until('<section id="issue-changes" hx-swap-oob="morph"', 'hx-trigger="load, click"')


async def test_one_follower_serves_all_and_ends_with_the_last(
    world: IssueWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[asyncio.Task[None] | None] = []
    follow = issue_watch.Watch.follow

    async def counted(watch: issue_watch.Watch) -> None:
        followed.append(asyncio.current_task())
        await follow(watch)

    monkeypatch.setattr(issue_watch.Watch, "follow", counted)
    world.add()
    path = live_path(await world.page("/issues/7"))
    before = len(world.daemon.listeners)
    async with AsyncExitStack() as stack:
        viewers = [await stack.enter_async_context(viewing(world.client, path)) for _ in range(20)]
        world.write(*notes([0]))
        for viewer in viewers:
            await viewer.until("note 0.")
        assert len(followed) == 1
        assert followed[0] is not None
        assert not followed[0].done()
    async with asyncio.timeout(BOUND):
        await asyncio.wait({followed[0]})
    assert followed[0].cancelled()
    assert len(world.daemon.listeners) == before


async def test_closing_the_listener_ends_the_streams(tmp_path: Path) -> None:
    daemon = daemon_in(tmp_path)
    bounds = Bounds(close_s=0.1)
    surface = surface_of(daemon, Door(), branches=FakeBranches())
    async with AsyncExitStack() as stack:
        listening = open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds)
        async with listening as listener:
            world = IssueWorld(tmp_path, daemon, FakeBranches(), Client(listener.port))
            world.add()
            viewer = await stack.enter_async_context(viewing(world.client, "/issues/7/live?after=0"))
            await viewer.until("issue-standing")
        await viewer.end()
    assert daemon.listeners == []


@pytest.mark.parametrize("after", ["", "x", "-1", "²", "9" * 40, "1e3", "1.0123", "1." + "0" * 800])
async def test_what_is_no_cursor_is_named(world: IssueWorld, after: str) -> None:
    world.add()
    answer = await world.client.ask("GET", f"/issues/7/live?after={quote(after)}")
    assert answer.status == 422


@pytest.mark.parametrize(
    "cursor", [IssueCursor(0), IssueCursor(12), IssueCursor(5, ("0123abcd", "89abcdef"))]
)
def test_a_cursor_is_read_as_it_was_written(cursor: IssueCursor) -> None:
    assert IssueCursor.parse(str(cursor)) == cursor


async def test_hostile_text_is_text_in_a_stream_too(world: IssueWorld) -> None:
    world.add()
    path = live_path(await world.page("/issues/7"))
    async with viewing(world.client, path) as viewer:
        world.write(said(f"{HOSTILE}\n\nid: 99\n\ndata: x\n"), {"kind": "hook", "name": "end", "status": 0})
        await viewer.until("end: passed")
    assert "<script>alert" not in viewer.seen
    assert "\x1b" not in viewer.seen
    lines = [line.strip() for line in viewer.seen.split("\n")]
    assert "id: 99" not in lines
    assert "data: x" not in lines
