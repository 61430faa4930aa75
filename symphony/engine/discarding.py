"""Giving up an issue's work, by a person's word, with or without a daemon."""

from collections.abc import Mapping

from symphony.core.decide import CommandRefused
from symphony.core.errors import SymphonyError
from symphony.core.handoff import Completion
from symphony.core.journal import Action
from symphony.core.ports import Clock, Store, Workspace, Workspaces
from symphony.core.settings import Settings
from symphony.engine.journal import issue_journal


async def discard_workspace(
    workspace: Workspace,
    completion: Completion | None,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    store: Store,
    clock: Clock,
    workspaces: Workspaces,
) -> None:
    """Remove the workspace and withdraw the completion that waits for a handoff from it.

    What lies in it is kept on a safety ref first, if that can be done: a person who frees a full disk
    has said that it may go.

    Raises:
        SymphonyError: the workspace could not be removed, or the store not be written.
    """
    given_up = None if completion is None else completion.attempt_id
    journal = await issue_journal(store, clock, workspace.issue_id)
    detail = {"path": str(workspace.path), "completion": given_up}
    async with journal.step(Action.DISCARD_WORKSPACE, **detail) as result:
        result["safety"] = await _keep(workspace, workspaces, clock)
        await workspaces.remove(workspace, settings, environment)
        await workspaces.bests.forget(workspace.issue_id)
        if given_up is not None:
            await store.withdraw_completion(workspace.issue_id, given_up)


async def discard_patch(issue_id: str, *, store: Store, clock: Clock, workspaces: Workspaces) -> None:
    """Delete what was handed over of an issue that has no workspace; the commits stay.

    Raises:
        CommandRefused: `nothing_to_discard`.
        SymphonyError: it could not be deleted, or the store not be written.
    """
    journal = await issue_journal(store, clock, issue_id)
    async with journal.step(Action.DISCARD_PATCH) as result:
        result["there"] = there = await workspaces.reviews.discard(issue_id)
    if not there:
        raise CommandRefused(f"Issue {issue_id} has no workspace and no patch.", code="nothing_to_discard")


async def _keep(workspace: Workspace, workspaces: Workspaces, clock: Clock) -> str:
    """Return the safety ref, or why there is none."""
    try:
        saved = await workspaces.save(workspace, "A person discarded the workspace.", clock.now())
    except SymphonyError as error:
        return f"none: {error}"
    return "none: all of it was imported" if saved is None else saved.name
