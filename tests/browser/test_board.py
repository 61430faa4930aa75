"""The board in a real browser: live, by mouse, by keyboard, without script, and after a crash."""

import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.served import Served, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKS = "---\ntitle: Choose\n---\nAsk: Tabs or `spaces`?\n\n```python choice.py\nCHOICE = '@REPLY@'\n```\n"
HOLD = "Backlog"
NARROW = {"width": 320, "height": 640}


async def test_a_dropped_file_is_a_card_without_a_reload(visit: Visit, served: Served) -> None:
    page = await visit.open()
    served.project.drop("7", "---\ntitle: Just dropped\n---\n", state=HOLD)
    await expect(page.get_by_text("Just dropped")).to_be_visible()


async def test_what_is_typed_stays_while_the_page_changes_and_the_answer_arrives(
    visit: Visit, served: Served
) -> None:
    page = await visit.open()
    served.project.drop("1", ASKS)
    box = page.locator(".need textarea")
    await box.press_sequentially("four sp")
    served.project.drop("7", "---\ntitle: Came in between\n---\n", state=HOLD)
    served.project.drop("2", ASKS)
    await expect(page.get_by_text("Came in between")).to_be_visible()
    await expect(page.locator(".need textarea")).to_have_count(2)
    await expect(box.first).to_have_value("four sp")
    await expect(box.first).to_be_focused()
    await page.keyboard.type("aces")
    await page.locator(".need").first.get_by_role("button", name="Answer").click()
    served.until(lambda: served.project.patch("1").exists())
    assert "four spaces" in served.project.patch("1").read_text()


async def test_a_card_is_dragged_and_its_file_moves(visit: Visit, served: Served) -> None:
    served.project.drop("7", "---\ntitle: Drag me\n---\n", state=HOLD)
    page = await visit.open()
    await page.locator('[data-issue="7"]').drag_to(page.locator('.column[data-state="Done"]'))
    await expect(page.locator('.column[data-state="Done"] [data-issue="7"]')).to_be_visible()
    assert served.project.state_of("7") == "Done"


async def test_a_card_is_moved_by_keys_and_keeps_the_focus(visit: Visit, served: Served) -> None:
    served.project.drop("7", "---\ntitle: Move me\n---\n", state="Done")
    page = await visit.open()
    await page.locator('[data-issue="7"]').focus()
    await page.keyboard.press("]")
    await expect(page.locator('.column[data-state="Proposed"] [data-issue="7"]')).to_be_focused()
    assert served.project.state_of("7") == "Proposed"


async def test_a_move_that_cannot_be_says_why(visit: Visit, served: Served) -> None:
    served.project.drop("7", "---\ntitle: Mine\n---\n", state=HOLD)
    page = await visit.open()
    card = page.locator('[data-issue="7"]')
    await expect(card).to_be_visible()
    await card.focus()
    taken = served.project.root / "issues" / "Proposed" / "7.md"
    taken.mkdir(parents=True)
    await page.keyboard.press("[")
    await expect(page.locator("#notice.bad")).to_contain_text("7")
    assert served.project.state_of("7") is None or (served.project.root / "issues" / HOLD / "7.md").exists()


async def test_the_page_recovers_after_the_daemon_was_killed(visit: Visit, served: Served) -> None:
    page = await visit.open()
    visit.offline = True
    served.kill()
    await expect(page.locator("#offline")).to_be_visible()
    served.project.drop("7", "---\ntitle: Dropped meanwhile\n---\n", state=HOLD)
    served.start()
    await expect(page.get_by_text("Dropped meanwhile")).to_be_visible()
    await expect(page.locator("#offline")).to_be_hidden()


async def test_without_events_the_page_asks(visit: Visit, served: Served) -> None:
    async def only_polls(route: Route) -> None:
        if "poll=1" in route.request.url:
            await route.continue_()
        else:
            await route.fulfill(status=404)

    visit.offline = True
    await visit.page.route(re.compile(r"/live\?"), only_polls)
    page = await visit.open()
    served.project.drop("7", "---\ntitle: Found by asking\n---\n", state=HOLD)
    await expect(page.get_by_text("Found by asking")).to_be_visible()


async def test_hostile_text_is_text(visit: Visit, served: Served) -> None:
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    served.project.drop("7", f"---\ntitle: '{hostile}'\nlabels: ['{hostile}']\n---\n{hostile}", state=HOLD)
    served.project.drop("8", f"---\ntitle: Ask\n---\nAsk: {hostile}\n")
    page = await visit.open()
    await expect(page.locator(".need .what")).to_contain_text(hostile)
    await expect(page.locator('[data-issue="7"] .title')).to_have_text(hostile)


async def test_the_keys_are_listed(visit: Visit) -> None:
    page = await visit.open()
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


async def test_a_phone_scrolls_in_one_direction(visit: Visit, served: Served) -> None:
    served.project.drop("7", f"---\ntitle: {'long' * 50}\nlabels: [{'wide' * 30}]\n---\n", state=HOLD)
    served.project.drop("8", f"---\ntitle: Ask\n---\nAsk: {'question' * 30}?\n")
    await visit.page.set_viewport_size({"width": 320, "height": 640})
    page = await visit.open()
    await expect(page.locator(".need textarea")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


async def test_without_script_a_question_is_answered(plain: Page, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: any(line["kind"] == "question" for line in served.project.log("1")))
    served.until(lambda: b"Tabs or" in page_of(served))
    await plain.goto(served.url)
    await plain.locator(".need textarea").fill("four")
    await plain.get_by_role("button", name="Answer").click()
    await expect(plain.locator("#notice")).to_contain_text("1")
    served.until(lambda: served.project.state_of("1") == "Done")


def page_of(served: Served) -> bytes:
    from urllib.request import urlopen

    with urlopen(served.url, timeout=10) as answer:
        return bytes(answer.read())


async def test_a_refused_answer_keeps_what_was_typed(visit: Visit, served: Served) -> None:
    served.project.drop("1", ASKS)
    page = await visit.open()
    box = page.locator(".need textarea")
    await box.fill("a long answer")

    async def refuse(route: Route) -> None:
        await route.fulfill(
            status=409,
            content_type="text/html",
            body='<div id="notice" class="notice bad" hx-swap-oob="morph"><p>Answered already.</p></div>',
        )

    await page.route(re.compile("/issues/1/reply"), refuse)
    await page.locator(".need").get_by_role("button", name="Answer").click()
    await expect(page.locator("#notice.bad")).to_contain_text("Answered already.")
    await expect(box).to_have_value("a long answer")


async def test_what_was_typed_stays_when_somebody_else_answers(visit: Visit, served: Served) -> None:
    served.project.drop("1", ASKS)
    page = await visit.open()
    box = page.locator(".need textarea")
    await box.press_sequentially("half an ans")
    await page.request.post(f"{served.url}/api/v1/issues/1/steering-reply", data={"text": "other"})
    await expect(page.locator(".need")).to_contain_text("This is no longer asked.")
    await expect(box).to_have_value("half an ans")
    await expect(page.locator(".need").get_by_role("button", name="Answer")).to_be_disabled()


async def test_a_page_in_the_background_gives_its_connection_back_and_catches_up(
    visit: Visit, served: Served
) -> None:
    page = await visit.open()
    hide = "is => { Object.defineProperty(document, 'hidden', {value: is, configurable: true}); " \
        "document.dispatchEvent(new Event('visibilitychange')); }"  # fmt: skip
    async with page.expect_event("requestfailed", lambda request: "/live" in request.url):
        await page.evaluate(hide, True)
    served.project.drop("7", "---\ntitle: Dropped behind its back\n---\n", state=HOLD)
    served.until(lambda: b"behind its back" in page_of(served))
    await page.evaluate(hide, False)
    await expect(page.get_by_text("Dropped behind its back")).to_be_visible()
