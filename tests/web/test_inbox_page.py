"""The inbox: one card for each thing that needs a person, and nothing else."""

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from symphony.core.access import AccessRequest
from symphony.core.access_view import AccessView
from symphony.core.permission import PermissionRequest, Proposal
from symphony.core.problem import Problem
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.usage import Usage
from tests.support.world import make_steering
from tests.web.support import NOON, Answer, Client, Daemon

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
ODD_ID = "a/b %2F?"
RUNNING = RunningView(
    "9", "9", "Runs by itself", "Todo", "9.1", 1, "demo", "in a turn", 1, 20, NOON, NOON, "", Usage()
)
PROPOSAL = Proposal("rm -rf build", "execute", "rm -rf build", '{"command": "rm -rf build"}', lasting=True)
ASKING = replace(
    RUNNING,
    issue_id="0",
    identifier="0",
    permissions=(PermissionRequest("0.1.1", "0", "0.1", PROPOSAL, NOON),),
)
EVERYTHING = Snapshot(
    NOON,
    status="attention",
    running=(RUNNING, ASKING),
    waiting=(WaitingView("1", "APP-1", "Choose", make_steering("1", context="Both work."), "waits"),),
    access=(AccessView("2", "2", "Fetch", AccessRequest("pypi.org", 443, 1, NOON, NOON)),),
    retrying=(RetryingView("3", "3", "handoff", NOON, 1, "the disk is full"),),
    blocked=(
        BlockedView("4", "4", "Fix", "Todo", "failed", "failed 5 times", NOON),
        BlockedView("5", "5", "Pay", "Todo", "out_of_budget", "out of budget: 5 of 5 tokens"),
        BlockedView("6", "6", "Later", "Todo", "blocked", "blocked by 9"),
    ),
    problems=(
        Problem("workflow_invalid", "WORKFLOW.md:3", "no number"),
        Problem("issue_unreadable", "Todo/8.md", "is not UTF-8", "8"),
        Problem("store_full", "the store", "The disk is full."),
    ),
)


class Page(HTMLParser):
    """What a page offers: its forms with their fields, its links, and its cards."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.links: list[str] = []
        self.cards: list[str] = []
        self.labelled: set[str] = set()
        self.fields: set[str] = set()
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((given.get("action", ""), {}))
        elif tag in {"input", "button", "textarea"} and self.forms and "name" in given:
            name, fields = given["name"], self.forms[-1][1]
            fields[name] = " ".join(filter(None, [fields.get(name), given.get("value", "")]))
        if tag == "textarea":
            self.fields.add(given["id"])
        elif tag == "label":
            self.labelled.add(given["for"])
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "li" and "ask" in given.get("class", "").split():
            self.cards.append(given["class"].split()[1])


async def look(client: Client) -> Page:
    answer = await client.ask("GET", "/inbox")
    assert answer.status == 200
    return Page(answer)


async def test_only_what_needs_a_person_is_there_the_most_urgent_first(
    client: Client, daemon: Daemon
) -> None:
    daemon.change(EVERYTHING)
    page = await look(client)
    assert page.cards == [
        "question",
        "permission",
        "access",
        "handoff",
        "parked",
        "parked",
        "problem",
        "problem",
        "problem",
    ]
    text = (await client.ask("GET", "/inbox")).body.decode()
    assert 'href="/issues/9"' not in text
    assert "Later" not in text


async def test_each_card_has_the_forms_that_answer_it(client: Client, daemon: Daemon) -> None:
    daemon.change(EVERYTHING)
    forms = [form for form in (await look(client)).forms if form[0].startswith("/issues/")]
    assert forms == [
        ("/issues/1/reply", {"question": "1.1.q1", "text": ""}),
        ("/issues/0/permission", {"request": "0.1.1", "answer": "once always deny"}),
        ("/issues/2/access", {"host": "pypi.org", "decision": "once issue workflow deny"}),
        ("/issues/3/retry", {}),
        ("/issues/3/discard", {"sure": "yes"}),
        ("/issues/4/retry", {}),
        ("/issues/4/discard", {"sure": "yes"}),
        ("/issues/5/budget", {"was": "out of budget: 5 of 5 tokens", "tokens": "", "usd": "", "minutes": ""}),
    ]


async def test_what_no_form_can_mend_leads_to_the_page_that_can(client: Client, daemon: Daemon) -> None:
    daemon.change(EVERYTHING)
    links = (await look(client)).links
    assert "/issues/8/edit" in links
    assert links.count("/workflow") == 3 + 1  # the budget, the file's problem, the header and the menu


async def test_every_field_has_its_label(client: Client, daemon: Daemon) -> None:
    daemon.change(EVERYTHING)
    page = await look(client)
    assert page.fields
    assert page.fields <= page.labelled


async def test_an_empty_inbox_says_so(client: Client) -> None:
    page = await client.ask("GET", "/inbox")
    assert b"Nothing needs you." in page.body


async def test_what_anyone_wrote_is_text(client: Client, daemon: Daemon) -> None:
    steering = make_steering(ODD_ID, question=HOSTILE, context=HOSTILE)
    daemon.change(
        Snapshot(
            NOON,
            waiting=(WaitingView(ODD_ID, HOSTILE, HOSTILE, steering, ""),),
            running=(
                replace(
                    RUNNING,
                    issue_id=ODD_ID,
                    title=HOSTILE,
                    permissions=(
                        PermissionRequest(
                            HOSTILE, ODD_ID, HOSTILE, Proposal(HOSTILE, HOSTILE, HOSTILE, HOSTILE), NOON
                        ),
                    ),
                ),
            ),
            access=(AccessView(ODD_ID, ODD_ID, HOSTILE, AccessRequest(HOSTILE, 443, 1, NOON, NOON)),),
            problems=(Problem("x", HOSTILE, HOSTILE),),
        )
    )
    page = (await client.ask("GET", "/inbox")).body.decode()
    assert "<script>alert" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert 'action="/issues/a%2Fb%20%252F%3F/reply"' in page


@pytest.mark.parametrize("count", [100, 103])
async def test_very_many_things_are_shown_in_part(client: Client, daemon: Daemon, count: int) -> None:
    problems = tuple(Problem("issue_unreadable", f"Todo/{n}.md", "is broken", str(n)) for n in range(count))
    daemon.change(Snapshot(NOON, problems=problems))
    text = (await client.ask("GET", "/inbox")).body.decode()
    assert text.count('class="ask problem"') == 100
    assert ("and 3 more things" in text) is (count == 103)


async def test_a_new_thing_reaches_an_open_inbox_and_an_answered_one_leaves_it(
    client: Client, daemon: Daemon
) -> None:
    first = await client.ask("GET", "/live?poll=1&show=inbox,ask")
    daemon.change(EVERYTHING)
    news = await client.ask("GET", f"/live?poll=1&show=inbox,ask&after={first.headers['live-cursor']}")
    assert b'id="inbox" hx-swap-oob="morph"' in news.body
    assert b"/issues/1/reply" in news.body
    daemon.change(Snapshot(NOON))
    last = await client.ask("GET", f"/live?poll=1&show=inbox,ask&after={news.headers['live-cursor']}")
    assert b"Nothing needs you." in last.body


async def test_an_open_inbox_is_not_told_of_what_does_not_concern_it(client: Client, daemon: Daemon) -> None:
    daemon.change(EVERYTHING)
    first = await client.ask("GET", "/live?poll=1&show=inbox,ask")
    daemon.change(Snapshot(NOON, **{**fields_of(EVERYTHING), "status": "working"}))
    news = await client.ask("GET", f"/live?poll=1&show=inbox,ask&after={first.headers['live-cursor']}")
    assert news.body == b""


def fields_of(snapshot: Snapshot) -> dict[str, object]:
    names = ("running", "waiting", "access", "retrying", "blocked", "problems")
    return {name: getattr(snapshot, name) for name in names}
