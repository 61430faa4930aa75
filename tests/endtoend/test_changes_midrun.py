"""Issues and workflow that change while an attempt runs; sources that are wrong."""

import asyncio

import pytest

from symphony.core.errors import SymphonyError
from tests.support.project import Project, git


async def running(project, daemon, issue_id="1"):
    """Drop an issue and return once its agent is in its turn."""
    path = project.drop(issue_id)
    await daemon.until(lambda: any(line["kind"] == "message" for line in project.log(issue_id)))
    return path


async def test_a_deleted_issue_ends_its_attempt_and_keeps_its_workspace(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        path = await running(project, daemon)
        path.unlink()
        ended = await daemon.until_outcome("1")
        assert ended["outcome"] == "gone"
        assert (project.root / ".symphony/workspaces/1").is_dir()


async def test_a_file_replaced_by_an_editor_does_not_end_its_attempt(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        path = await running(project, daemon)
        path.unlink()
        await asyncio.sleep(0.05)  # an editor's pause between deleting and writing
        path.write_text("new text")
        await daemon.until(lambda: "msg=scheduler.inform issue=1" in log_of(project))
        assert (await daemon.state())["counts"]["running"] == 1


async def test_a_renamed_issue_is_another_issue(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        path = await running(project, daemon)
        path.rename(path.with_name("2.md"))
        ended = await daemon.until_outcome("1")
        assert ended["outcome"] == "gone"
        await daemon.until(lambda: any(line["kind"] == "message" for line in project.log("2")))


async def test_an_issue_moved_to_done_by_hand_ends_its_attempt(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        path = await running(project, daemon)
        done = project.root / "issues" / "Done"
        done.mkdir()
        path.rename(done / "1.md")
        ended = await daemon.until_outcome("1")
        assert ended["outcome"] == "terminal"


async def test_a_file_that_becomes_unreadable_does_not_end_its_attempt_and_is_a_problem(project_with):
    project = project_with("never_answers")
    async with project.daemon() as daemon:
        path = await running(project, daemon)
        path.write_bytes(b"\xff\xfe")
        await daemon.until(lambda: any("1.md" in line for line in daemon.said.lines))
        state = await daemon.state()
        assert state["counts"]["running"] == 1
        assert "UTF-8" in state["problems"][0]["message"]


async def test_an_edit_of_the_workflow_takes_effect_without_a_restart(project):
    project.configure(agent={"max_concurrent_agents": 1}, tracker={"required_labels": ["go"]})
    async with project.daemon() as daemon:
        project.drop("1")
        await daemon.until(lambda: project.state_of("1"))
        while "lacks the label 'go'" not in await try_reason(daemon):
            await asyncio.sleep(0)
        project.configure()
        await daemon.until(lambda: project.state_of("1") == "Done")


async def try_reason(daemon):
    try:
        return await daemon.reason("1")
    except OSError:
        return ""


async def test_a_broken_workflow_is_shown_and_the_last_good_one_stays(project):
    async with project.daemon() as daemon:
        (project.root / "WORKFLOW.md").write_text("---\nagent: {max_turns: many}\n---\n")
        await daemon.until(lambda: any("agent.max_turns" in line for line in daemon.said.lines))
        project.drop("1")
        while "WORKFLOW.md is invalid; fix it first" not in await try_reason(daemon):
            await asyncio.sleep(0)
        project.configure()
        await daemon.until(lambda: project.state_of("1") == "Done")


@pytest.mark.parametrize(
    ("workspace", "code"),
    [
        ({"base": "no-such-branch"}, "workspace.base_not_found"),
        ({"source": "./issues"}, "workspace.source_not_a_repository"),
        ({"source": "./nowhere"}, "workspace.source_missing"),
    ],
)
async def test_a_wrong_source_fails_the_attempt_with_its_reason(project, workspace, code):
    if workspace.get("source") == "./issues":
        workspace = {"source": str(project.root.parent)}
    project.configure(workspace=workspace)
    async with project.daemon() as daemon:
        project.drop("1")
        ended = await daemon.until_outcome("1")
        assert ended["outcome"] == code
        assert ended["message"]


async def test_a_source_without_commits_fails_the_attempt_with_its_reason(project, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    git(empty, "init", "--quiet")
    project.configure(workspace={"source": str(empty)})
    async with project.daemon() as daemon:
        project.drop("1")
        assert (await daemon.until_outcome("1"))["outcome"] == "workspace.source_empty"


async def test_a_second_daemon_on_the_same_tracker_refuses_and_names_the_first(project, tmp_path):
    other = Project(tmp_path / "other")
    other.configure(tracker={"root": str(project.root / "issues")})
    async with project.daemon() as daemon:
        with pytest.raises(SymphonyError) as caught:
            async with other.daemon():
                pass
        assert caught.value.code == "daemon_running"
        assert daemon.said.running.url in str(caught.value)
        assert "kill" in str(caught.value)


def log_of(project):
    return (project.root / ".symphony/logs/symphony.log").read_text()


async def test_a_prompt_that_cannot_be_rendered_is_a_warning_soon_after_the_start(project):
    project.configure("{{ colour }}\n")
    async with project.daemon() as daemon:
        await daemon.until(lambda: any("colour" in line for line in daemon.said.lines))
        assert [problem["code"] for problem in (await daemon.state())["problems"]] == ["workflow_warning"]


@pytest.mark.parametrize(
    ("sections", "code", "text"),
    [
        (
            {"handoff": {"repo": "name"}},
            "forge.repo_invalid",
            "handoff.repo (or SYMPHONY_REPO) is 'name', which names no repository."
            " Write `owner/name`, or `host/owner/name` for a forge of your own.",
        ),
    ],
)
async def test_what_cannot_be_carried_out_is_refused_at_start_and_in_an_edit(project, sections, code, text):
    async with project.daemon() as daemon:
        project.configure(**sections)
        await daemon.until(lambda: any(text in line for line in daemon.said.lines))
        assert (await daemon.state())["problems"][0]["code"] == code
    with pytest.raises(SymphonyError) as caught:
        async with project.daemon():
            pass
    assert (caught.value.code, str(caught.value)) == (code, text)
