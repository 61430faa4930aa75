"""The page of an issue: all that is known of it, as text whoever wrote it, and a piece at a time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest

from symphony.core.access import AccessDecision, AccessLedger, AccessRequest
from symphony.core.branch import BranchDiff, DiffLine, FileDiff, LineKind
from symphony.core.decide import CommandRefused
from symphony.core.effect import Audit
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.core.ports import AttemptRow
from symphony.core.settings import Check
from symphony.core.snapshot import BlockedView, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.web.listener import Bounds, open_listener
from symphony.web.timeline.assembler import BLOCK
from tests.web.issue_support import HOSTILE, FakeBranches, IssueWorld, daemon_in, encoded, notes, said, update
from tests.web.support import NOON, Client, Door, surface_of

RUNNING = RunningView(
    "7", "7", "Fix it", "Todo", "7.2", 2, "demo", "in a turn", 3, 20, NOON - timedelta(seconds=65), NOON,
    "edits", Usage(input_tokens=1_000, output_tokens=34, cost_usd=0.5, context_used=50, context_size=200),
)  # fmt: skip
ATTEMPTS = (
    AttemptRow(
        "7.1", "7", 1, "claude", "smolvm", NOON - timedelta(hours=1), NOON - timedelta(minutes=30),
        "agent.exited", "It died.", 4, None, Usage(input_tokens=2_000, cost_usd=1.25),
    ),
    AttemptRow("7.2", "7", 2, "demo", "local", NOON - timedelta(seconds=65)),
)  # fmt: skip
DIFF = BranchDiff(
    "agent/7", "b" * 40, "a" * 40, 2, 2,
    (
        FileDiff(
            "src/a.py", (DiffLine(LineKind.REMOVED, "old"), DiffLine(LineKind.ADDED, "<b>new</b>")), "", 1, 1
        ),
        FileDiff("big.bin", (), "binary", 0, 0),
    ),
)  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[IssueWorld]:
    daemon, branches = daemon_in(tmp_path), FakeBranches()
    surface = surface_of(daemon, Door(), branches=branches)
    bounds = Bounds(close_s=0.1)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None, bounds=bounds) as listener:
        yield IssueWorld(tmp_path, daemon, branches, Client(listener.port))


class Tags(HTMLParser):
    """Notes every element and attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name in {"href", "action"}}


async def test_the_page_has_the_text_the_facts_and_the_standing(world: IssueWorld) -> None:
    world.add(
        title="Fix it", description="Do **this** and `that`.", priority=2, labels=("parser",),
        blocked_by=("3", "a/b"), url="https://example.com/7",
    )  # fmt: skip
    page = await world.page("/issues/7")
    for words in (
        "<title>7 Fix it · symphony</title>", "Do <strong>this</strong> and <code>that</code>.",
        "Not running: blocked by 3.", "<dt>Priority</dt><dd>2</dd>", "parser", 'href="/issues/a%2Fb"',
        "<code>agent/7</code>", 'href="https://example.com/7"', 'action="/issues/7/pause"', 'id="header"',
        "No attempt has written anything yet.",
    ):  # fmt: skip
        assert words in page


async def test_a_running_attempt_is_shown_with_what_it_costs(world: IssueWorld) -> None:
    machine = MachineUsage("m1", MachineState.RUNNING, 512 << 20, 42.0)
    world.add(attempts=ATTEMPTS, machine=machine, failures=1, standing="Running: in a turn, turn 3 of 20.")
    world.daemon.change(Snapshot(NOON, running=(RUNNING,)))
    page = await world.page("/issues/7")
    for words in (
        "Running: in a turn, turn 3 of 20.", "turn 3 of 20", 'data-since="2026-01-01T11:58:55.000Z"',
        "attempt 2, demo", "25% of context",
        "3,034 tokens", "$1.75", "1 failure in a row", "<code>m1</code> running, 512 MiB, 42% of a core",
        'action="/issues/7/cancel"', "agent.exited", "It died.", '<polyline class="tokens"',
    ):  # fmt: skip
        assert words in page
    assert "/discard" not in page


async def test_what_can_be_done_depends_on_where_the_issue_stands(world: IssueWorld) -> None:
    world.add(paused=True)
    parked = BlockedView("7", "7", "Fix", "Todo", "failed", "failed 5 times")
    world.daemon.change(Snapshot(NOON, blocked=(parked,)))
    page = await world.page("/issues/7")
    assert 'action="/issues/7/retry"' in page
    assert 'action="/issues/7/resume"' in page
    assert 'action="/issues/7/approve"' not in page
    assert 'action="/issues/7/cancel"' not in page

    world.add("8", state="Proposed")
    retrying = RetryingView("8", "8", "retry", NOON + timedelta(seconds=40), 1, "it died")
    world.daemon.change(Snapshot(NOON, retrying=(retrying,)))
    page = await world.page("/issues/8")
    assert 'action="/issues/8/approve"' in page
    assert 'action="/issues/8/retry"' in page
    assert 'action="/issues/8/cancel"' in page
    assert 'action="/issues/8/discard"' in page
    assert 'data-until="2026-01-01T12:00:40.000Z"' in page

    asked = SteeringRequest("q1", "8", "8.1", "Tabs?", "", NOON)
    waiting = WaitingView("8", "8", "Fix", asked, "waits for your answer")
    world.daemon.change(Snapshot(NOON, waiting=(waiting,)))
    page = await world.page("/issues/8")
    assert 'action="/issues/8/cancel"' in page
    assert 'action="/issues/8/discard"' not in page


async def test_what_a_pull_request_has_sent_back_is_not_put_into_a_persons_mouth(world: IssueWorld) -> None:
    context = "https://forge.example/owner/name/pull/1\ntalk/1@0"
    told = SteeringRequest("7.1.review-1", "7", "7.1", "", context, NOON, "ada says:\n\n> Why?", NOON)
    world.add(state="Done", last_handoff="Pull request opened.", steering=(told,))
    page = await world.page("/issues/7")
    assert "<strong>Its pull request sent its work back</strong>" in page
    assert ("ada says:" in page, "talk/1@0" in page) == (True, False)


async def test_delivered_work_can_be_read_and_sent_back(world: IssueWorld) -> None:
    review = SteeringRequest("7.1.review-1", "7", "7.1", "", "", NOON, "Why\n<b>two</b>?", NOON)
    patch = world.folder / ".symphony" / "patches" / "agent_7.patch"
    world.add(state="Done", last_handoff=f"Patch with 1 commit: `git am {patch}`.", steering=(review,))
    page = await world.page("/issues/7")
    assert 'action="/issues/7/reject"' in page
    assert "<strong>You sent its work back</strong>" in page
    assert "&lt;b&gt;two&lt;/b&gt;" in page
    folder = patch.with_suffix("")
    folder.mkdir(parents=True)
    for what, name in (("review", "summary.md"), ("changes", "changes.diff")):
        assert f'href="/issues/7/raw/{what}"' in page
        missing = await world.client.ask("GET", f"/issues/7/raw/{what}")
        assert (missing.status, b"The issue has no review." in missing.body) == (404, True)
        (folder / name).write_text("# <b>text</b>\n")
        answer = await world.client.ask("GET", f"/issues/7/raw/{what}")
        assert (answer.status, answer.body) == (200, b"# <b>text</b>\n")
        assert answer.headers["content-type"].startswith("text/plain")


async def test_a_pull_request_has_its_review_and_no_patch_to_apply(world: IssueWorld) -> None:
    url = "https://forge.example/owner/name/pull/1"
    world.add(state="Done", last_handoff=f"Pull request opened: {url} (1 commit on main).")
    page = await world.page("/issues/7")
    assert (
        '<p><a href="/issues/7/raw/review">Review</a> <a href="/issues/7/raw/changes">changes</a></p>' in page
    )
    assert f'<a href="{url}" rel="noopener noreferrer">' in page


async def test_work_that_was_not_delivered_or_is_in_hand_cannot_be_sent_back(world: IssueWorld) -> None:
    world.add(state="Done")
    assert "/reject" not in await world.page("/issues/7")
    world.add("8", last_handoff="Patch with 1 commit.")
    assert "/reject" not in await world.page("/issues/8")


async def test_a_question_has_a_box_until_it_is_answered(world: IssueWorld) -> None:
    answered = SteeringRequest("q1", "7", "7.1", "Which one?", "", NOON, "The first.", NOON)
    asked = SteeringRequest("q2", "7", "7.2", "Tabs\nor spaces?", "The file has both.", NOON)
    world.add(steering=(answered, asked))
    page = await world.page("/issues/7")
    assert page.count('action="/issues/7/reply"') == 1
    assert 'name="question" value="q2"' in page
    assert "The first." in page
    assert "Tabs\nor spaces?" in page


async def test_access_that_was_asked_for_can_be_given(world: IssueWorld) -> None:
    ledger = AccessLedger(
        (
            AccessRequest("a.example", 443, 3, NOON, NOON),
            AccessRequest("b.example", decision=AccessDecision.DENY, decided_at=NOON),
        ),
        not_kept=2,
    )
    world.add(access=ledger)
    page = await world.page("/issues/7")
    assert page.count('action="/issues/7/access"') == 1
    assert "a.example:443" in page
    assert "tried 3 times" in page
    assert "denied" in page
    assert "2 more hosts were refused" in page


async def test_a_patch_has_the_command_that_applies_it(world: IssueWorld) -> None:
    patch = world.folder / ".symphony" / "patches" / "agent_7.patch"
    world.add(last_handoff=f"Patch with 1 commit: `git am {patch}` on main (abc).")
    assert f'value="git am {patch}"' in await world.page("/issues/7")


async def test_a_pull_request_has_its_link(world: IssueWorld) -> None:
    world.add(last_handoff="Pull request https://github.com/a/b/pull/3.")
    page = await world.page("/issues/7")
    assert 'href="https://github.com/a/b/pull/3"' in page
    assert "git am" not in page


async def test_checks_are_listed_with_how_they_ended_last(world: IssueWorld) -> None:
    settings = world.daemon.workflow.settings
    checks = tuple(Check(name=name, run="true") for name in ("tests", "lint"))
    workflow = replace(world.daemon.workflow, settings=settings.model_copy(update={"checks": checks}))
    world.daemon.workflow = workflow
    world.add()
    hook = {"kind": "hook", "name": "tests", "seconds": 3.0}
    world.write({**hook, "status": 0, "output": "fine"}, {**hook, "status": 1, "output": "1 failed <b>"})
    page = await world.page("/issues/7")
    part = page.split('<section id="issue-delivery"')[1].split("</section>")[0]
    assert "tests: exit status 1 after 3s" in part
    assert "1 failed &lt;b&gt;" in part
    assert "fine" not in part
    assert "<code>lint</code>" in part


async def test_decisions_are_listed(world: IssueWorld) -> None:
    world.add(audit=(Audit(NOON, "7", "dispatched", "a slot is free"),))
    page = await world.page("/issues/7")
    assert "<strong>dispatched</strong> a slot is free" in page


async def test_the_timeline_is_on_the_page(world: IssueWorld) -> None:
    world.add()
    world.write(
        {"kind": "phase", "phase": "in a turn", "turn": 1},
        said("Hel"),
        said("lo **you**."),
        update("tool_call", toolCallId="c", title="Edit a.py", kind="edit", status="completed",
               rawInput={"path": "a.py"},
               content=[{"type": "diff", "path": "a.py", "oldText": "a\nb\n", "newText": "a\nc\n"}]),
        {"kind": "hook", "name": "tests", "status": 1, "seconds": 3.0, "output": "1 failed"},
    )  # fmt: skip
    page = await world.page("/issues/7")
    for words in (
        "<code>7.1</code>", "in a turn, turn 1", "Hello <strong>you</strong>.", "Edit a.py",
        '<span class="removed">-b', '<span class="added">+c', "tests: exit status 1 after 3s", "1 failed",
    ):  # fmt: skip
        assert words in page


async def test_nothing_that_anyone_wrote_becomes_markup(world: IssueWorld) -> None:
    asked = SteeringRequest(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, NOON)
    row = AttemptRow(HOSTILE, HOSTILE, 1, HOSTILE, HOSTILE, NOON, NOON, HOSTILE, HOSTILE)
    ledger = AccessLedger((AccessRequest(HOSTILE, 1, 1, NOON, NOON, trouble=HOSTILE),))
    world.add(
        HOSTILE, title=HOSTILE, identifier=HOSTILE, description=f"{HOSTILE}\n\n[x](javascript:alert(1))",
        labels=(HOSTILE,), blocked_by=(HOSTILE,), branch_name=HOSTILE, url=f"javascript:{HOSTILE}",
        standing=HOSTILE, steering=(asked, replace(asked, reply=HOSTILE)), attempts=(row,), access=ledger,
        audit=(Audit(NOON, HOSTILE, HOSTILE, HOSTILE),), last_handoff=f"https://x/{HOSTILE}",
        machine=MachineUsage(HOSTILE, MachineState.RUNNING),
    )  # fmt: skip
    running = replace(RUNNING, issue_id=HOSTILE, phase=HOSTILE, adapter=HOSTILE, stopping=HOSTILE)
    world.daemon.change(Snapshot(NOON, running=(running,)))
    diff = {"type": "diff", "path": HOSTILE, "oldText": HOSTILE, "newText": f"{HOSTILE}x"}
    world.write(
        {"kind": "phase", "phase": HOSTILE, "turn": 1},
        said(f"{HOSTILE}\n\n[x](javascript:alert(1)) ![y](https://evil.example/y.png)"),
        update("agent_thought_chunk", content={"type": "text", "text": HOSTILE}),
        update("plan", entries=[{"content": HOSTILE, "status": HOSTILE}]),
        update("tool_call", toolCallId=HOSTILE, title=HOSTILE, kind=HOSTILE, status=HOSTILE,
               rawInput={HOSTILE: HOSTILE}, locations=[{"path": HOSTILE}],
               content=[diff, {"type": "content", "content": {"type": "text", "text": HOSTILE}}]),
        {"kind": HOSTILE, "text": HOSTILE},
        {"kind": "hook", "name": HOSTILE, "status": 1, "output": HOSTILE},
        {"kind": "stderr", "text": HOSTILE},
        {"kind": "frame_out",
         "frame": {"method": "session/prompt", "params": {"prompt": [{"type": "text", "text": HOSTILE}]}}},
        issue_id=HOSTILE,
    )  # fmt: skip
    file = FileDiff(HOSTILE, (DiffLine(LineKind.ADDED, HOSTILE),), HOSTILE, 1, 0)
    world.branches.found = BranchDiff(HOSTILE, HOSTILE, HOSTILE, 1, 1, (file,))
    at = f"/issues/{quote(HOSTILE, safe='')}"
    for path in (at, f"{at}/diff", f"{at}/timeline?before=900000", f"{at}/live?after=0&poll=1"):
        page = await world.page(path)
        assert "<script>alert" not in page
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert "{{7*7}}" in page
        tags = Tags(page)
        assert "img" not in tags.tags
        assert not {name for name in tags.attributes if name.startswith("on") or name == "style"}
        assert all(link.startswith(("/", "#", "https://")) for link in tags.links)


@pytest.mark.parametrize("issue_id", ["a/b", "100%", "ü ✓", "..", "a?b#c", '"><b>', "a%2Fb", "state"])
async def test_every_id_has_its_page(world: IssueWorld, issue_id: str) -> None:
    world.add(issue_id, title="The one")
    world.write(*notes([1]), issue_id=issue_id)
    at = f"/issues/{quote(issue_id, safe='')}"
    page = await world.page(at)
    assert "The one" in page
    assert f'action="{at}/pause"' in page
    assert f'href="{at}/raw/log"' in page
    assert "note 1." in await world.page(f"{at}/raw/log")


@pytest.mark.parametrize(
    "path",
    ["", "/timeline?before=0", "/diff", "/raw/log", "/raw/issue", "/live?after=0", "/live?after=0&poll=1"],
)
async def test_an_unknown_issue_is_404(world: IssueWorld, path: str) -> None:
    answer = await world.client.ask("GET", f"/issues/none{path}")
    assert answer.status == 404
    assert "There is no issue none." in answer.body.decode()


async def test_an_issue_whose_file_is_gone_still_has_a_page(world: IssueWorld) -> None:
    world.add(issue=None, standing="Its file is gone.", attempts=ATTEMPTS)
    page = await world.page("/issues/7")
    assert "Its file is gone." in page
    assert "agent.exited" in page


async def test_a_draining_daemon_says_so(world: IssueWorld) -> None:
    world.daemon.failure = CommandRefused("symphony is stopping.", code="draining")
    answer = await world.client.ask("GET", "/issues/7")
    assert answer.status == 503
    assert "symphony is stopping." in answer.body.decode()


class TestPages:
    async def test_the_last_page_comes_first_and_older_ones_on_demand(self, world: IssueWorld) -> None:
        world.add()
        world.write(*notes(range(1_000), pad=500))
        page = await world.page("/issues/7")
        assert "note 999." in page
        assert "note 1." not in page
        found = page.count('class="entry note')
        while 'id="older"' in page:
            older = page.split('<li id="older" class="older"><a href="')[1].split('"')[0]
            page = await world.page(older, HX_Request="true")
            assert not page.startswith("<!doctype")
            found += page.count('class="entry note')
        assert "note 0." in page
        assert found == 1_000

    async def test_an_older_page_is_a_page_of_its_own_without_script(self, world: IssueWorld) -> None:
        world.add()
        size = world.write(*notes(range(1_000), pad=500))
        page = await world.page(f"/issues/7/timeline?before={size // BLOCK * BLOCK}")
        assert page.startswith("<!doctype html>")
        assert 'href="/issues/7">To the latest</a>' in page

    @pytest.mark.parametrize("before", ["", "x", "-1", "1.5", "²", "9" * 30])
    async def test_what_is_no_place_in_a_log_is_named(self, world: IssueWorld, before: str) -> None:
        world.add()
        answer = await world.client.ask("GET", f"/issues/7/timeline?before={quote(before)}")
        assert answer.status == 422

    async def test_a_place_beyond_the_end_is_the_end(self, world: IssueWorld) -> None:
        world.add()
        world.write(*notes([1]))
        assert "note 1." in await world.page("/issues/7/timeline?before=999999999999")

    async def test_200_megabytes_open_without_being_read(self, world: IssueWorld) -> None:
        world.add()
        path = world.log()
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            file.truncate(200 << 20)
            file.seek(0, 2)
            file.write(b"\n" + b"".join(encoded(note) for note in notes(range(2_000))))
        before = bytes_read()
        page = await world.page("/issues/7")
        assert "note 1999." in page
        assert bytes_read() - before < 3_000_000

    async def test_a_log_that_cannot_be_read_is_said_and_the_rest_shown(self, world: IssueWorld) -> None:
        world.add()
        world.log().parent.mkdir(parents=True)
        world.log().symlink_to("/etc/passwd")
        page = await world.page("/issues/7")
        assert "The run log cannot be read" in page
        assert "Not running: blocked by 3." in page
        assert "root:" not in page


def bytes_read() -> int:
    """Return how many bytes this process has read so far."""
    return int(Path("/proc/self/io").read_text().splitlines()[0].removeprefix("rchar: "))


class TestDiff:
    async def test_a_branch_is_shown_file_by_file(self, world: IssueWorld) -> None:
        world.add()
        world.branches.found = DIFF
        page = await world.page("/issues/7/diff")
        for words in (
            "<!doctype html>", "2 commits on", "<code>bbbbbbbbbbbb</code>", "2 files", "src/a.py", "binary",
            '<span class="added">+&lt;b&gt;new&lt;/b&gt;',
        ):  # fmt: skip
            assert words in page
        part = await world.page("/issues/7/diff", HX_Request="true")
        assert part.strip().startswith('<section id="issue-changes"')

    async def test_a_branch_that_was_never_imported_is_said(self, world: IssueWorld) -> None:
        world.add()
        assert "Nothing of its branch has been imported yet." in await world.page("/issues/7/diff")

    async def test_a_large_difference_is_said_to_be_cut(self, world: IssueWorld) -> None:
        world.add()
        world.branches.found = replace(DIFF, complete=False)
        assert "too large to be shown as a whole" in await world.page("/issues/7/diff")

    async def test_trouble_is_said(self, world: IssueWorld) -> None:
        world.add()
        world.branches.failure = CommandRefused("The disk is full.")
        assert "The disk is full." in await world.page("/issues/7/diff")


class TestRawFiles:
    async def test_each_file_is_sent_as_plain_text(self, world: IssueWorld) -> None:
        world.add()
        world.write(*notes([1]))
        patch = world.folder / ".symphony" / "patches" / "agent_7.patch"
        patch.parent.mkdir(parents=True)
        patch.write_bytes(b"From 1\n" + bytes(range(256)) * 4_000)
        for what, path in (
            ("issue", world.daemon.known[0].path), ("log", world.log()), ("patch", patch),
        ):  # fmt: skip
            answer = await world.client.ask("GET", f"/issues/7/raw/{what}")
            assert answer.status == 200
            assert answer.headers["content-type"] == "text/plain; charset=utf-8"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
            assert answer.body == path.read_bytes()

    @pytest.mark.parametrize("what", ["issue", "log", "patch"])
    async def test_a_link_in_its_place_is_not_followed(self, world: IssueWorld, what: str) -> None:
        detail = world.add()
        assert detail.issue is not None
        secret = world.folder / "secret"
        secret.write_text("secret")
        path = {
            "issue": detail.issue.path,
            "log": world.log(),
            "patch": world.folder / ".symphony" / "patches" / "agent_7.patch",
        }[what]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(secret)
        answer = await world.client.ask("GET", f"/issues/7/raw/{what}")
        assert answer.status == 404
        assert b"secret" not in answer.body

    @pytest.mark.parametrize("what", ["log", "patch", "other", "..", "issue%2F.."])
    async def test_what_is_not_there_is_404(self, world: IssueWorld, what: str) -> None:
        world.add()
        assert (await world.client.ask("GET", f"/issues/7/raw/{what}")).status == 404

    async def test_a_folder_or_a_pipe_is_no_file(self, world: IssueWorld) -> None:
        world.add()
        world.log().mkdir(parents=True)
        assert (await world.client.ask("GET", "/issues/7/raw/log")).status == 404


async def test_what_its_agent_asks_to_be_allowed_is_on_the_page_with_a_form(world: IssueWorld) -> None:
    world.add()
    proposal = Proposal("Remove it", "execute", "rm -rf build", f'{{"command": "{HOSTILE}"}}')
    asked = PermissionRequest("7.2.1", "7", "7.2", proposal, NOON)
    answered = replace(asked, id="7.2.2", answer=PermissionAnswer.ONCE)
    world.daemon.change(Snapshot(NOON, running=(replace(RUNNING, permissions=(asked, answered)),)))
    page = await world.page("/issues/7")
    assert "<h2>Permissions</h2>" in page
    assert page.count('action="/issues/7/permission"') == 1
    assert '<input type="hidden" name="request" value="7.2.1">' in page
    assert "Allow for the session" not in page
    assert "it waits for a free slot" in page
    assert HOSTILE not in page
