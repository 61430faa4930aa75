"""New and edit issue in a real browser: previews as one types, and nothing typed is lost."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.served import Served, Visit

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOLD = "Backlog"
KEPT = """() => new Promise((kept) => {
  const look = () => JSON.stringify(localStorage).includes("*more*") ? kept() : requestAnimationFrame(look);
  look();
})"""
TEXT = "---\ntitle: Tabs\n---\nOne column.\n"


async def test_the_body_is_previewed_while_it_is_typed(visit: Visit) -> None:
    page = await visit.open("/new")
    await page.get_by_label("Body").fill("**bold** <script>alert(1)</script>")
    await expect(page.locator("#preview strong")).to_have_text("bold")
    await expect(page.locator("#preview")).to_contain_text("<script>alert(1)</script>")


async def test_an_issue_is_made_by_keys_alone_and_its_copy_is_forgotten(visit: Visit, served: Served) -> None:
    page = await visit.open("/new")
    await expect(page.get_by_label("Title")).to_be_focused()
    await page.keyboard.type("Typed by keys")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/issues/1")
    assert "title: Typed by keys" in (served.project.root / "issues" / "Todo" / "1.md").read_text()
    page = await visit.open("/new")
    await expect(page.get_by_label("Title")).to_have_value("")
    await expect(page.locator("#draft-note")).to_be_hidden()


async def test_what_was_typed_is_back_after_the_page_was_lost_and_can_be_discarded(visit: Visit) -> None:
    page = await visit.open("/new")
    await page.get_by_label("Title").fill("Half a thought")
    await page.get_by_label("Body").fill("*more*")
    await page.evaluate(KEPT)
    await page.reload()
    await expect(page.get_by_label("Title")).to_have_value("Half a thought")
    await expect(page.locator("#preview em")).to_have_text("more")
    await expect(page.locator("#draft-note")).to_contain_text("Restored what you typed on ")
    await page.get_by_role("button", name="Discard it").click()
    await expect(page.get_by_label("Title")).to_have_value("")
    await page.reload()
    await expect(page.get_by_label("Title")).to_have_value("")


async def test_a_daemon_that_is_gone_costs_no_text(visit: Visit, served: Served) -> None:
    page = await visit.open("/new")
    await page.get_by_label("Title").fill("Kept")
    visit.offline = True
    served.kill()
    await page.get_by_role("button", name="Create issue").click()
    await expect(page.locator("#draft-note")).to_have_text(
        "No connection to symphony, so nothing was sent. What you typed is kept in this browser."
    )
    await expect(page.get_by_label("Title")).to_have_value("Kept")
    served.start()
    await page.get_by_role("button", name="Create issue").click()
    await page.wait_for_url("**/issues/1")


async def test_a_refused_form_is_as_it_was_sent_also_on_the_next_visit(visit: Visit, served: Served) -> None:
    served.project.drop("7", TEXT, state=HOLD)
    page = await visit.open("/new")
    await page.get_by_label("Title").fill("A second seven")
    await page.get_by_label("Id").fill("7")
    await page.get_by_role("button", name="Create issue").click()
    await expect(page.locator("#id-wrong")).to_contain_text("The id '7' is taken by ")
    await expect(page.get_by_label("Id")).to_be_focused()
    await expect(page.get_by_label("Title")).to_have_value("A second seven")
    page = await visit.open("/new")
    await expect(page.get_by_label("Title")).to_have_value("A second seven")


async def test_an_edit_is_read_as_it_is_typed_and_its_faults_are_told(visit: Visit, served: Served) -> None:
    served.project.drop("7", TEXT, state=HOLD)
    page = await visit.open("/issues/7/edit")
    text = page.get_by_label("The whole file")
    await text.fill(TEXT.replace("Tabs", "Tabs and spaces"))
    await expect(page.locator("#reading")).to_contain_text("Tabs and spaces")
    await text.fill("---\npriority: high\n---\n")
    await expect(page.locator("#reading")).to_contain_text("line 2: `priority` is text")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#reading")).to_contain_text("Not saved: this could not be read as an issue:")
    await expect(text).to_have_value("---\npriority: high\n---\n")
    assert (served.project.root / "issues" / HOLD / "7.md").read_text() == TEXT


async def test_two_who_edit_one_file_both_keep_their_text(visit: Visit, served: Served) -> None:
    path = served.project.drop("7", TEXT, state=HOLD)
    page = await visit.open("/issues/7/edit")
    await page.get_by_label("The whole file").fill(TEXT.replace("Tabs", "Mine"))
    served.project.drop("7", TEXT.replace("Tabs", "Theirs"), state=HOLD)
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".difference .removed")).to_have_text("− title: Theirs")
    await expect(page.locator(".difference .added")).to_have_text("+ title: Mine")
    assert "Theirs" in path.read_text()
    await page.get_by_role("button", name="Save mine over it").click()
    await page.wait_for_url("**/issues/7")
    assert "Mine" in path.read_text()


async def test_without_script_an_issue_is_previewed_and_made(plain: Page, served: Served) -> None:
    await plain.goto(f"{served.url}/new")
    await plain.get_by_label("Title").fill("Plain")
    await plain.get_by_label("Body").fill("**bold**")
    await plain.get_by_role("button", name="Preview").click()
    await expect(plain.locator("#preview strong")).to_have_text("bold")
    await expect(plain.get_by_label("Title")).to_have_value("Plain")
    await plain.get_by_role("button", name="Create issue").click()
    await plain.wait_for_url("**/issues/1")


@pytest.mark.parametrize("path", ["/new", "/issues/7/edit", "/workflow?issue=7"])
async def test_a_phone_scrolls_in_one_direction(visit: Visit, served: Served, path: str) -> None:
    served.project.configure(prompt="p" * 400, hooks={"before_run": "run" * 100})
    served.project.drop("7", f"---\ntitle: {'long' * 50}\nlabels: [{'wide' * 30}]\n---\n{'x' * 400}\n", HOLD)
    await visit.page.set_viewport_size({"width": 320, "height": 640})
    page = await visit.open(path)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") == 320


async def test_a_broken_workflow_is_shown_with_its_line(visit: Visit, served: Served) -> None:
    served.project.configure(agent={"max_turns": 0})
    page = await visit.open("/workflow")
    await expect(page.locator("header .status")).to_have_text("attention")
    page = await visit.open("/workflow")
    await expect(page.locator(".lines .meant")).to_contain_text('"max_turns": 0')
