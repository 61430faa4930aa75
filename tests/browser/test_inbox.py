"""The inbox on a phone: what asks is there without a reload, and one thumb answers it."""

from urllib.request import urlopen

import pytest
from playwright.async_api import Page, expect

from tests.browser.served import Served, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

ASKS = "---\ntitle: Choose\n---\nAsk: Tabs or `spaces`?\n\n```python choice.py\nCHOICE = '@REPLY@'\n```\n"
PHONE = {"width": 320, "height": 640}
THUMB = 44  # px, the least that a finger meets for sure (WCAG 2.2, 2.5.5)


async def test_a_question_comes_by_itself_and_leaves_when_it_is_answered(
    visit: Visit, served: Served
) -> None:
    await visit.page.set_viewport_size(PHONE)
    page = await visit.open("/inbox")
    await expect(page.get_by_text("Nothing needs you.")).to_be_visible()
    served.project.drop("1", ASKS)
    await expect(page.locator(".ask h2")).to_have_text("Choose")
    await page.get_by_label("Your answer").fill("four spaces")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.locator("#notice")).to_contain_text("kept")
    await expect(page.get_by_text("Nothing needs you.")).to_be_visible()
    served.until(lambda: served.project.patch("1").exists())
    assert "four spaces" in served.project.patch("1").read_text()


async def test_everything_to_touch_is_large_and_nothing_is_cut_off_at_320_pixels(
    visit: Visit, served: Served
) -> None:
    served.project.drop("1", ASKS.replace("Tabs", "Tabs" * 90))
    await visit.page.set_viewport_size(PHONE)
    page = await visit.open("/inbox")
    await expect(page.locator(".ask")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for button in await page.locator(".ask button, .ask .button, .ask textarea").all():
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= THUMB
        assert box["width"] >= THUMB


async def test_what_is_typed_stays_when_another_question_comes(visit: Visit, served: Served) -> None:
    served.project.drop("1", ASKS)
    page = await visit.open("/inbox")
    box = page.get_by_label("Your answer").first
    await box.press_sequentially("four sp")
    served.project.drop("2", ASKS)
    await expect(page.locator(".ask")).to_have_count(2)
    await expect(box).to_have_value("four sp")
    await expect(box).to_be_focused()


async def test_without_script_the_answer_is_a_plain_form(plain: Page, served: Served) -> None:
    served.project.drop("1", ASKS)
    served.until(lambda: b"/issues/1/reply" in fetch(f"{served.url}/inbox"))
    await plain.goto(f"{served.url}/inbox")
    await plain.get_by_label("Your answer").fill("tabs")
    await plain.get_by_role("button", name="Answer").click()
    await expect(plain.locator("#notice")).to_contain_text("kept")
    assert plain.url == f"{served.url}/inbox"


def fetch(url: str) -> bytes:
    with urlopen(url, timeout=30) as answer:
        body: bytes = answer.read()
    return body


async def test_a_permission_is_given_with_one_thumb_and_the_agent_goes_on(
    visit: Visit, served: Served
) -> None:
    served.project.agent = "asks_then_works"
    served.project.configure(acp={"permission": "ask"})
    served.project.drop("1", "---\ntitle: Tidy up\n---\n")
    await visit.page.set_viewport_size(PHONE)
    page = await visit.open("/inbox")
    card = page.locator(".ask.permission")
    await expect(card.locator(".what")).to_have_text("Its agent asks to execute: Remove the build folder")
    await expect(card.locator(".context")).to_contain_text('"command": "rm -rf build"')
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for button in await card.locator("button").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["height"], box["width"]) >= THUMB
    await card.get_by_role("button", name="Allow for the session").click()
    await expect(page.locator("#notice")).to_contain_text("may do it for the rest of its session")
    await expect(page.get_by_text("Nothing needs you.")).to_be_visible()
    served.until(lambda: served.project.patch("1").exists())
    assert "+always" in served.project.patch("1").read_text()
