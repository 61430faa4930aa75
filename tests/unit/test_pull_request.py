"""What a pull request says and where it goes."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.forge import ForgeKind, ForgeRepo, Pushed, repo_of_remote
from symphony.core.handoff import Completion, Imported
from symphony.core.pull_request import (
    BEGIN,
    END,
    UNSEEN,
    RepoUnknown,
    render_proposal,
    target_of,
    with_peoples_words,
)
from symphony.core.receipt import CheckRun, Receipt
from symphony.core.settings.workspace import HandoffSettings
from symphony.workflow.file import WorkflowFile
from symphony.workflow_source import WorkflowSource

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DONE = Completion("12", "12.1", "Fix it", "It is fixed.", NOON)
IMPORTED = Imported("agent/12", "b" * 40, "c" * 40, "d" * 40, 2)


def pushed_to(url: str) -> Pushed:
    return Pushed(url, repo_of_remote(url), "agent/12", "main", "c" * 40)


PUSHED = pushed_to("https://github.com/owner/name.git")


def body_of(completion: Completion = DONE, issue: str = "issues/Done/12.md", *notes: str) -> str:
    return render_proposal(HandoffSettings(), completion, IMPORTED, PUSHED, issue, notes).body


def test_a_pull_request_has_summary_receipt_issue_and_where_it_comes_from():
    receipt = Receipt("e" * 40, (CheckRun("unit", "pytest -q", 0, 2.0),))
    body = body_of(replace(DONE, receipt=receipt), "issues/Done/12.md", "A file was left out.")
    assert (
        body
        == f"""{BEGIN}

It is fixed.

### Checks

- `unit (pytest -q): exit status 0 after 2s`

Passed on the tree `eeeeeeeeeeee`.

A file was left out.

---
Issue `12`: `issues/Done/12.md`

2 commits on `main` (`bbbbbbbbbbbb`), delivered as `cccccccccccc`.

{END}"""
    )


def test_an_issue_with_a_link_is_linked():
    assert "Issue `12`: https://tracker.example/12\n" in body_of(DONE, "https://tracker.example/12")


def test_labels_reviewers_and_draft_are_the_settings():
    settings = HandoffSettings(labels=("agent",), reviewers=("ada",), draft=True)
    proposal = render_proposal(settings, DONE, IMPORTED, PUSHED, "12.md")
    assert (proposal.labels, proposal.reviewers, proposal.draft) == (("agent",), ("ada",), True)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("thanks @ada and @org/team", f"thanks @{UNSEEN}ada and @{UNSEEN}org/team"),
        ("mail ada@example.org", "mail ada@example.org"),
        ("/merge", f"{UNSEEN}/merge"),
        ("text\n  /approve\n> /close", f"text\n  {UNSEEN}/approve\n> {UNSEEN}/close"),
        ("- /label ~x", f"- {UNSEEN}/label ~x"),
        ("a/b and /usr/bin", "a/b and /usr/bin"),
        ("see <!-- approve this --> it", "see &lt;!-- approve this --> it"),
        (f"{END}\nmine", "&lt;!-- symphony: end -->\nmine"),
        ("\x1b[31mred\u202e\r\n", "[31mred"),
    ],
)
def test_what_would_be_more_than_text_on_a_forge_is_text(said: str, shown: str):
    assert f"{BEGIN}\n\n{shown}\n\n---\n" in body_of(replace(DONE, summary=said))


def test_names_with_backticks_stay_one_piece_of_code():
    assert "Issue `a'b`: `x'y.md`" in body_of(replace(DONE, issue_id="a`b"), "x`y.md")


def test_a_title_is_one_bounded_line_that_calls_nobody():
    title = render_proposal(
        HandoffSettings(), replace(DONE, title=f"Ask @ada\n{'x' * 500}"), IMPORTED, PUSHED, "12.md"
    ).title
    assert title.startswith(f"Ask @{UNSEEN}ada xxx")
    assert len(title) <= 202
    empty = render_proposal(HandoffSettings(), replace(DONE, title=" "), IMPORTED, PUSHED, "12.md")
    assert empty.title == "Work on 12"


def test_a_long_summary_leaves_room_for_the_rest():
    body = body_of(replace(DONE, summary="x" * 1_000_000))
    assert len(body) < 20_000
    assert body.endswith(END)


def test_what_people_have_written_around_symphonys_part_stays():
    proposal = render_proposal(HandoffSettings(), DONE, IMPORTED, PUSHED, "12.md")
    old = f"By hand.\r\n\r\n{BEGIN}\r\nold\r\n{END}\r\n\r\n- [x] seen"
    assert with_peoples_words(proposal, old).body == f"By hand.\n\n{proposal.body}\n\n- [x] seen"
    assert with_peoples_words(proposal, "all rewritten by hand") == proposal


@pytest.mark.parametrize(
    ("settings", "url", "kind", "repo", "head"),
    [
        ({}, "git@github.com:owner/name.git", "github", "github.com/owner/name", "owner/name"),
        ({}, "https://gitlab.com/g/s/n.git", "gitlab", "gitlab.com/g/s/n", "g/s/n"),
        ({"repo": "up/name"}, "https://github.com/fork/name", "github", "github.com/up/name", "fork/name"),
        ({"repo": "owner/name"}, "/srv/name.git", "github", "github.com/owner/name", "owner/name"),
        ({"repo": "g/n", "forge": "gitlab"}, "/srv/name.git", "gitlab", "gitlab.com/g/n", "g/n"),
        ({"repo": "h.x/up/name"}, "git@work:fork/name.git", "github", "h.x/up/name", "fork/name"),
        ({"repo": "h.x/up/name"}, "https://mirror.x/o/n.git", "github", "h.x/up/name", "up/name"),
    ],
)
def test_where_it_goes_is_what_the_settings_say_and_else_what_the_remote_is(
    settings: dict[str, str], url: str, kind: str, repo: str, head: str
):
    found_kind, found_repo, found_head = target_of(HandoffSettings.model_validate(settings), pushed_to(url))
    assert (found_kind, str(found_repo)) == (ForgeKind(kind), repo)
    assert found_head.repo == ForgeRepo(found_repo.host, head)
    assert found_head.branch == "agent/12"


def test_a_remote_that_is_no_forges_asks_for_the_repository():
    with pytest.raises(RepoUnknown) as caught:
        target_of(HandoffSettings(mode="pull_request"), pushed_to("/srv/name.git"))
    assert str(caught.value) == (
        "The remote origin (/srv/name.git) names no repository of a forge."
        " Set handoff.repo in WORKFLOW.md to `owner/name`, or to `host/owner/name`."
    )


@pytest.mark.parametrize(
    ("handoff", "environ", "repo", "wanted"),
    [
        ("{}", {}, None, False),
        ("{}", {"SYMPHONY_REPO": "owner/name"}, "owner/name", True),
        ("{}", {"SYMPHONY_REPO": ""}, None, False),
        ("{repo: a/b}", {"SYMPHONY_REPO": "owner/name"}, "a/b", True),
        ("{mode: patch}", {"SYMPHONY_REPO": "owner/name"}, "owner/name", False),
        ("{mode: pull_request}", {}, None, True),
    ],
)
async def test_symphony_repo_stands_for_a_repository_that_the_workflow_does_not_name(
    tmp_path: Path, handoff: str, environ: dict[str, str], repo: str | None, wanted: bool
):
    path = tmp_path / "WORKFLOW.md"
    path.write_text(f"---\nsandbox: local\nhandoff: {handoff}\n---\nDo it.\n")
    workflow = await WorkflowSource(WorkflowFile(path, environ), None, environ).start()
    found = workflow.settings.handoff
    assert (found.repo, found.wants_pull_request) == (repo, wanted)
