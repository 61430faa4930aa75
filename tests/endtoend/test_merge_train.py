"""The merge train with the real daemon, real git and agents of their own programs."""

import asyncio
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from symphony.core.installation import Installation
from symphony.store.reader import read_store
from tests.support.command_line import symphony
from tests.support.project import BOUND_S, LOOK_S, Project, git

TRAIN = "symphony/train"
JOINED = '[ "$(ls part-* | wc -l)" -lt 2 ] || [ -e joined.txt ] || { echo nothing joins the parts; exit 1; }'
CHECKS = [{"name": "parts", "run": JOINED}]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project", "rides")


def rides(project: Project, **sections: Any) -> None:
    """Turn the train on."""
    sections = {"merge_train": {"branch": TRAIN}, "agent": {"max_concurrent_agents": 1}, **sections}
    project.configure("{{ issue.description }}", **sections)


def aboard(project: Project) -> list[str]:
    """Return the subjects of what is on the train, the first first."""
    return git(
        project.root, "log", "--first-parent", "--reverse", "--format=%s", f"main..{TRAIN}"
    ).splitlines()


def files(project: Project, commit: str = TRAIN) -> list[str]:
    return git(project.root, "ls-tree", "--name-only", commit).splitlines()


def handoffs(project: Project, key: str) -> list[str]:
    return [line["note"] for line in project.log(key) if line["kind"] == "handoff"]


def outcomes(project: Project, key: str) -> list[str]:
    return [line["outcome"] for line in project.log(key) if line["kind"] == "ended"]


def said(project: Project) -> str:
    return (project.root / ".symphony" / "said").read_text()


async def test_finished_branches_board_one_after_another(project: Project):
    rides(project, checks=CHECKS)
    project.drop("1", "Write a.txt as one")
    project.drop("2", "Write b.txt as two")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    assert aboard(project) == ["Merge issue 1: Write a.txt", "Merge issue 2: Write b.txt"]
    assert {"a.txt", "b.txt"} <= set(files(project))
    head = git(project.root, "rev-parse", TRAIN)
    onto = git(project.root, "rev-parse", f"{TRAIN}^1")
    assert handoffs(project, "2")[0].endswith(
        f" Boarded the merge train symphony/train as {head[:12]}, on top of {onto[:12]}."
    )
    assert git(project.root, "status", "--porcelain") == ""
    assert git(project.root, "symbolic-ref", "HEAD") == "refs/heads/main"


async def test_a_branch_that_passes_alone_and_not_on_the_train_goes_back_with_the_output_and_is_mended(
    project: Project,
):
    rides(project, checks=CHECKS)
    project.drop("1", "Write part-a as one")
    project.drop("2", "Write part-b as two")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    assert aboard(project) == ["Merge issue 1: Write part-a", "Merge issue 2: Write part-b"]
    assert {"part-a", "part-b", "joined.txt"} <= set(files(project))
    assert outcomes(project, "2") == ["delivered"]
    onto = git(project.root, "rev-parse", f"{TRAIN}^1")
    assert (
        "Your `mark_done` does not count yet: a check fails once your branch is merged onto the "
        f"merge train's head ({onto[:12]}), where finished work of other issues is.\n\n"
        "parts (exit status 1):\n\n> nothing joins the parts\n"
    ) in said(project)


async def test_files_in_conflict_with_the_train_go_back_with_their_names_and_are_merged(project: Project):
    rides(project)
    project.drop("1", "Write README.md as one")
    project.drop("2", "Write README.md as two")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    assert aboard(project) == ["Merge issue 1: Write README.md", "Merge issue 2: Write README.md"]
    assert git(project.root, "show", f"{TRAIN}:README.md") == "one\ntwo"
    onto = git(project.root, "rev-parse", f"{TRAIN}^1")
    assert (
        "Your `mark_done` does not count yet: your branch does not merge onto the merge train's head "
        f"({onto[:12]}), where finished work of other issues is.\n\nIn conflict: README.md.\n\n"
        "That head is in this repository as `refs/remotes/symphony/train`. Merge it into your branch "
        "(`git merge refs/remotes/symphony/train`) so that both changes keep their effect, correct what "
        "fails, commit, and call `mark_done` again.\n"
    ) in said(project)
    # the second's patch has what it was built on, and says nothing of commits that were left out
    assert "Not in the handoff" not in handoffs(project, "2")[0]
    clone = project.apply("2", project.root.parent / "clone")
    assert (clone / "README.md").read_text() == "one\ntwo\n"


async def test_the_commits_aboard_are_those_that_leave_and_the_settings_author_merged_them(project: Project):
    git(project.root, "config", "user.name", "Ada")
    git(project.root, "config", "user.email", "ada@example.org")
    rides(project, handoff={"author": "Bot <bot@example.org>"})
    project.drop("1", "Write a.txt as one")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    assert git(project.root, "log", "-1", "--format=%an <%ae> %cn", TRAIN) == "Bot <bot@example.org> Ada"
    assert git(project.root, "log", "-1", "--format=%an|%(trailers:key=Symphony-Issue)", f"{TRAIN}^2") == (
        "Bot|Symphony-Issue: 1"
    )


async def test_what_passed_alone_goes_back_when_the_train_moves_before_it_boards(project: Project):
    """Both have passed on the base when the first boards; the second is checked again, and its agent told."""
    rides(project, checks=CHECKS, agent={"max_concurrent_agents": 2})
    hold = project.root / ".symphony" / "hold"
    hold.parent.mkdir(exist_ok=True)
    hold.touch()
    project.drop("1", "Write part-a as one")
    project.drop("2", "Write part-b as two")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(lambda: all("in a turn" in str(project.log(key)) for key in "12"))
        hold.unlink()
        await daemon.task
    assert sorted(aboard(project)) == ["Merge issue 1: Write part-a", "Merge issue 2: Write part-b"]
    assert {"part-a", "part-b", "joined.txt"} <= set(files(project))
    assert "nothing joins the parts" in said(project)
    ends = outcomes(project, "1") + outcomes(project, "2")
    assert set(ends) <= {"delivered", "sent_back"}


async def test_a_base_that_moves_is_merged_into_the_train_first(project: Project):
    rides(project, checks=CHECKS)
    project.drop("1", "Write a.txt as one")
    async with project.daemon() as daemon:
        await daemon.until(lambda: handoffs(project, "1"))
        commit(project, "b.txt", "base\n")
        project.drop("2", "Write c.txt as two")
        await daemon.until(lambda: handoffs(project, "2"))
    assert aboard(project) == [
        "Merge issue 1: Write a.txt",
        "Merge main into symphony/train",
        "Merge issue 2: Write c.txt",
    ]
    assert {"a.txt", "b.txt", "c.txt"} <= set(files(project))


async def test_a_train_that_the_base_has_taken_over_starts_again_there(project: Project):
    rides(project)
    project.drop("1", "Write a.txt as one")
    async with project.daemon() as daemon:
        await daemon.until(lambda: handoffs(project, "1"))
        git(project.root, "merge", "--quiet", "--no-ff", "--no-edit", TRAIN)
        project.drop("2", "Write c.txt as two")
        await daemon.until(lambda: handoffs(project, "2"))
    assert aboard(project) == ["Merge issue 2: Write c.txt"]
    assert git(project.root, "rev-parse", f"{TRAIN}^1") == git(project.root, "rev-parse", "main")


async def test_a_train_in_conflict_with_the_base_stands_still_and_the_work_waits_for_it(project: Project):
    rides(project)
    project.drop("1", "Write README.md as one")
    async with project.daemon() as daemon:
        await daemon.until(lambda: handoffs(project, "1"))
        commit(project, "README.md", "base\n")
        train, main = (git(project.root, "rev-parse", name)[:12] for name in (TRAIN, "main"))
        project.drop("2", "Write c.txt as two")
        await daemon.until(lambda: outcomes(project, "2"))
        ended = next(line for line in project.log("2") if line["kind"] == "ended")
        assert ended["message"] == (
            f"The merge train symphony/train ({train}) and main ({main}) are in conflict: README.md. "
            "`git switch symphony/train && git merge main`, and leave that branch again; or "
            "`symphony train reset`, which starts anew from main."
        )
        async with asyncio.timeout(BOUND_S):
            while ended["message"] not in await daemon.reason("2"):
                await asyncio.sleep(LOOK_S)
        assert handoffs(project, "2") == []
        git(project.root, "branch", "--force", TRAIN, "main")
        await daemon.call("POST", "/api/v1/issues/2/retry")
        await daemon.until(lambda: handoffs(project, "2"))
    assert aboard(project) == ["Merge issue 2: Write c.txt"]


async def test_a_train_that_is_checked_out_waits_until_it_is_left(project: Project):
    rides(project)
    git(project.root, "switch", "--quiet", "--create", TRAIN)
    rides(project, workspace={"base": "main"})
    project.drop("1", "Write a.txt as one")
    async with project.daemon() as daemon:
        await daemon.until(lambda: outcomes(project, "1"))
        ended = next(line for line in project.log("1") if line["kind"] == "ended")
        assert ended["message"] == (
            f"The merge train's branch symphony/train is checked out in {project.root}. "
            f"Check out another branch there: `git -C {project.root} switch -`."
        )
        assert git(project.root, "status", "--porcelain") == ""
        git(project.root, "switch", "--quiet", "main")
        await daemon.call("POST", "/api/v1/issues/1/retry")
        await daemon.until(lambda: handoffs(project, "1"))
    assert aboard(project) == ["Merge issue 1: Write a.txt"]


async def test_no_branch_is_made_unless_the_train_is_wanted(project: Project):
    rides(project, merge_train={}, checks=CHECKS)
    project.drop("1", "Write a.txt as one")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    assert git(project.root, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    assert git(project.root / ".symphony" / "host.git", "for-each-ref", "refs/symphony/train") == ""


def commit(project: Project, name: str, text: str) -> None:
    """Commit a file to the base, as a person does."""
    (project.root / name).write_text(text)
    git(project.root, "add", name)
    git(project.root, "commit", "--quiet", "-m", f"Change {name}")


async def test_people_see_what_is_aboard_and_start_the_train_anew(project: Project):
    rides(project)
    ran = symphony(project.root, "train")
    assert (ran.status, ran.err) == (0, "")
    main = git(project.root, "rev-parse", "main")
    assert ran.out == f"The merge train {TRAIN} has no branch yet; main is at {main[:12]}.\n"
    project.drop("1", "Write a.txt as one")
    project.drop("2", "Write b.txt as two")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    head, first = (git(project.root, "rev-parse", name) for name in (TRAIN, f"{TRAIN}^1"))
    shown = json.loads(symphony(project.root, "show", "2", "--json").out)
    assert shown["boarded"] == {"branch": TRAIN, "commit": head, "onto": first}
    seen = json.loads(symphony(project.root, "train", "--json").out)
    assert (seen["head"], seen["base_commit"], seen["stopped"]) == (head, main, None)
    assert [(each["issue_id"], each["title"], each["commit"]) for each in seen["aboard"]] == [
        ("1", "Write a.txt", first),
        ("2", "Write b.txt", head),
    ]
    said = symphony(project.root, "train").out
    assert said.startswith(f"The merge train {TRAIN} is at {head[:12]}; main is at {main[:12]}.\n")
    assert "Aboard (2), the first first" in said
    said = symphony(project.root, "train", "reset").out
    assert said.startswith(
        f"The merge train {TRAIN} starts anew from main ({main[:12]}); it was at {head[:12]}.\n"
    )
    assert "Not aboard any more (2 issues)" in said
    assert git(project.root, "rev-parse", TRAIN) == main
    assert files(project) == [".gitignore", "README.md"]


async def test_a_train_that_is_off_or_checked_out_is_not_reset(project: Project):
    rides(project, merge_train={})
    off = symphony(project.root, "train")
    assert (off.status, off.err) == (
        1,
        "symphony: There is no merge train: merge_train.branch is null. Set it in WORKFLOW.md, to "
        "symphony/train for one.\n",
    )
    rides(project, workspace={"base": "main"})
    git(project.root, "switch", "--quiet", "--create", TRAIN)
    commit(project, "b.txt", "mine\n")
    head = git(project.root, "rev-parse", TRAIN)
    refused = symphony(project.root, "train", "reset")
    assert (refused.status, refused.err) == (
        1,
        f"symphony: The merge train's branch {TRAIN} is checked out in {project.root}. Check out another "
        f"branch there: `git -C {project.root} switch -`.\n",
    )
    assert git(project.root, "rev-parse", TRAIN) == head
    assert "It stands still: The merge train's branch" in symphony(project.root, "train").out


async def with_two_aboard(project: Project) -> tuple[str, str]:
    """Let two pieces of work board; return where the train and its base are."""
    rides(project)
    for issue_id, name in (("1", "a.txt"), ("2", "b.txt")):
        project.drop(issue_id, f"Write {name} as it")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.task
    head, main = (git(project.root, "rev-parse", name) for name in (TRAIN, "main"))
    return head, main


async def ask(project: Project, *words: str) -> Any:
    """Return what a command says in JSON."""
    ran = await asyncio.to_thread(symphony, project.root, *words, "--json")
    assert (ran.status, ran.err) == (0, "")
    return json.loads(ran.out)


async def train_audit(project: Project) -> list[str]:
    async with read_store(Installation(project.root / ".symphony").database) as store:
        return [entry.reason for entry in await store.audit_of(None) if entry.decision == "train_reset"]


@pytest.mark.parametrize("live", [True, False], ids=["beside a daemon", "without one"])
async def test_a_reset_is_said_wherever_decisions_on_what_was_aboard_are(project: Project, live: bool):
    head, main = await with_two_aboard(project)
    async with project.daemon() if live else nullcontext() as daemon:
        reset = await ask(project, "train", "reset")
        assert (reset["was"], reset["base"], reset["head"]) == (head, "main", main)
        assert [each["issue_id"] for each in reset["left_out"]] == ["1", "2"]
        assert git(project.root, "rev-parse", TRAIN) == main
        moved = f"a person moved the merge train {TRAIN} from {head[:12]} to main ({main[:12]}); "
        for issue_id in ("1", "2"):
            shown = (await ask(project, "show", issue_id))["audit"]
            explained = (await ask(project, "explain", issue_id))["decisions"]
            assert [each["decision"] for each in shown].count("train_reset") == 1
            assert shown[0] == explained[0]
            assert shown[0]["reason"] == f"{moved}the issue is not aboard any more"
        assert await train_audit(project) == [f"{moved}not aboard any more: 1, 2"]
        if daemon is not None:
            page = await daemon.page("/issues/1")
            assert f"{moved}the issue is not aboard any more" in page
            log = (project.root / ".symphony" / "logs" / "symphony.log").read_text()
            assert "msg=train.reset" in log
        again = await ask(project, "train", "reset")
        assert (again["was"], again["left_out"]) == (main, [])
        assert len(await train_audit(project)) == 1


async def test_a_daemon_shows_the_train_as_the_files_do(project: Project):
    await with_two_aboard(project)
    offline = await ask(project, "train")
    async with project.daemon() as daemon:
        assert await ask(project, "train") == await daemon.call("GET", "/api/v1/train") == offline
    assert [each["issue_id"] for each in offline["aboard"]] == ["1", "2"]


@pytest.mark.parametrize("live", [True, False], ids=["beside a daemon", "without one"])
async def test_a_reset_that_is_refused_changes_and_says_nothing(project: Project, live: bool):
    head, _ = await with_two_aboard(project)
    other = project.root.parent / "other"
    git(project.root, "worktree", "add", "--quiet", str(other), TRAIN)
    async with project.daemon() if live else nullcontext():
        ran = await asyncio.to_thread(symphony, project.root, "train", "reset")
    assert (ran.status, ran.out, ran.err) == (
        1,
        "",
        f"symphony: The merge train's branch {TRAIN} is checked out in {other}. Check out another branch "
        f"there: `git -C {other} switch -`.\n",
    )
    assert git(project.root, "rev-parse", TRAIN) == head
    assert await train_audit(project) == []
