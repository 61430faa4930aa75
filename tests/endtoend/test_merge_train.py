"""The merge train with the real daemon, real git and agents of their own programs."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.project import Project, git

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
