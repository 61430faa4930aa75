"""The workflow's page: settings with their source, the file's problems with its lines, an issue's prompt."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from symphony.core.errors import SymphonyError
from symphony.core.ports import Earlier, Workspace
from symphony.core.workflow_report import RenderedPrompt, WorkflowReport
from symphony.web.workflow_page import CHOICES, PROMPT_LIMIT, choices_of
from symphony.workflow.file import WorkflowFile
from symphony.workflow.prompts import LiquidPrompts
from symphony.workflow_source import WorkflowSource
from tests.support.world import make_set, make_state
from tests.web.pages import page_of, serving
from tests.web.support import Client, Daemon, make_issue

TEXT = """---
sandbox: local
server:
  token: $TOKEN
agent: {max_turns: 3}
---
Do {{ issue.title }} & <b>well</b>.
"""
HOSTILE = "<script>alert(1)</script>"
SECRET = "hunter2hunter2"


class Desk:
    """The real file and the real prompts, over the issues of a daemon in memory."""

    def __init__(self, folder: Path, daemon: Daemon) -> None:
        self.path = folder / "WORKFLOW.md"
        self.daemon = daemon
        environ: Mapping[str, str] = {"TOKEN": SECRET}
        self.path.write_text(TEXT)
        self.source = WorkflowSource(WorkflowFile(self.path, environ), None, environ, port=8080)

    async def edit(self, text: str) -> None:
        self.path.write_text(text)
        await self.source.reload()

    async def report(self) -> WorkflowReport:
        return await self.source.report()

    async def rendered_prompt(self, issue_id: str) -> RenderedPrompt:
        issue = self.daemon.picture().issues.get(issue_id)
        if issue is None:
            raise SymphonyError(f"There is no issue {issue_id}.", code="issue_not_found")
        assert self.source._in_force is not None
        workflow = self.source._in_force[0]
        found = RenderedPrompt(issue_id, 1, f"agent/{issue_id}", foreseen=True)
        workspace = Workspace(issue_id, issue_id, Path("/w"), found.branch, "main", "")
        try:
            text = LiquidPrompts().first(workflow, issue, 1, workspace, Earlier())
        except SymphonyError as error:
            return replace(found, problem=await self.source.note(error.message))
        return replace(found, text=text)


@pytest.fixture
async def desk(tmp_path: Path, daemon: Daemon) -> Desk:
    desk = Desk(tmp_path, daemon)
    await desk.source.start()
    return desk


@pytest.fixture
async def pages(desk: Desk, daemon: Daemon) -> AsyncIterator[Client]:
    async with serving(daemon, workflow=desk) as client:
        yield client


async def shown(pages: Client, path: str = "/workflow", status: int = 200) -> str:
    answer = await pages.ask("GET", path)
    assert answer.status == status
    return page_of(answer)


def cells(page: str, key: str) -> str:
    start = page.index(f"<code>{key}</code>")
    return page[start : page.index("</tr>", start)]


async def test_each_setting_has_its_value_and_its_source(pages: Client, desk: Desk) -> None:
    page = await shown(pages)
    assert f"<code>{desk.path}</code>" in page
    assert "In force as it is in the file." in page
    for key, value, source in (
        ("agent.max_turns", "3", "file, line 5"),
        ("server.port", "8080", "command line"),
        ("server.token", "[redacted]", "environment <code>$TOKEN</code>, line 4"),
        ("agent.max_failures", "5", "default"),
    ):
        shown_value = f'<code class="value">{value}</code></td>\n<td role="cell">{source}</td>'
        assert shown_value in cells(page, key)
    assert page.index("agent.max_turns") < page.index("<summary>") < page.index("agent.max_failures")
    assert SECRET not in page


async def test_the_template_is_shown_with_its_line(pages: Client, desk: Desk) -> None:
    answer = await pages.ask("GET", "/workflow")
    assert "Do {{ issue.title }} &amp; &lt;b&gt;well&lt;/b&gt;." in answer.body.decode()
    assert "From line 7 of the file." in page_of(answer)
    await desk.edit("---\nsandbox: local\n---\n")
    page = await shown(pages)
    assert "The file has no prompt: this is the default one." in page
    assert "You are working on the issue" in page


async def test_an_invalid_edit_shows_its_problems_with_the_lines_and_what_is_still_in_force(
    pages: Client, desk: Desk
) -> None:
    await desk.edit(TEXT.replace("max_turns: 3", f"max_turns: {HOSTILE!r}"))
    answer = await pages.ask("GET", "/workflow")
    page = page_of(answer)
    assert "The file cannot be used as it is now" in page
    assert "No new attempt starts until it is corrected." in page
    assert "What is below was last valid; its line numbers are of then." in page
    assert (
        f'<strong>line 5</strong>: agent.max_turns: found "{HOSTILE}" (text); '
        "allowed: a whole number of at least 1."
    ) in page
    assert '<span class="near"><span class="number">4</span>   token: [redacted]\n</span>' in page
    written = f"agent: {{max_turns: '{HOSTILE}'}}"
    assert f'<span class="meant"><span class="number">5</span> {written}\n</span>' in page
    assert '<code class="value">3</code>' in cells(page, "agent.max_turns")
    assert "<script>alert" not in answer.body.decode()
    await desk.edit(TEXT)
    assert "In force as it is in the file." in await shown(pages)


async def test_a_missing_file_is_told_with_what_to_do(pages: Client, desk: Desk) -> None:
    desk.path.unlink()
    await desk.source.reload()
    page = await shown(pages)
    assert "the workflow cannot be read: it does not exist." in page
    assert "Name the file, or create one with `symphony init`." in page


async def test_warnings_are_shown_with_their_lines(pages: Client, desk: Desk) -> None:
    await desk.edit(TEXT.replace("agent:", "agnet: {}\nagent:"))
    page = await shown(pages)
    assert ">1 warning</h2>" in page
    assert "<strong>line 5</strong>: agnet: unknown key, ignored. Did you mean agent?" in page
    assert '<span class="meant"><span class="number">5</span> agnet: {}\n</span>' in page


async def test_the_prompt_of_a_chosen_issue_is_rendered(pages: Client, daemon: Daemon) -> None:
    daemon.known = (make_issue("7", title="Fix <i>it</i>"), make_issue("8"))
    answer = await pages.ask("GET", "/workflow?issue=7")
    assert "Do Fix &lt;i&gt;it&lt;/i&gt; &amp; &lt;b&gt;well&lt;/b&gt;." in answer.body.decode()
    page = page_of(answer)
    assert "What attempt 1 on" in page
    assert "on the branch <code>agent/7</code>." in page
    assert "It has no workspace yet" in page
    assert '<option value="7" selected>7 · Fix <i>it</i> (Todo)</option>' in page
    assert '<option value="8">8 · Fix it (Todo)</option>' in page


async def test_a_template_error_has_its_line_and_the_name(pages: Client, desk: Desk, daemon: Daemon) -> None:
    daemon.known = (make_issue("7"),)
    await desk.edit(TEXT.replace("issue.title", "issue.titel"))
    page = await shown(pages, "/workflow?issue=7")
    assert (
        "Its attempts fail: <strong>line 7</strong>: the prompt uses the unknown variable `issue.titel`. "
        "Did you mean issue.title?"
    ) in page
    assert '<span class="meant"><span class="number">7</span> Do {{ issue.titel }}' in page


async def test_an_issue_that_is_not_there_is_told_on_the_page(pages: Client) -> None:
    page = await shown(pages, "/workflow?issue=none%2F%3Cb%3E", 404)
    assert "There is no issue none/<b>." in page
    assert "no issue to choose" in page
    assert "Settings in force" in page


async def test_a_very_long_prompt_is_cut_and_says_so(pages: Client, desk: Desk) -> None:
    await desk.edit(TEXT + "x" * PROMPT_LIMIT)
    page = await shown(pages)
    assert "Only its first 200,000 characters are shown." in page
    assert "x" * (PROMPT_LIMIT - 100) in page


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_nothing_can_be_written_here(pages: Client, method: str) -> None:
    answer = await pages.ask(method, "/workflow", {}, Origin=f"http://127.0.0.1:{pages.port}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


def test_active_issues_come_first_and_finished_ones_only_when_they_are_asked_for() -> None:
    roles = {"Do": "active", "Hold": "holding", "End": "terminal"}
    states = make_state(states={name: {"role": role} for name, role in roles.items()}).states
    placed = {"3": "End", "2": "Hold", "1": "Do", "4": "Do"}
    issues = make_set(*(make_issue(issue_id, state) for issue_id, state in placed.items()))
    assert [each["id"] for each in choices_of(issues, states, "")] == ["1", "4", "2"]
    assert [each["id"] for each in choices_of(issues, states, "3")] == ["3", "1", "4", "2"]
    assert [each["id"] for each in choices_of(issues, states, "none")] == ["1", "4", "2"]
    many = make_set(*(make_issue(f"{number:04}", "Do") for number in range(CHOICES + 10)))
    assert len(choices_of(many, states, "")) == CHOICES
