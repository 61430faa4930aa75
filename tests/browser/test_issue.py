"""An issue's page in a real browser: the agent's work comes in live, and what is typed stays."""

import json
import re
from contextlib import suppress
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.served import Served, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHANGE = "```python choice.py\nCHOICE = '@REPLY@'\n```\n"
ASKS = f"---\ntitle: Choose\n---\nDo **it**.\n\nAsk: Tabs or `spaces`?\n\n{CHANGE}"
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def asked(served: Served) -> bool:
    return any(line["kind"] == "question" for line in served.project.log("1"))


def is_known(served: Served) -> bool:
    with suppress(HTTPError), urlopen(f"{served.url}/issues/1", timeout=10):
        return True
    return False


async def ids(page: Page) -> list[str]:
    """Return the ids of the entries of the timeline."""
    found: list[str] = await page.evaluate(
        "[...document.querySelectorAll('#timeline > .entry')].map((e) => e.id)"
    )
    return found


async def test_an_attempt_is_watched_from_its_question_to_its_patch(visit: Visit, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: is_known(served))
    page = await visit.open("/issues/1")
    await expect(page.locator("#timeline .note.attention")).to_contain_text("Tabs or `spaces`?")
    box = page.locator("#issue-steering textarea")
    await box.press_sequentially("four sp")
    path = served.project.root / "issues" / "Todo" / "1.md"
    path.write_text(ASKS.replace("**it**", "**something else**"))
    await expect(page.locator("#issue-text strong")).to_have_text("something else")
    await expect(box).to_have_value("four sp")
    await expect(box).to_be_focused()
    await page.keyboard.type("aces")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.locator("#issue-delivery .copy")).to_have_value(re.compile("git am .*agent_1.patch"))
    await expect(page.locator("#timeline")).to_contain_text("delivered after")
    await expect(page.locator("#issue-steering .reply")).to_contain_text("four spaces")
    names = await ids(page)
    assert len(names) == len(set(names))
    await page.locator("#issue-changes summary").click()
    await expect(page.locator("#issue-changes .added").last).to_contain_text("four spaces")
    await page.reload()
    assert await ids(page) == names


async def test_a_stream_that_breaks_goes_on_without_gap_or_repeat(visit: Visit, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: asked(served))
    page = await visit.open("/issues/1")
    await expect(page.locator("#issue-changes")).to_contain_text("Nothing of its branch")
    visit.offline = True
    served.kill()
    await expect(page.locator("#offline")).to_be_visible()
    served.start()
    await expect(page.locator("#offline")).to_be_hidden()
    await page.locator("#issue-steering textarea").fill("four")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.locator("#timeline")).to_contain_text("delivered after")
    names = await ids(page)
    assert len(names) == len(set(names))
    await page.reload()
    assert await ids(page) == names


async def test_without_events_the_timeline_is_asked_for(visit: Visit, served: Served) -> None:
    async def only_polls(route: Route) -> None:
        if "poll=1" in route.request.url:
            await route.continue_()
        else:
            await route.fulfill(status=404)

    visit.offline = True
    await visit.page.route(re.compile(r"/live\?"), only_polls)
    served.project.drop("1", "---\ntitle: Write\n---\n```python one.py\nONE = 1\n```\n")
    served.until(lambda: is_known(served))
    page = await visit.open("/issues/1")
    await expect(page.locator("#timeline")).to_contain_text("delivered after")
    names = await ids(page)
    assert len(names) == len(set(names))


async def test_hostile_text_is_text(visit: Visit, served: Served) -> None:
    served.project.drop(
        "1",
        f"---\ntitle: '{HOSTILE}'\nlabels: ['{HOSTILE}']\n---\n{HOSTILE}\n\n[x](javascript:alert(3))\n\n"
        f"![y](http://evil.example/y.png)\n\nAsk: {HOSTILE}\n",
    )
    page = await visit.open("/")
    await expect(page.locator(".need .what")).to_contain_text(HOSTILE)
    page = await visit.open("/issues/1")
    await expect(page.locator("h1")).to_contain_text(HOSTILE)
    await expect(page.locator("#issue-text")).to_contain_text(HOSTILE)
    await expect(page.locator("#timeline .note.attention")).to_contain_text(HOSTILE)
    assert await page.locator("main img, main script, a[href^='javascript']").count() == 0


async def test_older_pages_come_on_demand(visit: Visit, served: Served) -> None:
    served.project.drop("1", "---\ntitle: Long\n---\n", state="Backlog")
    log = served.project.root / ".symphony" / "logs" / "1.jsonl"
    line = {"at": "2026-01-01T00:00:00.0+00:00", "attempt": "1.1", "kind": "handoff", "pad": "x" * 900}
    served.until(lambda: is_known(served))
    log.write_text("".join(json.dumps({**line, "note": f"note {number}."}) + "\n" for number in range(600)))
    page = await visit.open("/issues/1")
    await expect(page.get_by_text("note 599.")).to_be_visible()
    assert "note 0." not in await page.locator("#timeline").inner_text()
    for _ in range(10):
        if await page.locator("#older").count() == 0:
            break
        before = len(await ids(page))
        await page.locator("#older a").click()
        await expect(page.locator("#timeline > .entry").nth(before)).to_be_attached()
    shown = re.findall(r"note (\d+)\.", await page.locator("#timeline").inner_text())
    assert [int(number) for number in shown] == list(range(600))


async def test_a_phone_scrolls_in_one_direction(visit: Visit, served: Served) -> None:
    served.project.drop(
        "1",
        f"---\ntitle: {'long' * 50}\n---\n{'wide' * 100}\n\n    {'code' * 100}\n\nAsk: {'question' * 30}?\n",
    )
    served.until(lambda: asked(served))
    await visit.page.set_viewport_size({"width": 320, "height": 640})
    page = await visit.open("/issues/1")
    await expect(page.locator("#issue-steering textarea")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


async def test_without_script_the_page_reads_and_its_forms_work(plain: Page, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: asked(served))
    await plain.goto(f"{served.url}/issues/1")
    await plain.get_by_role("link", name="What its branch changes").click()
    await expect(plain.get_by_text("Nothing of its branch has been imported yet.")).to_be_visible()
    await plain.goto(f"{served.url}/issues/1")
    await plain.get_by_role("button", name="Pause", exact=True).click()
    await expect(plain.locator("#notice")).to_contain_text("1 is paused")
    await plain.get_by_role("button", name="Resume", exact=True).click()
    await plain.locator("#issue-steering textarea").fill("four")
    await plain.get_by_role("button", name="Answer").click()
    await expect(plain.locator("#notice")).to_contain_text("Your answer to 1 is kept")
    served.until(lambda: served.project.state_of("1") == "Done")


async def test_a_second_answer_is_told_and_keeps_its_words(visit: Visit, plain: Page, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: asked(served))
    await plain.goto(f"{served.url}/issues/1")
    page = await visit.open("/issues/1")
    await page.locator("#issue-steering textarea").fill("tabs")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.locator("#issue-steering .reply")).to_contain_text("tabs")
    await plain.locator("#issue-steering textarea").fill("spaces, please")
    await plain.get_by_role("button", name="Answer").click()
    await expect(plain.get_by_text("has been answered already")).to_be_visible()
    await expect(plain.locator("#typed")).to_have_value("spaces, please")
