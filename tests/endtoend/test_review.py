"""What a reviewer gets beside a patch: the folder, and `symphony review` over it; real git, real commands."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from symphony.core.guard.finding import Finding, FindingKind
from symphony.core.handoff import Handoff
from symphony.core.receipt import CheckRun, Receipt
from symphony.core.review import UNKNOWN, Background
from symphony.core.usage import Usage
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.review import delete_patch, read_review
from tests.support.command_line import Ran, on_terminal, symphony
from tests.support.git_project import GitWorld, git, make_completion, make_project, write_files

BACKGROUND = Background(
    "Fix the login page",
    "It says Helo.",
    "It says Hello now.",
    2,
    Usage(input_tokens=1200, output_tokens=34, cost_usd=0.5, seconds=65.0, tool_calls=7),
    (Finding(FindingKind.COMMAND, "rm-root", "a tool call", excerpt="rm -rf /"),),
)
PULL = "https://forge.example/owner/name/pull/1"
CHECKED = Receipt("a" * 40, (CheckRun("tests", "pytest -q", 0, 3.0),))


class Reviewed(GitWorld):
    """A project with a workflow, in which work on issue 12 is handed over."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"README.md": b"a project\n", ".gitignore": b".symphony\n"})
        (self.source / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n")
        git(self.source, "add", "WORKFLOW.md")
        git(self.source, "commit", "--quiet", "-m", "Add a workflow")
        self.start = git(self.source, "rev-parse", "HEAD")
        self.folder = self.installation.review("12")

    async def deliver(
        self,
        files: dict[str, bytes] | None = None,
        *,
        url: str = "",
        message: str = "Work",
        title: str = "Greet properly",
        background: Background = BACKGROUND,
        receipt: Receipt | None = CHECKED,
    ) -> Handoff:
        """Hand over one commit."""
        workspace = await self.prepare()
        self.commit(workspace, files or {"new.txt": b"new\n"}, message)
        imported = await self.collect(workspace)
        completion = make_completion("12", title, background.summary or "Done.", receipt)
        return await self.workspaces.hand_off(workspace, imported, completion, self.settings, background, url)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()

    def contents(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}


@pytest.fixture
def world(tmp_path: Path) -> Reviewed:
    return Reviewed(tmp_path)


async def test_a_patch_has_a_folder_for_its_reviewer(world: Reviewed):
    handoff = await world.deliver({"new.txt": b"new\n", "README.md": b"another\n", "a.bin": b"\0\1"})
    head = handoff.head_commit
    assert sorted(world.contents()) == ["branch.bundle", "changes.diff", "review.json", "summary.md"]
    assert (
        world.read("summary.md")
        == f"""\
# Work on issue `12`

```text
branch    agent/12, 1 commit
base      main, {world.start}
head      {head}
merge     main ({world.start[:12]}) is where the work started.
cost      1,234 tokens (1,200 in, 34 out), 7 tool calls, $0.50, 1m 5s of turns in 2 attempts
```

## What was done, in the agent's words

```text
Greet properly

It says Hello now.
```

## The issue as it was

```text
Fix the login page

It says Helo.
```

## Checks that it has passed

```text
on tree {"a" * 40}
tests (pytest -q): exit status 0 after 3s
```

## Files (3)

```text
      +1       -1  README.md
      +-       --  a.bin
      +1       -0  new.txt
```

## Findings of the guard rails

```text
command, rm-root, in a tool call: rm -rf /
```
"""
    )
    assert "-a project\n+another\n" in world.read("changes.diff")
    assert "Binary files /dev/null and b/a.bin differ" in world.read("changes.diff")


async def test_the_bundle_brings_the_branch_into_a_repository_that_has_the_base(
    world: Reviewed, tmp_path: Path
):
    handoff = await world.deliver()
    bundle = str(world.folder / "branch.bundle")
    git(world.source, "bundle", "verify", "--quiet", bundle)
    git(world.source, "fetch", "--quiet", bundle, "agent/12:review")
    assert git(world.source, "rev-parse", "review") == handoff.head_commit
    stranger = make_project(tmp_path / "stranger", {"other.txt": b"other\n"})
    assert world.start in git(world.source, "bundle", "verify", bundle)
    with pytest.raises(AssertionError, match="lacks these prerequisite commits"):
        git(stranger, "bundle", "verify", bundle)


async def test_the_same_work_gives_the_same_folder(world: Reviewed):
    workspace = await world.prepare()
    world.commit(workspace, {"new.txt": b"new\n"})
    imported = await world.collect(workspace)
    completion = make_completion("12")
    seen = []
    for _ in range(2):
        await world.workspaces.hand_off(workspace, imported, completion, world.settings, BACKGROUND)
        seen.append(world.contents())
    assert seen[0] == seen[1]
    assert sorted(path.name for path in world.installation.patches.iterdir()) == [
        "agent_12", "agent_12.patch",
    ]  # fmt: skip


async def test_nothing_that_an_agent_says_leaves_its_fence(world: Reviewed):
    evil = Background(
        "```\n# Merge at once",
        "text\n````\n## Checks that it has passed\n\nall\x1b[31m of them\u202e\n<script>",
        "fine\n```\n## Findings of the guard rails\n\nNone.\n",
    )
    await world.deliver({"new\n## Checked.txt": b"x\n"}, title="# Yes\n\n# No", background=evil, receipt=None)
    summary = world.read("summary.md")
    outside, fence = [], ""
    for line in summary.splitlines():
        if not fence and (found := re.match("`{3,}", line)):
            fence = found[0]
        elif fence and line == fence:
            fence = ""
        elif not fence and line:
            outside.append(line)
    assert outside == [
        "# Work on issue `12`",
        "## What was done, in the agent's words",
        "## The issue as it was",
        "## Checks that it has passed",
        "None: the workflow has no checks for it.",
        "## Files (1)",
        "## Findings of the guard rails",
        "None.",
    ]
    assert "\x1b" not in summary
    assert "\u202e" not in summary


async def test_what_is_said_is_bounded(world: Reviewed):
    long = Background("t" * 10_000, "i" * 200_000, "s" * 100_000)
    await world.deliver(title="x" * 10_000, background=long)
    assert len(world.read("summary.md")) < 85_000


async def test_a_token_in_what_is_said_is_not_written_down(world: Reviewed):
    token = "ghp_" + "a1B2" * 9
    await world.deliver(background=Background("Use it", f"The token is {token}", f"I used {token}"))
    assert token not in world.read("summary.md")
    assert "[redacted]" in world.read("summary.md")


async def test_a_branch_behind_its_base_has_a_folder_as_well(world: Reviewed):
    workspace = await world.prepare()
    git(workspace.path, "reset", "--quiet", "--hard", "HEAD~1")
    imported = await world.collect(workspace)
    handoff = await world.workspaces.hand_off(workspace, imported, make_completion("12"), world.settings)
    assert handoff.patch is not None
    git(world.source, "bundle", "verify", "--quiet", str(world.folder / "branch.bundle"))


async def test_a_handoff_that_fails_leaves_the_folder_as_it_was(
    world: Reviewed, monkeypatch: pytest.MonkeyPatch
):
    await world.deliver()
    before = world.contents()
    (world.installation.patches / ".symphony-review-12").mkdir()

    def full(made: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("symphony.workspace.review.put_folder", full)
    with pytest.raises(WorkspaceError) as refused:
        await world.deliver({"more.txt": b"more\n"})
    assert refused.value.code == "workspace.disk_full"
    assert world.contents() == before
    assert sorted(path.name for path in world.installation.patches.iterdir()) == [
        "agent_12",
        "agent_12.patch",
    ]


async def test_lines_of_the_patch_that_look_like_a_reviewers_are_known(world: Reviewed):
    await world.deliver(message="Work\n\n#> not a reviewer")
    review = read_review(world.installation, "12")
    assert review is not None
    assert review.marks == ("#> not a reviewer",)


async def test_a_patch_takes_its_folder_with_it(world: Reviewed):
    handoff = await world.deliver(background=UNKNOWN)
    assert handoff.patch is not None
    delete_patch(handoff.patch)
    delete_patch(handoff.patch)
    assert list(world.installation.patches.iterdir()) == []


async def test_facts_that_cannot_be_read_say_so(world: Reviewed):
    await world.deliver()
    (world.folder / "review.json").write_text("{")
    with pytest.raises(WorkspaceError) as refused:
        read_review(world.installation, "12")
    assert refused.value.code == "review.unreadable"
    assert json.loads(json.dumps(str(refused.value))).startswith(str(world.folder / "review.json"))


def add_comment(world: Reviewed, below: str, *comment: str) -> None:
    """Write a comment into the patch, as a person does with an editor."""
    patch = world.installation.patch("12")
    text = patch.read_text()
    assert text.count(f"\n{below}\n") == 1
    patch.write_text(text.replace(f"\n{below}\n", "\n".join(["", below, *comment, ""])))


def said(ran: Ran) -> str:
    return " ".join(ran.err.split())


async def test_review_shows_the_summary_and_the_diff(world: Reviewed):
    await world.deliver()
    ran = symphony(world.source, "review", "12")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(
        f"Now: main ({world.start[:12]}) is where the work started.\n"
        "Take it over: `symphony apply 12`; send it back: `symphony reject 12 TEXT`.\n"
        "\n"
        "# Work on issue `12`\n"
    )
    assert world.read("summary.md") in ran.out
    assert ran.out.endswith(world.read("changes.diff"))


async def test_review_tries_the_merge_with_the_base_as_it_is_now(world: Reviewed):
    await world.deliver({"README.md": b"by the agent\n"})
    refs = git(world.host, "for-each-ref")
    write_files(world.source, {"README.md": b"by a person\n"})
    git(world.source, "commit", "--quiet", "-am", "Meanwhile")
    now = git(world.source, "rev-parse", "main")
    ran = symphony(world.source, "review", "12")
    assert ran.out.startswith(f"Now: In conflict with main ({now[:12]}): README.md.\n")
    assert git(world.host, "for-each-ref") == refs


async def test_review_tells_scripts_in_json(world: Reviewed):
    handoff = await world.deliver()
    add_comment(world, "+new", "#> newer?")
    answer = json.loads(symphony(world.source, "review", "12", "--json").out)
    assert answer["summary"] == world.read("summary.md")
    assert {name: answer[name] for name in ("issue_id", "branch", "base", "base_commit", "head_commit")} == {
        "issue_id": "12", "branch": "agent/12", "base": "main",
        "base_commit": world.start, "head_commit": handoff.head_commit,
    }  # fmt: skip
    assert (answer["patch"], answer["bundle"]) == (str(handoff.patch), str(world.folder / "branch.bundle"))
    assert answer["preflight"]["clean"]
    assert [(each["where"], each["above"], each["text"]) for each in answer["comments"]] == [
        ("new.txt:1", "+new", "newer?")
    ]


async def test_a_pull_request_has_the_same_folder_and_no_patch(world: Reviewed):
    await world.deliver()
    head = (await world.deliver({"more.txt": b"more\n"}, url=PULL)).head_commit
    assert [path.name for path in world.installation.patches.iterdir()] == ["agent_12"]
    assert sorted(world.contents()) == ["branch.bundle", "changes.diff", "review.json", "summary.md"]
    assert f"head      {head}\npull      {PULL}\nmerge " in world.read("summary.md")
    git(world.source, "fetch", "--quiet", str(world.folder / "branch.bundle"), "agent/12:review")
    assert git(world.source, "rev-parse", "review") == head


@pytest.mark.parametrize("remote", ["origin", "my fork"])
async def test_review_of_a_pull_request_says_where_it_is_and_how_to_fetch_it(world: Reviewed, remote: str):
    (world.source / "WORKFLOW.md").write_text(f"---\nsandbox: local\nhandoff: {{remote: {remote}}}\n---\n")
    await world.deliver(url=PULL)
    fetch = f"git fetch {shlex.quote(remote)} agent/12"
    ran = symphony(world.source, "review", "12")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(
        f"Now: main ({world.start[:12]}) is where the work started.\n"
        f"Pull request: {PULL}\n"
        f"Fetch it: `{fetch}`; send it back: `symphony reject 12 TEXT`.\n"
        "\n"
        "# Work on issue `12`\n"
    )
    assert ran.out.endswith(world.read("changes.diff"))
    answer = json.loads(symphony(world.source, "review", "12", "--json").out)
    assert (answer["url"], answer["fetch"], answer["patch"]) == (PULL, fetch, None)


async def test_the_branch_of_a_pull_request_is_fetched_from_a_source_that_is_a_url(world: Reviewed):
    (world.source / "WORKFLOW.md").write_text(
        "---\nsandbox: local\nworkspace: {source: 'https://a:b@127.0.0.1:1/owner/name.git'}\n---\n"
    )
    await world.deliver(url=PULL)
    ran = symphony(world.source, "review", "12")
    assert "Fetch it: `git fetch https://127.0.0.1:1/owner/name.git agent/12`; " in ran.out


async def test_a_pull_request_has_no_patch_to_apply_and_apply_says_where_it_is(world: Reviewed):
    await world.deliver(url=PULL)
    ran = symphony(world.source, "apply", "12")
    assert (ran.status, said(ran)) == (
        1,
        f"symphony: Issue 12 has no patch: its work is the pull request {PULL}."
        " Merge it there, or `symphony review 12` says how to fetch it.",
    )


async def test_the_review_of_a_pull_request_that_cannot_be_written_leaves_none_of_the_work_before(
    world: Reviewed, monkeypatch: pytest.MonkeyPatch
):
    await world.deliver(url=PULL)

    def full(made: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("symphony.workspace.review.put_folder", full)
    with pytest.raises(WorkspaceError):
        await world.deliver({"more.txt": b"more\n"}, url=PULL)
    assert list(world.installation.patches.iterdir()) == []


async def test_review_says_which_comments_are_not_sent_yet(world: Reviewed):
    await world.deliver()
    add_comment(world, "+new", "#> newer?", "#> or newest?")
    assert (
        "1 comment in the patch, not sent yet: `symphony reject 12`.\n  new.txt:1: newer?\n"
        in symphony(world.source, "review", "12").out
    )


async def test_nothing_in_a_diff_moves_the_cursor(world: Reviewed):
    await world.deliver({"new.txt": b"\x1b[2Jgone\n\xe2\x80\xaereversed\r\n" + b"x" * 50_000 + b"\nend\n"})
    out = symphony(world.source, "review", "12").out
    assert "+[2Jgone\n+reversed\n" in out
    assert "\n+end\n" in out
    assert max(map(len, out.splitlines())) <= 10_001


async def test_a_terminal_gets_it_through_the_pager_in_colour(world: Reviewed, tmp_path: Path):
    await world.deliver()
    seen = tmp_path / "seen"
    pager = {"GIT_PAGER": f"cat > {seen}", "PAGER": "false"}
    on_terminal(world.source, "review", "12", columns=80, environment=pager)
    assert b"\x1b[32m+new\x1b[m\n" in seen.read_bytes()
    on_terminal(world.source, "review", "12", columns=80, environment={**pager, "NO_COLOR": "1"})
    assert b"\x1b" not in seen.read_bytes()


@pytest.mark.parametrize("pager", ["", "cat", "no-such-pager-here"])
async def test_without_a_pager_a_terminal_gets_it_all_the_same(world: Reviewed, pager: str):
    await world.deliver()
    out = on_terminal(world.source, "review", "12", columns=80, environment={"PAGER": pager})
    assert "# Work on issue `12`" in out
    assert "+new" in out


async def test_a_pager_that_a_person_leaves_early_ends_it(world: Reviewed):
    await world.deliver({"long.txt": b"line\n" * 200_000})
    out = on_terminal(world.source, "review", "12", columns=80, environment={"PAGER": "head -1"})
    assert out.splitlines()[0].startswith("\x1b[32mNow: main")


async def test_an_issue_without_a_patch_or_without_a_folder_says_so(world: Reviewed):
    ran = symphony(world.source, "review", "12")
    assert (ran.status, said(ran)) == (
        1,
        f"symphony: Issue 12 has no patch: {world.installation.patch('12')} does not exist. "
        "`symphony show 12` says where its work stands.",
    )
    await world.deliver()
    shutil.rmtree(world.folder)
    ran = symphony(world.source, "review", "12")
    assert (ran.status, said(ran)) == (
        1,
        "symphony: Issue 12 has no review folder: its patch is of an older symphony. "
        f"Read the patch itself: {world.installation.patch('12')}.",
    )


async def test_a_patch_with_comments_is_not_applied(world: Reviewed):
    await world.deliver(message="Work\n\n#> not a reviewer")
    add_comment(world, "+new", "#> newer?")
    ran = symphony(world.source, "apply", "12")
    line = world.installation.patch("12").read_text().splitlines().index("#> newer?") + 1
    assert (ran.status, said(ran)) == (
        1,
        "symphony: The patch of issue 12 has 1 comment of a reviewer in it (`#>`), the first in line "
        f"{line} of agent_12.patch. `symphony reject 12` sends what they say to its agent; "
        "to apply the patch as it was handed over, delete these lines.",
    )
    assert git(world.source, "rev-parse", "HEAD") == world.start
    await world.workspaces.reviews.clear("12", await world.workspaces.reviews.comments("12"))
    assert symphony(world.source, "apply", "12").status == 0


async def test_a_new_handoff_keeps_comments_that_nobody_has_read(world: Reviewed):
    await world.deliver()
    add_comment(world, "+new", "#> newer?")
    commented = world.installation.patch("12").read_bytes()
    kept = world.installation.patches / "agent_12.patch.unread-1"
    handoff = await world.deliver({"new.txt": b"newest\n"})
    assert f"The patch before it had 1 comment that no agent was sent; it is kept as {kept}." in handoff.note
    assert kept.read_bytes() == commented
    assert await world.workspaces.reviews.comments("12") == ()
