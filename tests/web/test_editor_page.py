"""New and edit issue: what is said beside the fields, and that nothing typed is ever lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from symphony.core.errors import SymphonyError
from symphony.core.issue import Issue, IssueDraft, IssueSet
from symphony.core.snapshot import Picture
from symphony.engine.mailbox import MailboxClosed, MailboxFull
from symphony.tracker import errors
from symphony.tracker.memory import MemoryTracker
from tests.web.pages import FORM, page_of, serving, submit, value_of
from tests.web.support import NOON, Client, Daemon, request, send

HOSTILE = "</textarea><script>alert(1)</script>\"' onfocus=alert(2) \x1b[31m"
TYPED = {
    "title": "A <b>title</b>",
    "body": "First\n\nSecond & more\n",
    "labels": "Bug, ui",
    "blocked_by": "3,  4",
    "state": "Todo",
}


class Desk(Daemon):
    """A daemon whose issues are those of a tracker in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = MemoryTracker(self.workflow.settings.state_table, now=lambda: NOON)

    async def create(self, draft: IssueDraft) -> Issue:
        await self._take("create", draft)
        return await self.tracker.create(draft)

    def picture(self) -> Picture:
        return Picture(self.shown, IssueSet(), self.workflow.settings.state_table(), self.workflow)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def pages(desk: Desk) -> AsyncIterator[Client]:
    async with serving(desk, editing=desk.tracker) as client:
        yield client


class TestNew:
    async def test_the_form_asks_for_a_title_only_and_proposes_the_first_active_state(
        self, pages: Client
    ) -> None:
        answer = await pages.ask("GET", "/new")
        assert answer.status == 200
        page = page_of(answer)
        assert page.count(" required") == 1
        assert '<option value="Todo" selected>Todo (active)</option>' in page
        assert '<option value="Done">Done (terminal)</option>' in page
        for field in ("title", "body", "state", "priority", "labels", "blocked_by", "id"):
            assert f'<label for="{field}">' in page
            assert f'id="{field}" name="{field}"' in page

    async def test_a_state_in_the_address_is_chosen(self, pages: Client) -> None:
        page = page_of(await pages.ask("GET", "/new?state=in%20progress"))
        assert '<option value="In Progress" selected>' in page

    async def test_a_title_alone_makes_an_issue(self, pages: Client, desk: Desk) -> None:
        answer = await submit(pages, "/new", title="Fix it")
        assert (answer.status, answer.headers["location"]) == (303, "/issues/1")
        assert desk.tracker.paths() == (desk.tracker.root / "Todo" / "1.md",)

    async def test_every_field_reaches_the_file(self, pages: Client, desk: Desk) -> None:
        answer = await submit(pages, "/new", **TYPED, priority="2", id="a b/ü"[:3])
        assert (answer.status, answer.headers["location"]) == (303, "/issues/a%20b")
        assert desk.tracker.read(desk.tracker.root / "Todo" / "a b.md").decode() == (
            "---\ntitle: A <b>title</b>\npriority: 2\nlabels: [bug, ui]\nblocked_by: ['3', '4']\n"
            "created_at: 2026-01-01 12:00:00+00:00\n---\n\nFirst\n\nSecond & more\n"
        )

    @pytest.mark.parametrize(
        ("typed", "status", "field", "words"),
        [
            (
                {"title": " "},
                422,
                "title",
                "The title is blank. Write one line; the rest belongs in the body.",
            ),
            (
                {"priority": "high"},
                422,
                "priority",
                "The priority must be a whole number such as 2, or nothing.",
            ),
            (
                {"id": "a/b"},
                422,
                "id",
                "'a/b' cannot be an issue id: it contains a slash. "
                "Choose another, or leave it out to get the next free number.",
            ),
            (
                {"id": "7"},
                409,
                "id",
                "The id '7' is taken by /issues/Done/7.md. "
                "Choose another, or leave it out to get the next free number.",
            ),
            (
                {"state": "Nowhere"},
                422,
                "state",
                "There is no state 'Nowhere'. Use one of: Todo, In Progress, Done, Closed, Cancelled, "
                "Canceled, Duplicate, Proposed.",
            ),
        ],
    )
    async def test_what_is_wrong_is_said_beside_the_field_and_everything_typed_is_still_there(
        self, pages: Client, desk: Desk, typed: dict[str, str], status: int, field: str, words: str
    ) -> None:
        desk.tracker.drop("Done", "7")
        sent = {**TYPED, "priority": "1", "id": "x", "draft": "0123456789abcdef", **typed}
        answer = await submit(pages, "/new", **sent)
        assert answer.status == status
        page = page_of(answer)
        assert f'<p id="{field}-wrong" class="wrong bad">{words}</p>' in page
        assert f'aria-describedby="{field}-wrong ' in page
        assert "The issue was not created: see below. Everything you typed is still here." in page
        for name in ("title", "body", "labels", "blocked_by", "priority", "id", "draft"):
            assert value_of(answer, name) == sent[name], name
        assert f'<option value="{sent["state"]}" selected>' in page
        assert len(desk.tracker.paths()) == 1

    async def test_all_that_is_wrong_is_said_at_once(self, pages: Client) -> None:
        page = page_of(await submit(pages, "/new", priority="x"))
        assert 'id="title-wrong"' in page
        assert 'id="priority-wrong"' in page

    @pytest.mark.parametrize(
        ("error", "status", "words"),
        [
            (
                errors.write_failed("The issue could not be written to /issues/Todo", OSError(28, "Full")),
                500,
                "The issue could not be written to /issues/Todo: Full. "
                "Make room or set the permissions right, then repeat this; nothing was lost.",
            ),
            (MailboxClosed(), 503, "symphony is stopping. Start it again first."),
            (MailboxFull(), 503, "symphony is busy and did not take the command. Try again in a moment."),
            (
                errors.root_missing(Path("/issues")),
                500,
                "The issues folder /issues does not exist. "
                "Run `symphony init` to make it, or set `tracker.root` to the right folder.",
            ),
        ],
        ids=["full", "draining", "busy", "no folder"],
    )
    async def test_a_daemon_that_cannot_says_why_and_the_text_stays(
        self, pages: Client, desk: Desk, error: SymphonyError, status: int, words: str
    ) -> None:
        desk.failure = error
        answer = await submit(pages, "/new", **TYPED)
        assert answer.status == status
        assert f'<p class="wrong bad" role="alert">{words}</p>' in page_of(answer)
        assert value_of(answer, "body") == TYPED["body"]

    async def test_a_form_sent_twice_makes_one_issue(self, pages: Client, desk: Desk) -> None:
        desk.holds = True
        sent = {**TYPED, "draft": "0123456789abcdef"}
        twice = [asyncio.create_task(submit(pages, "/new", **sent)) for _ in range(2)]
        await desk.began.wait()
        desk.release.set()
        answers = [*await asyncio.gather(*twice), await submit(pages, "/new", **sent)]
        assert [(each.status, each.headers["location"]) for each in answers] == [(303, "/issues/1")] * 3
        assert len(desk.tracker.paths()) == 1
        other = await submit(pages, "/new", **{**sent, "title": "Another"})
        assert other.headers["location"] == "/issues/2"

    async def test_a_form_that_failed_can_be_sent_again(self, pages: Client, desk: Desk) -> None:
        sent = {**TYPED, "draft": "0123456789abcdef"}
        desk.failure = errors.tracker_busy(desk.tracker.root)
        assert (await submit(pages, "/new", **sent)).status == 503
        desk.failure = None
        assert (await submit(pages, "/new", **sent)).status == 303

    async def test_the_script_is_told_of_copies_of_other_pages_too(self, pages: Client) -> None:
        earlier = f"symphony_saved_{pages.port}={'a' * 16}.{'b' * 16}.nonsense"
        fields = urlencode({"title": "A", "draft": "c" * 16}).encode()
        origin = f"http://127.0.0.1:{pages.port}"
        answer = await pages.ask("POST", "/new", raw=fields, Content_Type=FORM, Origin=origin, Cookie=earlier)
        told = answer.headers["set-cookie"].split(";")[0].partition("=")[2]
        assert told.split(".") == ["a" * 16, "b" * 16, "c" * 16]

    async def test_the_script_is_told_which_copy_has_become_an_issue(self, pages: Client) -> None:
        answer = await submit(pages, "/new", title="A", draft="0123456789abcdef")
        assert answer.headers["set-cookie"] == (
            f"symphony_saved_{pages.port}=0123456789abcdef; Max-Age=86400; Path=/; SameSite=Strict"
        )
        answer = await submit(pages, "/new", title="A", draft="x; Domain=elsewhere")
        assert answer.headers["set-cookie"].startswith(f"symphony_notice_{pages.port}=Created%202.;")

    async def test_each_form_has_its_own_name(self, pages: Client) -> None:
        names = [value_of(await pages.ask("GET", "/new"), "draft") for _ in range(2)]
        assert names[0] != names[1]
        assert all(len(name) == 16 for name in names)

    async def test_a_preview_without_script_keeps_the_form_and_makes_nothing(
        self, pages: Client, desk: Desk
    ) -> None:
        answer = await submit(pages, "/new", **{**TYPED, "body": "**strong** <i>text</i>"}, action="preview")
        assert answer.status == 200
        assert "<strong>strong</strong> &lt;i&gt;text&lt;/i&gt;" in answer.body.decode()
        assert value_of(answer, "title") == TYPED["title"]
        assert desk.tracker.paths() == ()

    async def test_hostile_words_stay_words(self, pages: Client) -> None:
        answer = await submit(
            pages,
            "/new",
            title=HOSTILE,
            body=HOSTILE,
            id=HOSTILE,
            state=HOSTILE,
            labels=HOSTILE,
            priority="x",
        )
        html = answer.body.decode()
        assert "<script>" not in html
        assert '" onfocus' not in html
        assert value_of(answer, "body") == HOSTILE

    async def test_a_long_body_is_kept_whole(self, pages: Client) -> None:
        body = "é\n" * 200_000
        answer = await submit(pages, "/new", title=" ", body=body)
        assert answer.status == 422
        assert value_of(answer, "body") == body

    async def test_a_body_that_no_file_can_hold_is_refused_with_the_limit(self, pages: Client) -> None:
        answer = await submit(pages, "/new", title="T", body="x" * 1_100_000)
        assert answer.status == 422
        assert "at most 1,048,576 can be read." in page_of(answer)
        assert value_of(answer, "body") == "x" * 1_100_000
        answer = await submit(pages, "/new", title="T", body="x" * 4_300_000)
        assert answer.status == 413
        assert "The form is larger than 4 MiB." in page_of(answer)


class TestPreview:
    async def test_markdown_comes_back_as_a_safe_fragment(self, pages: Client) -> None:
        answer = await submit(pages, "/preview", body="# Head\n\n<script>x</script> [a](javascript:x)")
        html = answer.body.decode()
        assert answer.status == 200
        assert "<h1>Head</h1>" in html
        assert "<script" not in html
        assert "href" not in html
        assert "<html" not in html

    async def test_an_empty_body_says_so(self, pages: Client) -> None:
        assert "No text." in page_of(await submit(pages, "/preview"))

    async def test_an_edited_text_is_read_and_its_body_previewed(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        text = "---\ntitle: New\nlabels: [A]\nodd: 1\n---\n*body*\n"
        html = (await submit(pages, "/issues/7/preview", text=text)).body.decode()
        for words in ("<dd>New</dd>", "<code>a</code>", "<code>odd</code>", "<em>body</em>"):
            assert words in html
        assert 'id="preview" class="markdown" hx-swap-oob="innerHTML"' in html
        html = page_of(await submit(pages, "/issues/7/preview", text="---\nid: eight\n---\n"))
        assert "Saving changes the id to <code>eight</code>" in html

    async def test_a_text_that_cannot_be_read_says_why_and_where(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        page = page_of(await submit(pages, "/issues/7/preview", text="---\ntitle: x\npriority: high\n---\n"))
        assert "This could not be read as an issue:" in page
        assert (
            "<li><strong>line 3</strong>: `priority` is text; allowed is a whole number such as 2, or nothing"
        ) in page
        assert "No preview of a text that cannot be read." in page
        page = page_of(await submit(pages, "/issues/none/preview", text="x"))
        assert "No issue 'none' in /issues." in page


class TestEdit:
    async def test_the_whole_file_is_shown_with_what_it_is_read_as(self, pages: Client, desk: Desk) -> None:
        text = "---\ntitle: Fix & mend\npriority: 2\n---\n\n\n**Body**\n"
        desk.tracker.drop("Todo", "7", text)
        answer = await pages.ask("GET", "/issues/7/edit")
        assert answer.status == 200
        assert value_of(answer, "text") == text
        page = page_of(answer)
        assert page.index("<dd>Fix & mend</dd>") < page.index('name="text"')
        assert "/issues/Todo/7.md" in page
        assert "<strong>Body</strong>" in page

    async def test_blank_lines_at_the_start_stay(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "\n\nBody\n")
        assert value_of(await pages.ask("GET", "/issues/7/edit"), "text") == "\n\nBody\n"

    async def test_a_save_writes_the_file_and_leads_to_the_issue(self, pages: Client, desk: Desk) -> None:
        path = desk.tracker.drop("Todo", "7", "one\r\ntwo\r\n")
        opened = await pages.ask("GET", "/issues/7/edit")
        answer = await submit(
            pages,
            "/issues/7/edit",
            text="one\n2\n",
            revision=value_of(opened, "revision"),
            draft=value_of(opened, "draft"),
        )
        assert (answer.status, answer.headers["location"]) == (303, "/issues/7")
        assert answer.headers["set-cookie"].startswith(
            f"symphony_saved_{pages.port}={value_of(opened, 'draft')};"
        )
        assert desk.tracker.read(path) == b"one\r\n2\r\n"

    async def test_a_new_id_leads_to_its_page(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        answer = await submit(pages, "/issues/7/edit", text="---\nid: ü b\n---\n", revision=revision)
        assert (answer.status, answer.headers["location"]) == (303, "/issues/%C3%BC%20b")

    async def test_bad_front_matter_is_said_by_line_and_nothing_is_written_or_lost(
        self, pages: Client, desk: Desk
    ) -> None:
        path = desk.tracker.drop("Todo", "7", "one\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        text = "---\ntitle: x\nlabels: [}\n---\nMine\n"
        answer = await submit(pages, "/issues/7/edit", text=text, revision=revision, draft="0123456789abcdef")
        assert answer.status == 422
        page = page_of(answer)
        assert "The issue was not saved: see below. Everything you typed is still here." in page
        assert "Not saved: this could not be read as an issue:" in page
        assert "<strong>line 3</strong>: the front matter is not valid YAML:" in page
        assert (value_of(answer, "text"), value_of(answer, "revision")) == (text, revision)
        assert value_of(answer, "draft") == "0123456789abcdef"
        assert desk.tracker.read(path) == b"one\n"

    async def test_an_id_clash_is_refused_in_its_words(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        desk.tracker.drop("Done", "8")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        answer = await submit(pages, "/issues/7/edit", text="---\nid: 8\n---\nMine\n", revision=revision)
        assert answer.status == 409
        assert (
            "<strong>line 2</strong>: The id '8' is taken by /issues/Done/8.md. "
            "Choose another, or take the line out: the file's name is the id then."
        ) in page_of(answer)
        assert value_of(answer, "text") == "---\nid: 8\n---\nMine\n"

    async def test_a_conflict_shows_both_texts_and_a_second_save_is_a_choice(
        self, pages: Client, desk: Desk
    ) -> None:
        path = desk.tracker.drop("Todo", "7", "one\ntwo\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        desk.tracker.edit(path, "one\ntheirs <b>\n")
        answer = await submit(pages, "/issues/7/edit", text="one\nmine\n", revision=revision)
        assert answer.status == 409
        page = page_of(answer)
        assert (
            "/issues/Todo/7.md has changed since you opened it, so your text was not saved over it. "
            "Compare the two texts, then save again what is to stay. Everything you typed is still here."
        ) in page
        assert '<span class="removed">− theirs <b>\n</span><span class="added">+ mine\n</span>' in page
        assert "&lt;b&gt;" in answer.body.decode()
        assert value_of(answer, "text") == "one\nmine\n"
        assert desk.tracker.read(path) == b"one\ntheirs <b>\n"
        assert ">Save mine over it</button>" in page
        again = await submit(
            pages, "/issues/7/edit", text="one\nboth\n", revision=value_of(answer, "revision")
        )
        assert again.status == 303
        assert desk.tracker.read(path) == b"one\nboth\n"

    async def test_a_save_sent_twice_is_carried_out_once_and_is_no_conflict(
        self, pages: Client, desk: Desk
    ) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        for _ in range(2):
            assert (await submit(pages, "/issues/7/edit", text="two\n", revision=revision)).status == 303

    async def test_a_broken_file_can_be_opened_and_mended(self, pages: Client, desk: Desk) -> None:
        path = desk.tracker.drop("Todo", "7", "---\npriority: high\n---\nBody\n")
        opened = await pages.ask("GET", "/issues/7/edit")
        assert opened.status == 200
        page = page_of(opened)
        assert "This could not be read as an issue:" in page
        assert "<strong>line 2</strong>: `priority` is text" in page
        text = value_of(opened, "text").replace("high", "1")
        answer = await submit(pages, "/issues/7/edit", text=text, revision=value_of(opened, "revision"))
        assert answer.status == 303
        assert desk.tracker.read(path) == b"---\npriority: 1\n---\nBody\n"

    async def test_an_issue_that_went_away_meanwhile_is_told_and_the_text_stays(
        self, pages: Client, desk: Desk
    ) -> None:
        path = desk.tracker.drop("Todo", "7", "one\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        desk.tracker.remove(path)
        answer = await submit(pages, "/issues/7/edit", text="mine\n", revision=revision)
        assert answer.status == 404
        assert "No issue '7' in /issues." in page_of(answer)
        assert value_of(answer, "text") == "mine\n"

    async def test_a_disk_that_refuses_is_told_and_the_text_stays(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", "one\n")
        revision = value_of(await pages.ask("GET", "/issues/7/edit"), "revision")
        desk.tracker.fail_next(
            "save", errors.write_failed("/issues/Todo/7.md could not be saved", OSError(28, "Full"))
        )
        answer = await submit(pages, "/issues/7/edit", text="mine\n", revision=revision)
        assert answer.status == 500
        assert "/issues/Todo/7.md could not be saved: Full." in page_of(answer)
        assert value_of(answer, "text") == "mine\n"

    async def test_a_preview_without_script_keeps_text_and_revision(self, pages: Client, desk: Desk) -> None:
        path = desk.tracker.drop("Todo", "7", "one\n")
        answer = await submit(pages, "/issues/7/edit", text="*two*\n", revision="abc", action="preview")
        assert answer.status == 200
        assert "<em>two</em>" in answer.body.decode()
        assert (value_of(answer, "text"), value_of(answer, "revision")) == ("*two*\n", "abc")
        assert desk.tracker.read(path) == b"one\n"

    @pytest.mark.parametrize("issue_id", ["a b", "ü", "100%", "a.b", "?q", "#h", "x+y", "a&b=c", "😀", "<i>"])
    async def test_any_id_can_be_edited(self, pages: Client, desk: Desk, issue_id: str) -> None:
        path = desk.tracker.drop("Todo", issue_id, "one\n")
        at = f"/issues/{quote(issue_id, safe='')}"
        opened = await pages.ask("GET", f"{at}/edit")
        assert f'action="{at}/edit"' in opened.body.decode()
        answer = await submit(pages, f"{at}/edit", text="two\n", revision=value_of(opened, "revision"))
        assert (answer.status, answer.headers["location"]) == (303, at)
        assert desk.tracker.read(path) == b"two\n"

    async def test_what_is_not_there_is_a_page_that_says_so(self, pages: Client, desk: Desk) -> None:
        answer = await pages.ask("GET", "/issues/none/edit")
        assert answer.status == 404
        assert "No issue 'none' in /issues." in page_of(answer)
        desk.tracker.drop("Todo", "7")
        desk.tracker.drop("Done", "7")
        answer = await pages.ask("GET", "/issues/7/edit")
        assert answer.status == 409
        assert "Issue '7' is in more than one file: /issues/Done/7.md, /issues/Todo/7.md." in page_of(answer)

    @pytest.mark.parametrize("issue_id", ["a/b", "../x", "...", "%", "a%2Fb", "<i>", "x" * 300, "\u202e"])
    async def test_an_id_that_no_file_can_have_is_not_there(self, pages: Client, issue_id: str) -> None:
        at = f"/issues/{quote(issue_id, safe='')}"
        assert (await pages.ask("GET", f"{at}/edit")).status == 404
        answer = await submit(pages, f"{at}/edit", text="mine\n")
        assert answer.status == 404
        assert value_of(answer, "text") == "mine\n"
        assert (await submit(pages, f"{at}/preview", text="mine\n")).status == 200

    async def test_hostile_text_stays_text(self, pages: Client, desk: Desk) -> None:
        desk.tracker.drop("Todo", "7", f"---\ntitle: {HOSTILE[:-5]!r}\n---\n{HOSTILE}\n")
        html = (await pages.ask("GET", "/issues/7/edit")).body.decode()
        assert "<script>alert" not in html
        assert html.count("</textarea>") == 1


WRITES = ["/new", "/preview", "/issues/7/edit", "/issues/7/preview"]


class TestBadInput:
    @pytest.mark.parametrize("path", WRITES)
    async def test_another_origin_is_refused(self, pages: Client, path: str) -> None:
        answer = await pages.ask(
            "POST",
            path,
            raw=b"title=x",
            Content_Type="application/x-www-form-urlencoded",
            Origin="http://evil",
        )
        assert answer.status == 403

    @pytest.mark.parametrize("path", WRITES)
    async def test_another_type_is_refused(self, pages: Client, path: str) -> None:
        answer = await pages.ask("POST", path, {"title": "x"}, Origin=f"http://127.0.0.1:{pages.port}")
        assert answer.status == 415

    @pytest.mark.parametrize("path", WRITES)
    async def test_unknown_fields_and_broken_encodings_are_refused(self, pages: Client, path: str) -> None:
        assert (await submit(pages, path, evil="1")).status == 422
        origin = f"http://127.0.0.1:{pages.port}"
        given = {"Content_Type": "application/x-www-form-urlencoded", "Origin": origin}
        assert (await pages.ask("POST", path, raw=b"title=%ff%fe", **given)).status == 400

    @pytest.mark.parametrize("path", ["/new", "/issues/7/edit"])
    async def test_another_method_is_refused_with_those_there_are(self, pages: Client, path: str) -> None:
        answer = await pages.ask("PUT", path, {}, Origin=f"http://127.0.0.1:{pages.port}")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, POST")

    async def test_a_body_that_breaks_off_is_refused(self, pages: Client) -> None:
        headers = {
            "Host": f"127.0.0.1:{pages.port}",
            "Connection": "close",
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://127.0.0.1:{pages.port}",
            "Transfer-Encoding": "chunked",
        }
        data = request("POST", "/new", headers) + b"zz\r\n"
        assert (await send(pages.port, data)).status == 400
