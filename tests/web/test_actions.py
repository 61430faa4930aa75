"""What a person does to an issue: each form tells the daemon one thing, once, and says what became of it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from symphony.core.access import AccessDecision
from symphony.core.budget import BudgetKind, CeilingChange
from symphony.core.decide import CommandRefused
from symphony.core.permission import PermissionAnswer
from symphony.core.steering import SteeringRequest
from symphony.web.listener import Bounds, open_listener
from tests.web.issue_support import FakeBranches, IssueWorld, daemon_in
from tests.web.support import BOUND, NOON, Client, Door, surface_of

ASKED = SteeringRequest("q1", "7", "7.1", "Tabs or spaces?", "", NOON - timedelta(minutes=5))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[IssueWorld]:
    daemon, branches = daemon_in(tmp_path), FakeBranches()
    surface = surface_of(daemon, Door(), branches=branches)
    bounds = Bounds(close_s=0.1)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
        yield IssueWorld(tmp_path, daemon, branches, Client(listener.port))


MORE = (CeilingChange(BudgetKind.TOKENS, 500_000, add=True), CeilingChange(BudgetKind.USD, 2.5))
COMMANDS = [
    ("retry", "", ("retry", "7"), "7 starts again"),
    ("cancel", "", ("cancel", "7"), "7 is being stopped"),
    ("pause", "", ("pause", "7"), "7 is paused"),
    ("resume", "", ("resume", "7"), "7 is no longer paused"),
    ("approve", "", ("approve", "7"), "7 is approved, and is in Todo now."),
    ("discard", "sure=yes", ("discard", "7"), "What there was of 7 is discarded."),
    ("reject", "text=Why%3F&work=7.1", ("reject", "7", "Why?", None),
     "7 is back in Todo with your words; its agent goes on."),
    ("move", "state=In+Progress", ("move", "7", "In Progress"), "7 is in In Progress now."),
    ("permission", "request=7.1.1&answer=always", ("permit", "7", "7.1.1", PermissionAnswer.ALWAYS),
     "The agent of 7 may do it for the rest of its session, and goes on."),
    ("permission", "request=7.1.1&answer=once", ("permit", "7", "7.1.1", PermissionAnswer.ONCE),
     "The agent of 7 may do it, and goes on."),
    ("permission", "request=7.1.1&answer=deny", ("permit", "7", "7.1.1", PermissionAnswer.DENY),
     "The agent of 7 is told that it may not."),
    ("access", "host=a.example&decision=issue", ("access", "7", "a.example", AccessDecision.ISSUE),
     "may reach a.example in all its attempts"),
    ("budget", "tokens=%2B500_000&usd=2.5", ("budget", "7", MORE),
     "Issue 7 has spent 1,200 of 5,000 tokens. Eligible."),
    ("reply", "text=Tabs", ("reply", "7", "Tabs"), "Your answer to 7 is kept"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "asked", "words"), COMMANDS)
async def test_a_form_is_carried_out_and_the_page_says_so(
    world: IssueWorld, name: str, body: str, asked: tuple[object, ...], words: str
) -> None:
    world.add(steering=(ASKED,))
    answer = await world.post(f"/issues/7/{name}", body)
    assert (answer.status, answer.headers["location"]) == (303, "/issues/7")
    assert asked in world.daemon.asked
    page = await world.page("/issues/7", Cookie=answer.headers["set-cookie"].split(";")[0])
    assert words in page


@pytest.mark.parametrize(("name", "body", "asked", "words"), COMMANDS)
async def test_a_script_gets_a_notice_alone(
    world: IssueWorld, name: str, body: str, asked: tuple[object, ...], words: str
) -> None:
    world.add(steering=(ASKED,))
    answer = await world.post(f"/issues/7/{name}", body, htmx=True)
    assert answer.status == 200
    text = answer.body.decode()
    assert text.startswith('<div id="notice"')
    assert words in text
    assert asked in world.daemon.asked


@pytest.mark.parametrize(("name", "body", "asked", "words"), COMMANDS)
async def test_a_form_from_elsewhere_does_nothing(
    world: IssueWorld, name: str, body: str, asked: tuple[object, ...], words: str
) -> None:
    world.add(steering=(ASKED,))
    for headers in ({"Origin": None}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert (await world.post(f"/issues/7/{name}", body, **headers)).status == 403
    assert (await world.post(f"/issues/7/{name}", body, **{"Content-Type": "text/plain"})).status == 415
    assert (await world.client.ask("GET", f"/issues/7/{name}")).status in {404, 405}
    assert asked not in world.daemon.asked


@pytest.mark.parametrize("issue_id", ["a/b", "100%", "ü ✓", "..", "a?b#c", '"><script>', "a%2Fb", " x "])
async def test_every_id_can_be_named(world: IssueWorld, issue_id: str) -> None:
    at = f"/issues/{quote(issue_id, safe='')}"
    answer = await world.post(f"{at}/cancel")
    assert (answer.status, answer.headers["location"]) == (303, at)
    assert ("cancel", issue_id) in world.daemon.asked


async def test_a_double_click_adds_to_a_budget_once_and_the_next_one_again(world: IssueWorld) -> None:
    for was in ("1,200+of+1,000+tokens", "1,200+of+1,000+tokens", "1,600+of+1,500+tokens"):
        await world.post("/issues/7/budget", f"tokens=%2B500&was={was}")
    assert [asked[0] for asked in world.daemon.asked].count("budget") == 2


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("reply", "", "invalid_reply"),
        ("reply", "text=+%0A", "invalid_reply"),
        ("move", "", "invalid_state"),
        ("discard", "", "invalid_confirmation"),
        ("discard", "sure=no", "invalid_confirmation"),
        ("access", "host=x", "invalid_body"),
        ("access", "host=x&decision=always", "invalid_body"),
        ("permission", "request=7.1.1", "invalid_body"),
        ("permission", "request=7.1.1&answer=yes", "invalid_body"),
        ("cancel", "what=this", "invalid_body"),
        ("budget", "", "invalid_budget"),
        ("budget", "tokens=-5", "invalid_budget"),
        ("budget", "usd=nan", "invalid_budget"),
    ],
)
async def test_a_form_that_says_nothing_usable_is_named(
    world: IssueWorld, name: str, body: str, code: str
) -> None:
    answer = await world.post(f"/issues/7/{name}", body)
    assert answer.status == 422
    assert f"<code>{code}</code>" in answer.body.decode()
    assert world.daemon.asked == []


async def test_the_second_of_two_answers_is_told_and_keeps_its_words(world: IssueWorld) -> None:
    world.add(steering=(ASKED,))
    assert (await world.post("/issues/7/reply", "question=q1&text=Tabs")).status == 303
    answer = await world.post("/issues/7/reply", "question=q1&text=Spaces,+%3Cb%3Eplease")
    page = answer.body.decode()
    assert answer.status == 409
    assert "has been answered already" in page
    assert "Spaces, &lt;b&gt;please</textarea>" in page
    assert [asked for asked in world.daemon.asked if asked[0] == "reply"] == [("reply", "7", "Tabs")]


async def test_an_answer_never_reaches_another_question(world: IssueWorld) -> None:
    world.add(steering=(SteeringRequest("q2", "7", "7.2", "Delete it all?", "", NOON),))
    answer = await world.post("/issues/7/reply", "question=q1&text=Yes", htmx=True)
    assert answer.status == 409
    assert not [asked for asked in world.daemon.asked if asked[0] == "reply"]


async def test_an_answer_that_is_sent_twice_is_one(world: IssueWorld) -> None:
    world.add(steering=(ASKED,))
    answers = await asyncio.gather(
        *(world.post("/issues/7/reply", "question=q1&text=Tabs", htmx=True) for _ in range(3))
    )
    assert [answer.status for answer in answers] == [200] * 3
    assert [asked for asked in world.daemon.asked if asked[0] == "reply"] == [("reply", "7", "Tabs")]


async def test_an_answer_to_nothing_keeps_its_words(world: IssueWorld) -> None:
    world.daemon.failure = CommandRefused("Issue 7 has asked nothing.", code="no_open_question")
    answer = await world.post("/issues/7/reply", "text=Tabs")
    assert answer.status == 409
    assert "Issue 7 has asked nothing." in answer.body.decode()
    assert ">Tabs</textarea>" in answer.body.decode()


@pytest.mark.parametrize(
    ("code", "status"), [("draining", 503), ("issue_not_found", 404), ("target_exists", 409), ("busy", 503)]
)
@pytest.mark.parametrize("htmx", [True, False])
async def test_a_refusal_is_shown_with_its_status(
    world: IssueWorld, code: str, status: int, htmx: bool
) -> None:
    world.daemon.failure = CommandRefused("Not now, <b>.", code=code)
    answer = await world.post("/issues/7/move", "state=Done", htmx=htmx)
    assert answer.status == status
    assert "Not now, &lt;b&gt;." in answer.body.decode()


async def test_the_way_back_is_the_page_that_the_form_was_on(world: IssueWorld) -> None:
    own = f"http://127.0.0.1:{world.client.port}"
    for came, back in (
        ("/inbox", "/inbox"),
        ("/states/Todo?page=2", "/states/Todo?page=2"),
        ("/issues/7/diff", "/issues/7"),
        ("//evil.example", "/"),
    ):
        answer = await world.post("/issues/7/cancel", Referer=own + came)
        assert answer.headers["location"] == back
    answer = await world.post("/issues/7/cancel", Referer="https://evil.example/inbox")
    assert answer.headers["location"] == "/issues/7"


async def test_what_was_begun_is_finished_when_its_browser_goes(world: IssueWorld) -> None:
    world.daemon.holds = True
    sending = asyncio.create_task(world.post("/issues/7/cancel"))
    async with asyncio.timeout(BOUND):
        await world.daemon.began.wait()
        sending.cancel()
        await asyncio.wait({sending})
        world.daemon.release.set()
        await world.daemon.done.wait()
    assert world.daemon.asked == [("cancel", "7")]
