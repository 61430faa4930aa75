"""Finished work as a pull request: opened once, updated later, and never without the work being safe."""

from dataclasses import replace
from typing import Any

import pytest

from symphony.agent.script import mark_done, one_turn
from symphony.core.claim import Retrying
from symphony.core.errors import SymphonyError
from symphony.core.idle import Idleness
from symphony.forge.errors import ForgeError
from symphony.workflow.memory import MemoryWorkflowFile
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.memory import PATCHES, Fault
from tests.support.agent_work import fixed_then_better, writes

PROPOSED = "---\nsandbox: local\nacp: {adapter: demo}\nhandoff: {mode: pull_request, labels: [agent]}\n---\n"
LOST = ForgeError("`gh` is not logged in.", code="forge.not_logged_in", remedy="Run `gh auth login`.")
URL = "https://forge.example/owner/name/pull/1"


@pytest.fixture
def proposing(world):
    world.file = MemoryWorkflowFile(PROPOSED)
    return world


async def test_finished_work_is_pushed_and_becomes_one_pull_request(proposing):
    await proposing.build()
    proposing.script("1", one_turn(writes(proposing), mark_done("Fix it", "It is fixed.")))
    proposing.drop("1")
    assert await proposing.run_until_idle() is Idleness.DONE

    (pull,) = proposing.forge.pulls
    assert (pull.head.branch, pull.base, pull.labels) == ("agent/1", "main", ["agent"])
    assert pull.shown.title == "Fix it"
    assert "It is fixed." in pull.shown.body
    assert "Issue `1`: `Done/1.md`" in pull.shown.body
    assert list(proposing.workspaces.remote.branches) == ["agent/1"]
    assert proposing.record("1").last_handoff == f"Pull request opened: {URL} (1 commit on main)."
    assert (proposing.state_of("1"), proposing.workspaces.removed) == ("Done", ["1"])
    assert proposing.workspaces.patches == {}


async def test_work_that_changes_nothing_makes_no_pull_request(proposing):
    await proposing.build()
    proposing.drop("1")
    assert await proposing.run_until_idle() is Idleness.DONE
    assert proposing.forge.pulls == []
    assert proposing.record("1").last_handoff.startswith("Nothing to hand over")


@pytest.mark.parametrize("where", ["push", "forge"])
async def test_a_pull_request_that_fails_leaves_the_patch_and_is_tried_again(proposing, where: str):
    async with proposing.running():
        if where == "push":
            proposing.workspaces.fail(Fault.PUSH, times=2)
        else:
            proposing.forge.fail(LOST, times=2)
        proposing.script("1", one_turn(writes(proposing), mark_done()))
        proposing.drop("1")
        await proposing.until(lambda: proposing.record("1").failures == 1)

        assert PATCHES / "agent_1.patch" in proposing.workspaces.patches
        claim = proposing.claim("1")
        assert isinstance(claim, Retrying)
        reason = proposing.record("1").failure_reasons[-1]
        said = "The remote origin refused the branch." if where == "push" else "`gh` is not logged in."
        assert reason.startswith(f"There is no pull request yet: {said} Meanwhile: Patch with 1 commit: ")
        assert reason.endswith(".") if where == "push" else reason.endswith(" Run `gh auth login`.")
        assert proposing.record("1").completion is not None
        assert proposing.workspaces.removed == []

        await proposing.until(lambda: proposing.record("1").completion is None)
        assert len(proposing.forge.pulls) == 1
        assert proposing.record("1").last_handoff == f"Pull request opened: {URL} (1 commit on main)."
        assert len(proposing.agents.sessions) == 1


async def test_a_review_that_cannot_be_written_is_said_and_the_pull_request_counts(proposing):
    await proposing.build()
    proposing.workspaces.fail(Fault.HAND_OFF)
    proposing.script("1", one_turn(writes(proposing), mark_done()))
    proposing.drop("1")
    assert await proposing.run_until_idle() is Idleness.DONE
    assert proposing.record("1").last_handoff == (
        f"Pull request opened: {URL} (1 commit on main)."
        " There is no review folder: Cannot write the patch: the disk is full."
    )
    assert (proposing.state_of("1"), len(proposing.forge.pulls)) == ("Done", 1)


async def test_the_patch_of_a_failed_try_goes_when_the_pull_request_is_there(proposing):
    async with proposing.running():
        proposing.forge.fail(LOST)
        proposing.script("1", one_turn(writes(proposing), mark_done()))
        proposing.drop("1")
        await proposing.until(lambda: proposing.record("1").failures == 1)
        assert PATCHES / "agent_1.patch" in proposing.workspaces.patches
        await proposing.until(lambda: proposing.record("1").completion is None)
        assert proposing.workspaces.patches == {}


async def test_work_that_is_a_pull_request_alone_is_sent_back_and_brings_it_up_to_date(proposing):
    async with proposing.running():
        proposing.script("1", *fixed_then_better(proposing))
        proposing.drop("1")
        await proposing.until(lambda: proposing.state_of("1") == "Done" and not proposing.claim("1"))
        assert proposing.workspaces.patches == {}

        assert (await proposing.operations.reject("1", "Fix it well.", None)).state == "Todo"
        await proposing.until(lambda: "updated" in proposing.record("1").last_handoff)

        prompt = proposing.agents.sessions[1].prompts[0]
        assert prompt.endswith("The reviewer says:\n\n> Fix it well.\n")
        assert proposing.record("1").last_handoff == f"Pull request updated: {URL} (2 commits on main)."
        (pull,) = proposing.forge.pulls
        assert (pull.head.branch, pull.shown.title) == ("agent/1", "Fix it well")
        assert list(proposing.workspaces.remote.branches) == ["agent/1"]
        second = proposing.workspaces.remote.branches["agent/1"]
        assert proposing.workspaces.files_of(second)["fix.txt"] == b"better\n"


async def test_discarding_a_delivered_pull_request_deletes_its_review_once(proposing):
    async with proposing.running():
        proposing.script("1", one_turn(writes(proposing), mark_done()))
        proposing.drop("1")
        await proposing.until(lambda: proposing.state_of("1") == "Done" and not proposing.claim("1"))
        await proposing.operations.discard("1")
        with pytest.raises(SymphonyError) as refused:
            await proposing.operations.discard("1")
        assert str(refused.value) == "Issue 1 has no workspace and no patch."
        assert len(proposing.forge.pulls) == 1


async def test_when_the_patch_fails_as_well_both_reasons_are_told(proposing):
    async with proposing.running():
        proposing.forge.fail(LOST)
        proposing.workspaces.fail(Fault.HAND_OFF)
        proposing.script("1", one_turn(writes(proposing), mark_done()))
        proposing.drop("1")
        await proposing.until(lambda: proposing.record("1").failures == 1)
        assert proposing.record("1").failure_reasons == (
            "There is no pull request yet: `gh` is not logged in. Meanwhile: the patch is not written either:"
            " Cannot write the patch: the disk is full. Run `gh auth login`.",
        )
        await proposing.until(lambda: proposing.record("1").completion is None)


async def test_a_later_attempt_updates_the_open_one_and_keeps_what_people_wrote(proposing):
    async with proposing.running():
        proposing.script("1", *fixed_then_better(proposing))
        proposing.drop("1")
        await proposing.until(lambda: proposing.state_of("1") == "Done" and not proposing.claim("1"))
        (pull,) = proposing.forge.pulls
        pull.shown = replace(pull.shown, body=f"Seen by Ada.\n\n{pull.shown.body}")

        await proposing.operations.move("1", "Todo")
        await proposing.until(lambda: "updated" in proposing.record("1").last_handoff)

        assert len(proposing.forge.pulls) == 1
        assert proposing.record("1").last_handoff == f"Pull request updated: {URL} (1 commit on main)."
        assert pull.shown.title == "Fix it well"
        assert pull.shown.body.startswith("Seen by Ada.\n\n<!-- symphony")
        assert "Second." in pull.shown.body
        assert "First." not in pull.shown.body


async def test_a_wish_that_the_forge_does_not_grant_is_in_the_note(proposing):
    proposing.file = MemoryWorkflowFile(PROPOSED.replace("labels: [agent]", "reviewers: [nobody]"))
    proposing.forge.strangers = {"nobody"}
    await proposing.build()
    proposing.script("1", one_turn(writes(proposing), mark_done()))
    proposing.drop("1")
    await proposing.run_until_idle()
    assert proposing.record("1").last_handoff.endswith(
        " The reviewers of handoff.reviewers were refused: there is no user nobody."
    )


async def test_the_journal_holds_the_push_and_the_pull_request(proposing):
    await proposing.build()
    proposing.script("1", one_turn(writes(proposing), mark_done()))
    proposing.drop("1")
    seen: list[tuple[str, Any]] = []
    intend = proposing.store.intend

    async def intending(*arguments: Any) -> int:
        seen.append((str(arguments[3]), arguments[4]))
        return await intend(*arguments)

    proposing.store.intend = intending
    await proposing.run_until_idle()
    steps = [name for name, _ in seen]
    assert steps[steps.index("push_branch") :] == [
        "push_branch", "open_pull_request", "hand_off", "clean_up",
    ]  # fmt: skip
    assert dict(seen)["hand_off"] == {"branch": "agent/1", "url": URL}
    assert dict(seen)["open_pull_request"] == {
        "forge": "github", "repo": "forge.example/owner/name", "branch": "agent/1", "base": "main",
    }  # fmt: skip


async def test_commits_that_cannot_be_signed_leave_a_patch_without_a_signature(proposing):
    stamp = proposing.workspaces.stamp

    async def refusing(*_: Any) -> Any:
        raise WorkspaceError("The commits could not be signed.", code="handoff.not_signed")

    async with proposing.running():
        proposing.workspaces.stamp = refusing
        proposing.script("1", one_turn(writes(proposing), mark_done()))
        proposing.drop("1")
        await proposing.until(lambda: proposing.record("1").failures == 1)
        (reason,) = proposing.record("1").failure_reasons
        assert reason.startswith(
            "There is no pull request yet: The commits could not be signed. Meanwhile: Patch"
        )
        assert PATCHES / "agent_1.patch" in proposing.workspaces.patches
        assert proposing.workspaces.remote.branches == {}
        proposing.workspaces.stamp = stamp
        await proposing.until(lambda: proposing.record("1").completion is None)
        assert len(proposing.forge.pulls) == 1
