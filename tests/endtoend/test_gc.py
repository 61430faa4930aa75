"""`symphony gc` over real workspaces, logs and patches, with a daemon and without one."""

import asyncio
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from symphony.core.retention import NOT_HANDED_OVER
from tests.support.command_line import Ran, symphony
from tests.support.project import Project, git

DAY_S = 86_400.0
FAILING = {"agent": {"max_failures": 1}}
SMALL = {"workspaces_max_mib": 1}


async def gc(project: Project, *words: str) -> Ran:
    return await asyncio.to_thread(symphony, project.root, "gc", *words)


async def report_of(project: Project, *words: str) -> Any:
    return json.loads((await gc(project, *words, "--json")).out)


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    os.utime(path, (then, then))


def log_of(project: Project, key: str) -> Path:
    return project.root / ".symphony" / "logs" / f"{key}.jsonl"


def workspace_of(project: Project, key: str) -> Path:
    return project.root / ".symphony" / "workspaces" / key


async def deliver(project: Project, *ids: str) -> None:
    """Let the daemon work through these issues, and end."""
    for issue_id in ids:
        project.drop(issue_id)
    async with project.daemon() as daemon:
        await daemon.until(lambda: all(project.state_of(issue_id) == "Done" for issue_id in ids))
        await daemon.until(lambda: all(project.patch(issue_id).exists() for issue_id in ids))
        await daemon.until(lambda: not any(workspace_of(project, issue_id).exists() for issue_id in ids))


def kept_reasons(report: Any) -> dict[str, str]:
    return {thing["name"]: thing["reason"] for thing in report["kept"]}


@pytest.fixture
def with_workspace(project: Project) -> Project:
    """A project whose hand-overs leave their workspace, since a repository lies in it."""
    (project.root / "large.bin").write_bytes(os.urandom(3_000_000))
    git(project.root, "add", "-A")
    git(project.root, "commit", "--quiet", "-m", "Large")
    hooks = {"before_run": "git init --quiet vendor", "before_remove": "touch ../../removed"}
    project.configure(hooks=hooks, retention=SMALL)
    return project


async def leave_a_workspace(project: Project) -> None:
    project.drop("1")
    async with project.daemon() as daemon:
        await daemon.until_outcome("1")
    assert workspace_of(project, "1").exists()
    shutil.rmtree(workspace_of(project, "1") / "vendor")


async def test_an_old_log_of_a_finished_issue_goes_and_its_patch_and_its_branch_stay(
    project: Project,
) -> None:
    await deliver(project, "1", "2")
    age(log_of(project, "1"), 91)
    dry = await gc(project, "--dry-run")
    assert dry.status == 0, dry.err
    assert dry.out.startswith("Would remove log 1.jsonl, ")
    assert "91 days old and retention.log_days is 90\n" in dry.out
    assert "agent_1.patch, agent_2.patch: retention.patch_days is null" in dry.out
    assert "host.git: it holds every branch that was imported, and what was saved" in dry.out
    assert log_of(project, "1").exists()
    wet = await gc(project)
    assert (wet.status, wet.out.splitlines()[0]) == (
        0,
        dry.out.splitlines()[0].replace("Would remove", "Removed"),
    )
    assert not log_of(project, "1").exists()
    assert log_of(project, "2").exists()
    assert project.patch("1").exists()
    host = project.root / ".symphony" / "host.git"
    assert git(host, "rev-parse", "--verify", "agent/1^{commit}")
    assert (await gc(project)).out.startswith("Nothing may go.\n")
    shown = json.loads((await asyncio.to_thread(symphony, project.root, "show", "1", "--json")).out)
    assert shown["audit"][0]["decision"] == "retire"


async def test_a_daemon_sweeps_at_its_start_and_is_asked_by_the_command(project: Project) -> None:
    await deliver(project, "1", "2")
    age(log_of(project, "1"), 91)
    async with project.daemon() as daemon:
        await daemon.until(lambda: not log_of(project, "1").exists())
        age(log_of(project, "2"), 200)
        before = await report_of(project, "--dry-run")
        assert [thing["name"] for thing in before["removed"]] == ["2.jsonl"]
        assert log_of(project, "2").exists()
        report = await report_of(project)
        assert [thing["name"] for thing in report["removed"]] == ["2.jsonl"]
        assert not log_of(project, "2").exists()
        assert (await report_of(project))["removed"] == []
        audit = (await daemon.call("GET", "/api/v1/issues/2"))["audit"]
        assert audit[0]["reason"].endswith("2.jsonl: 200 days old and retention.log_days is 90")
    log = (project.root / ".symphony" / "logs" / "symphony.log").read_text()
    assert "msg=retention.removed" in log


async def test_both_say_the_same_of_the_same_disk(project: Project) -> None:
    await deliver(project, "1")
    offline = await report_of(project, "--dry-run")
    async with project.daemon():
        online = await report_of(project, "--dry-run")
    for report in (offline, online):
        report.pop("generated_at")
        for thing in report["kept"]:
            thing.pop("bytes")
            thing.pop("since")
        report.pop("ceilings")
    assert kept_reasons(offline) == kept_reasons(online)
    assert offline.keys() == online.keys()


async def test_work_that_was_never_handed_over_stays_over_every_ceiling(project_with: Any) -> None:
    project = project_with("exits_in_turn")
    project.configure(agent={"max_failures": 1}, retention={**SMALL, "workspace_days": 1, "log_days": 1})
    project.drop("1")
    async with project.daemon() as daemon:
        await daemon.until_outcome("1")
    work = workspace_of(project, "1") / "work.bin"
    work.write_bytes(os.urandom(3_000_000))
    age(log_of(project, "1"), 400)
    kept = kept_reasons(await report_of(project))
    assert kept["1"] == "its issue is in Todo and is worked on"
    (project.root / "issues" / "Cancelled").mkdir()
    (project.root / "issues" / "Todo" / "1.md").rename(project.root / "issues" / "Cancelled" / "1.md")
    ran = await gc(project)
    assert f"1: {NOT_HANDED_OVER}" in ran.out
    assert "All workspaces take " in ran.out
    assert "more than the 1.0 MiB that `retention` allows, and nothing more of it may go." in ran.out
    assert kept_reasons(await report_of(project))["1.jsonl"] == "its issue still has a workspace"
    assert work.exists()
    assert log_of(project, "1").exists()
    discarded = await asyncio.to_thread(symphony, project.root, "discard", "1")
    assert discarded.status == 0, discarded.err
    report = await report_of(project)
    assert [thing["name"] for thing in report["removed"]] == ["1.jsonl"]


async def test_a_workspace_that_was_handed_over_goes_when_the_ceiling_needs_it(
    with_workspace: Project,
) -> None:
    project = with_workspace
    await leave_a_workspace(project)
    report = await report_of(project)
    assert [thing["name"] for thing in report["removed"]] == ["1"]
    assert report["removed"][0]["reason"].endswith("MiB and retention.workspaces_max_mib is 1")
    assert report["freed_bytes"] > 3_000_000
    assert not workspace_of(project, "1").exists()
    assert (project.root / ".symphony" / "removed").exists(), "before_remove did not run"
    assert not (project.root / ".symphony" / "tmp-retention").exists()
    git(project.root / ".symphony" / "host.git", "rev-parse", "--verify", "agent/1^{commit}")


async def test_a_line_that_was_written_after_the_handoff_keeps_the_workspace(with_workspace: Project) -> None:
    project = with_workspace
    await leave_a_workspace(project)
    (workspace_of(project, "1") / "thought.txt").write_text("one more thing\n")
    report = await report_of(project)
    assert report["removed"] == []
    assert kept_reasons(report)["1"] == "its files are not those that were handed over"
    assert (workspace_of(project, "1") / "thought.txt").read_text() == "one more thing\n"


async def test_a_repository_within_keeps_the_workspace_that_holds_it(with_workspace: Project) -> None:
    project = with_workspace
    await leave_a_workspace(project)
    git(workspace_of(project, "1"), "init", "--quiet", "vendor")
    assert kept_reasons(await report_of(project))["1"] == (
        "it holds repositories of its own, which no branch carries: vendor"
    )


async def test_a_folder_of_logs_that_is_a_symlink_is_told_and_not_followed(project: Project) -> None:
    await deliver(project, "1")
    logs, elsewhere = project.root / ".symphony" / "logs", project.root / "elsewhere"
    age(log_of(project, "1"), 400)
    logs.rename(elsewhere)
    logs.symlink_to(elsewhere)
    ran = await gc(project)
    assert ran.status == 0
    assert f"Cannot look into {logs}" in ran.out
    assert (elsewhere / "1.jsonl").exists()


def test_where_symphony_has_not_run_yet_a_look_finds_and_makes_nothing(tmp_path: Path) -> None:
    (tmp_path / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n")
    (tmp_path / "issues").mkdir()
    ran = symphony(tmp_path, "gc", "--dry-run")
    assert (ran.status, ran.out, ran.err) == (0, "Nothing may go.\n", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["WORKFLOW.md", "issues"]


def test_a_setting_that_cannot_be_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "WORKFLOW.md").write_text("---\nretention: {log_days: -3}\n---\n")
    ran = symphony(tmp_path, "gc")
    assert (ran.status, ran.out) == (2, "")
    assert (
        "WORKFLOW.md:2: retention.log_days: found -3 (a whole number); allowed: a whole number from 1"
        in ran.err
    )


async def test_less_free_space_than_must_be_starts_nothing_and_says_so_everywhere(project: Project) -> None:
    if shutil.disk_usage(project.root).total > 1 << 40:
        pytest.skip("the disk is larger than the largest setting")
    project.configure(retention={"min_free_mib": 1 << 20})
    project.drop("1")
    async with project.daemon() as daemon:
        state = await daemon.state()
        while not state["blocked"]:
            await asyncio.sleep(0.05)
            state = await daemon.state()
        assert state["blocked"][0]["code"] == "low_disk"
        assert "low_disk" in [problem["code"] for problem in state["problems"]]
        status = (await asyncio.to_thread(symphony, project.root, "status")).out
        assert "retention.min_free_mib is 1,048,576 MiB" in status
        assert "the disk is smaller than retention.min_free_mib" in status
        project.configure()
        await daemon.until(lambda: project.state_of("1") == "Done")
        assert "low_disk" not in [problem["code"] for problem in (await daemon.state())["problems"]]
