"""An issue explained in the API and on its page: the same sentences, the same steps."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from symphony.core.effect import Audit
from symphony.core.eligibility import ReasonCode
from symphony.core.explain import Explanation
from symphony.core.step import Step
from symphony.web.listener import Bounds, open_listener
from tests.web.issue_support import HOSTILE, FakeBranches, IssueWorld, daemon_in, live_path, viewing
from tests.web.support import NOON, Client, Door, surface_of

LATER = NOON + timedelta(seconds=30)
EXPLAINED = Explanation(
    "7",
    NOON,
    ReasonCode.RETRYING,
    "Not running: tried again at 12:00:30 UTC: git failed.",
    (Step("Attempt 2 starts", LATER), Step("Even then it does not start: paused by you")),
    (Audit(NOON, "7", "retry", "failure 1 of 5: git failed"),),
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[IssueWorld]:
    daemon, branches = daemon_in(tmp_path), FakeBranches()
    surface = surface_of(daemon, Door(), branches=branches)
    bounds = Bounds(close_s=0.1)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
        world = IssueWorld(tmp_path, daemon, branches, Client(listener.port))
        world.add()
        daemon.explanations["7"] = EXPLAINED
        yield world


async def test_the_api_explains_an_issue(world: IssueWorld) -> None:
    answer = await world.client.ask("GET", "/api/v1/issues/7/explain")
    assert answer.json == {
        "issue_id": "7",
        "generated_at": "2026-01-01T12:00:00.000Z",
        "code": "retrying",
        "where": "Not running: tried again at 12:00:30 UTC: git failed.",
        "next": [
            {
                "text": "Attempt 2 starts",
                "at": "2026-01-01T12:00:30.000Z",
                "in_seconds": 30.0,
                "sentence": "Attempt 2 starts, at 2026-01-01 12:00:30 UTC, in 30s.",
            },
            {
                "text": "Even then it does not start: paused by you",
                "at": None,
                "in_seconds": None,
                "sentence": "Even then it does not start: paused by you.",
            },
        ],
        "decisions": [
            {
                "at": "2026-01-01T12:00:00.000Z",
                "issue_id": "7",
                "decision": "retry",
                "reason": "failure 1 of 5: git failed",
            }
        ],
    }


async def test_the_api_says_that_there_is_no_such_issue(world: IssueWorld) -> None:
    answer = await world.client.ask("GET", "/api/v1/issues/nope/explain")
    assert answer.error == (404, "issue_not_found", "There is no issue nope.")


async def test_the_page_says_where_it_stands_and_what_happens_next(world: IssueWorld) -> None:
    page = await world.page("/issues/7")
    standing = page.split('<section id="issue-standing"')[1].split("</section>")[0]
    assert 'aria-label="Where it stands"' in standing
    assert '<p class="sentence">Not running: blocked by 3.</p>' in standing
    section = page.split('<section id="issue-explain"')[1].split("</section>")[0]
    for words in (
        "<h2>What happens next</h2>",
        'Attempt 2 starts, <time datetime="2026-01-01T12:00:30.000Z">at 2026-01-01 12:00:30 UTC</time>',
        'data-until="2026-01-01T12:00:30.000Z"',
        "<li>Even then it does not start: paused by you.</li>",
        "<strong>retry</strong> failure 1 of 5: git failed",
    ):
        assert words in section


async def test_the_section_is_live(world: IssueWorld) -> None:
    page = await world.page("/issues/7")
    async with viewing(world.client, live_path(page)) as viewer:
        world.daemon.explanations["7"] = replace(
            EXPLAINED, next=(Step("It starts as soon as a slot is free"),)
        )
        world.daemon.change(world.daemon.shown)
        seen = await viewer.until("It starts as soon as a slot is free.")
        assert '<section id="issue-explain" hx-swap-oob="morph"' in seen


async def test_what_agents_and_files_say_is_text(world: IssueWorld) -> None:
    audit = (Audit(NOON, "7", "stop", HOSTILE),)
    world.daemon.explanations["7"] = replace(
        EXPLAINED, where=HOSTILE, next=(Step(HOSTILE, LATER),), decisions=audit
    )
    page = await world.page("/issues/7")
    assert "<script>alert" not in page
    assert "\x1b" not in page
    answer = await world.client.ask("GET", "/api/v1/issues/7/explain")
    assert answer.json["where"] == HOSTILE
