"""The home page and the pages of states: what they show, and that it is text whoever wrote it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from symphony.core.claim import Retrying
from symphony.core.handoff import Completion
from symphony.core.picture import render_snapshot
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RunningView, Snapshot, WaitingView
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.web.site import Site
from tests.support.world import make_record, make_state
from tests.web.support import BOUND, NOON, Answer, Client, Daemon, make_issue, request

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e"
RUNNING = RunningView(
    "7", "7", "Fix it", "Todo", "7.1", 1, "demo", "in a turn", 3, 20, NOON - timedelta(seconds=65), NOON,
    "edits the parser", Usage(input_tokens=1_200, output_tokens=34, cost_usd=0.5),
)  # fmt: skip
ASKED = SteeringRequest(
    "q1", "8", "8.1", "Tabs or spaces?", "The file has both.", NOON - timedelta(minutes=5)
)


def text_of(answer: Answer) -> str:
    assert answer.status == 200
    return answer.body.decode()


async def test_a_card_says_what_its_attempt_does(client: Client, daemon: Daemon) -> None:
    daemon.known = (replace(make_issue("7"), priority=1, labels=("parser",), blocked_by=("3",)),)
    daemon.change(Snapshot(NOON, running=(RUNNING,)))
    page = text_of(await client.ask("GET", "/"))
    for words in (
        "in a turn", "turn 3 of 20", ">at 2026-01-01 11:58:55 UTC<",
        "1,234 tokens", "$0.50", "edits the parser", "P1", "parser",
        'href="/issues/3"',
    ):  # fmt: skip
        assert words in page


async def test_a_card_says_why_nothing_happens(client: Client, daemon: Daemon) -> None:
    daemon.known = (make_issue("7"),)
    daemon.change(Snapshot(NOON, blocked=(BlockedView("7", "7", "Fix", "Todo", "blocked", "blocked by 3"),)))
    assert "blocked by 3" in text_of(await client.ask("GET", "/"))


async def test_what_needs_a_person_is_on_top_with_a_box_for_the_answer(
    client: Client, daemon: Daemon
) -> None:
    daemon.known = (make_issue("8"),)
    waiting = WaitingView("8", "8", "Format", ASKED, "waits for your answer")
    problem = Problem("workflow_invalid", "WORKFLOW.md:3", "polling.interval_ms: found no number.")
    daemon.change(Snapshot(NOON, "attention", "1 question", waiting=(waiting,), problems=(problem,)))
    page = text_of(await client.ask("GET", "/"))
    assert page.index("Tabs or spaces?") < page.index('id="board"')
    assert 'action="/issues/8/reply"' in page
    assert "polling.interval_ms: found no number." in page
    assert "2 need you" in page


async def test_a_merge_train_that_stands_still_is_said_with_the_reason(
    client: Client, daemon: Daemon
) -> None:
    waits = Retrying(NOON, "It is checked out in /x.", code="train.checked_out")
    record = make_record(
        "1",
        waits,
        failures=1,
        failure_reasons=(waits.reason,),
        completion=Completion("1", "1.1", "Done", "All of it.", NOON),
    )
    for branch, said in (("train", True), (None, False)):
        state = make_state(make_issue("1"), records=(record,), merge_train={"branch": branch})
        daemon.change(render_snapshot(state, NOON, Usage()))
        line = "it stands still, and finished work waits for it. It is checked out in /x."
        assert (line in text_of(await client.ask("GET", "/"))) is said
        answer = await client.ask("GET", "/api/v1/state")
        expected = {
            "code": "train.checked_out",
            "where": "merge train train",
            "message": line,
            "issue_id": None,
        }
        assert (expected in answer.json["problems"]) is said


async def test_columns_are_the_states_in_workflow_order_and_empty_ends_are_left_out(
    client: Client, daemon: Daemon
) -> None:
    daemon.known = (make_issue("1", "Review"), make_issue("2", "Cancelled"))
    page = text_of(await client.ask("GET", "/"))
    order = [page.index(f'data-state="{state}"') for state in ("Todo", "In Progress", "Done", "Cancelled")]
    assert order == sorted(order)
    assert 'data-state="Review"' in page
    assert 'data-state="Duplicate"' not in page


async def test_a_column_shows_its_first_cards_and_the_way_to_all(client: Client, daemon: Daemon) -> None:
    daemon.known = tuple(make_issue(f"{number:04}") for number in range(101))
    page = text_of(await client.ask("GET", "/"))
    assert page.count('<li id="card-') == 40
    assert '<a href="/states/Todo">all 101</a>' in page
    first = text_of(await client.ask("GET", "/states/Todo"))
    second = text_of(await client.ask("GET", "/states/todo?page=2"))
    assert (first.count('class="card"'), second.count('class="card"')) == (100, 1)


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "²", "9" * 30])
async def test_a_page_that_is_none_is_named(client: Client, page: str) -> None:
    answer = await client.ask("GET", f"/states/Todo?page={page.replace('²', '%C2%B2')}")
    assert answer.status == 422
    assert "is not a page&#39;s number" in answer.body.decode()


async def test_an_unknown_state_is_404(client: Client) -> None:
    answer = await client.ask("GET", "/states/No%2Fwhere")
    assert answer.status == 404
    assert "There is no state &#39;No/where&#39;." in answer.body.decode()


async def test_nothing_that_anyone_wrote_becomes_markup(client: Client, daemon: Daemon) -> None:
    issue = replace(make_issue(HOSTILE, title=HOSTILE), labels=(HOSTILE,), identifier=HOSTILE)
    daemon.known = (issue, make_issue("x", HOSTILE))
    asked = replace(ASKED, issue_id=HOSTILE, question=HOSTILE, context=HOSTILE)
    running = replace(RUNNING, issue_id=HOSTILE, last_event=HOSTILE, phase=HOSTILE)
    daemon.change(
        Snapshot(
            NOON,
            status_reason=HOSTILE,
            running=(running,),
            waiting=(WaitingView(HOSTILE, HOSTILE, HOSTILE, asked, HOSTILE),),
            problems=(Problem("x", HOSTILE, HOSTILE),),
        )
    )
    page = text_of(await client.ask("GET", "/"))
    assert "<script>alert" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


async def test_a_change_is_sent_to_an_open_page_alone(client: Client, daemon: Daemon) -> None:
    daemon.known = (make_issue("7"), make_issue("8"))
    text_of(await client.ask("GET", "/"))
    page = text_of(await client.ask("GET", "/"))
    path = page.split('sse-connect="')[1].split('"')[0].replace("&amp;", "&")
    async with asyncio.timeout(BOUND):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(request("GET", path, {"Host": f"127.0.0.1:{client.port}"}))
        await reader.readuntil(b"retry: 1000\n\n")
        daemon.change(Snapshot(NOON, running=(RUNNING,)))
        event = (await reader.readuntil(b"\n\n\r\n")).decode()
        writer.close()
    assert '<li id="card-7" hx-swap-oob="morph"' in event
    assert "card-8" not in event
    assert "id: " in event


async def test_without_events_a_page_asks_for_what_is_new(client: Client, daemon: Daemon) -> None:
    first = await client.ask("GET", "/live?show=header&poll=1")
    again = await client.ask("GET", f"/live?show=header&poll=1&after={first.headers['live-cursor']}")
    assert b'<header id="header" hx-swap-oob="morph"' in first.body
    assert again.body == b""


async def test_a_file_whose_name_is_no_text_leaves_every_page_as_it_is(
    client: Client, daemon: Daemon
) -> None:
    odd = "caf\udce9"
    daemon.known = (make_issue("7"), make_issue("8", odd), make_issue("\ud800"))
    daemon.change(Snapshot(NOON, problems=(Problem("issue_unreadable", odd, "It is so.", odd),)))
    page = text_of(await client.ask("GET", "/"))
    assert 'href="/issues/caf%E9/edit"' in page
    assert 'id="card-7"' in page


async def test_a_part_that_cannot_be_shown_leaves_the_rest_and_says_so(
    client: Client, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Site.fragment

    def fragment(site: Site, name: str, **values: object) -> str:
        if name == "totals.html":
            raise ZeroDivisionError
        return whole(site, name, **values)

    monkeypatch.setattr(Site, "fragment", fragment)
    page = text_of(await client.ask("GET", "/"))
    assert "This cannot be shown; symphony's log file says why." in page
    assert 'id="board"' in page


async def test_many_groups_that_are_none_are_not_kept(client: Client) -> None:
    first = await client.ask("GET", "/live?show=header&poll=1")
    for number in range(40):
        answer = await client.ask("GET", f"/live?show=header,x{number}&poll=1&after=x-{number}")
        assert answer.body == first.body


class TestWithoutScript:
    async def test_pausing_is_a_form_and_the_page_says_that_it_was_done(
        self, client: Client, daemon: Daemon
    ) -> None:
        answer = await post(client, "/pause")
        assert (answer.status, answer.headers["location"]) == (303, "/")
        assert daemon.asked == [("pause", None)]
        cookie = answer.headers["set-cookie"].split(";")[0]
        page = text_of(await client.ask("GET", "/", Cookie=cookie))
        assert "Paused: no new attempt starts; those that run go on." in page

    @pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
    async def test_a_form_of_another_page_is_refused(
        self, client: Client, daemon: Daemon, origin: str | None
    ) -> None:
        assert (await post(client, "/pause", Origin=origin)).status == 403
        assert daemon.asked == []

    async def test_another_site_reads_nothing_and_may_lead_here(self, client: Client) -> None:
        asked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}
        assert (await client.ask("GET", "/live?show=header&poll=1", **asked)).status == 403
        asked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
        assert (await client.ask("GET", "/", **asked)).status == 200

    async def test_a_wrong_method_is_405(self, client: Client) -> None:
        answer = await client.ask("GET", "/pause")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def post(client: Client, path: str, body: bytes = b"", **headers: str | None) -> Answer:
    """Post a form as a browser does."""
    origin = {"Origin": f"http://127.0.0.1:{client.port}", **headers}
    return await client.ask(
        "POST", path, raw=body, Content_Type="application/x-www-form-urlencoded", **origin
    )
