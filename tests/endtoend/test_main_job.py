"""From a dropped file to a patch that applies, with real git and a real agent process."""

import json

import pytest
from blockbuster import blockbuster_ctx

from tests.support.project import git


async def test_a_dropped_file_becomes_a_patch_that_applies_to_a_fresh_clone(project, tmp_path):
    async with project.daemon() as daemon:
        project.drop("1", "---\ntitle: Add a file\n---\nPlease.\n")
        await daemon.until(lambda: project.state_of("1") == "Done" and project.patch("1").exists())
        await daemon.until(lambda: not (project.root / ".symphony/workspaces/1").exists())
    clone = project.apply("1", tmp_path / "clone")
    assert (clone / "trivial.txt").read_text() == "done\n"
    assert git(clone, "log", "-1", "--format=%s") == "Add trivial.txt"


async def test_the_patch_gives_the_branchs_tree_byte_for_byte(project, tmp_path):
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
        assert daemon.task.result() == 0
    clone = project.apply("1", tmp_path / "clone")
    host = project.root / ".symphony" / "host.git"
    assert git(clone, "rev-parse", "HEAD^{tree}") == git(host, "rev-parse", "refs/heads/agent/1^{tree}")


async def test_the_workspace_has_no_remote_and_shares_no_object_with_the_source(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        project.drop("1")
        workspace = project.root / ".symphony/workspaces/1"
        await daemon.until((workspace / ".git" / "HEAD").exists)
        assert git(workspace, "remote") == ""
        assert git(workspace, "branch", "--show-current") == "agent/1"
        objects = [path for path in (workspace / ".git/objects").rglob("*") if path.is_file()]
        assert objects
        assert all(path.stat().st_nlink == 1 for path in objects)
        assert not (workspace / ".git/objects/info/alternates").exists()


async def test_every_frame_is_in_the_run_log_and_no_token_is(project):
    project.drop("1")
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    frames = [line["frame"] for line in project.log("1") if line["kind"] in {"frame_in", "frame_out"}]
    methods = [frame.get("method") for frame in frames]
    assert methods[:1] == ["initialize"]
    assert "session/new" in methods
    assert "session/prompt" in methods
    new = next(frame for frame in frames if frame.get("method") == "session/new")
    assert "[redacted]" in json.dumps(new["params"]["mcpServers"])


async def test_ten_issues_at_once_are_all_delivered(project, tmp_path):
    for number in range(10):
        project.drop(str(number))
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    assert [project.state_of(str(number)) for number in range(10)] == ["Done"] * 10
    assert all(project.patch(str(number)).exists() for number in range(10))


async def test_the_source_repository_and_the_issue_text_are_left_as_they_were(project):
    before = git(project.root, "rev-parse", "HEAD"), git(project.root, "status", "--porcelain")
    text = "---\n# a comment\ntitle:   Odd   spacing\n---\r\nBody\r\n"
    project.drop("1", text)
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    assert (git(project.root, "rev-parse", "HEAD"), git(project.root, "status", "--porcelain")) == before
    assert (project.root / "issues/Done/1.md").read_bytes() == text.encode()
    assert git(project.root, "branch", "--list", "agent/*") == ""


@pytest.mark.parametrize("issue_id", ["with spaces", "Grüße-☃", "x" * 200, "a..b", "UPPER", "100%"])
async def test_odd_ids_are_worked_on_like_any_other(project, issue_id, tmp_path):
    project.drop(issue_id)
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
        assert daemon.task.result() == 0
    assert project.state_of(issue_id) == "Done"
    patches = list((project.root / ".symphony/patches").glob("*.patch"))
    assert len(patches) == 1


async def test_nothing_on_the_main_path_blocks_the_event_loop(project):
    async with project.daemon() as daemon:
        with blockbuster_ctx("symphony") as watch:
            watch.functions["os.path.abspath"].deactivate()  # asks the kernel, not the disk
            project.drop("1")
            await daemon.until(lambda: "msg=attempt.finished" in log_of(project))
    assert [line for line in log_of(project).splitlines() if "BlockingError" in line] == []


def log_of(project):
    return (project.root / ".symphony/logs/symphony.log").read_text()


@pytest.mark.parametrize("issue_id", ["../x", "x/../../y", "n" * 300, "."])
async def test_an_id_that_could_name_another_place_stays_within_the_workspaces(project, issue_id, tmp_path):
    project.drop("odd", f"---\nid: {json.dumps(issue_id)}\ntitle: Odd\n---\n")
    before = sorted(path.name for path in tmp_path.iterdir())
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(daemon.task.done)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    worked_on = project.state_of("odd") == "Done"
    refused = any("odd.md" in line and "id" in line for line in daemon.said.lines)
    assert worked_on != refused
    assert len(list((project.root / ".symphony/patches").glob("*.patch"))) == worked_on


async def test_the_log_says_what_the_sandbox_keeps_apart(project):
    async with project.daemon():
        pass
    assert 'msg=sandbox.isolation sandbox=local promise="local isolates nothing:' in log_of(project)
