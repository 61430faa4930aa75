"""A handoff says whether its work still merges with a base that has moved meanwhile; real git."""

from pathlib import Path

import pytest

from tests.support.git_project import GitWorld, git, write_files


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, {"README.md": b"a project\n", "other.txt": b"one\n"})


async def handed_over(world: GitWorld, meanwhile: dict[str, bytes] | None) -> str:
    """Return the note of a handoff, with these files committed to the base while the agent worked."""
    workspace = await world.prepare()
    world.commit(workspace, {"README.md": b"by the agent\n"})
    if meanwhile is not None:
        write_files(world.source, meanwhile)
        git(world.source, "add", *meanwhile)
        git(world.source, "commit", "--quiet", "-m", "Meanwhile")
    handoff = await world.hand_off(workspace, await world.collect(workspace))
    return handoff.note


async def test_nothing_is_said_of_a_base_that_has_not_moved(world: GitWorld):
    note = await handed_over(world, None)
    start = git(world.source, "rev-parse", "main")
    assert note.endswith(f"on main ({start[:12]}).")


async def test_a_base_that_has_moved_elsewhere_merges_cleanly(world: GitWorld):
    note = await handed_over(world, {"other.txt": b"two\n"})
    now = git(world.source, "rev-parse", "main")
    assert note.endswith(f" Merges cleanly into main ({now[:12]}).")


async def test_files_in_conflict_are_named(world: GitWorld):
    note = await handed_over(world, {"README.md": b"by a person\n", "other.txt": b"two\n"})
    now = git(world.source, "rev-parse", "main")
    assert note.endswith(f" In conflict with main ({now[:12]}): README.md.")


async def test_nothing_of_the_users_is_touched_by_trying(world: GitWorld):
    await handed_over(world, {"README.md": b"by a person\n"})
    assert git(world.source, "status", "--porcelain", "--", "README.md", "other.txt") == ""
    assert git(world.source, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


async def test_a_base_that_is_gone_does_not_keep_a_handoff(world: GitWorld):
    workspace = await world.prepare()
    world.commit(workspace, {"README.md": b"by the agent\n"})
    world.settings = world.settings.model_copy(
        update={"workspace": world.settings.workspace.model_copy(update={"base": "gone"})}
    )
    handoff = await world.hand_off(workspace, await world.collect(workspace))
    assert handoff.patch is not None
    assert (
        f" Whether it merges into main is not known: workspace.source {world.source} has no branch 'gone'."
        in handoff.note
    )
