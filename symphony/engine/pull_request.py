"""A delivered branch as a pull request: pushed, then opened or updated; each step may be repeated.

[CONTRACT 9.2]
"""

from dataclasses import replace
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.ports import Workspace
from symphony.core.pull_request import render_proposal, target_of, with_peoples_words
from symphony.core.review import Background
from symphony.core.text import counted
from symphony.engine.context import AttemptContext


class NotProposed(SymphonyError):
    """There is no pull request yet; the handoff stays open, and the patch is there meanwhile."""

    code = "handoff.not_proposed"


async def propose(
    context: AttemptContext, workspace: Workspace, imported: Imported, completion: Completion, searched: str
) -> Handoff | None:
    """Push the branch and open its pull request, or update the one that is open; None without a change.

    Raises:
        SymphonyError: `handoff.push_*`, `handoff.remote_*`, `forge.*`, `workspace.*`.
    """
    handoff = context.settings.handoff
    async with context.journal.step(Action.PUSH_BRANCH, branch=imported.branch) as result:
        pushed = await context.ports.workspaces.push(workspace, imported, context.settings)
        if pushed is not None:
            result |= {"remote": pushed.remote, "head": pushed.head_commit}
    if pushed is None:
        return None
    kind, repo, head = target_of(handoff, pushed)
    notes = tuple(filter(None, [*imported.notes, searched]))
    where = issue_link(context, context.tracked_issue, completion)
    proposal = render_proposal(handoff, completion, imported, pushed, where, notes)
    forge = context.ports.forge_of(kind)
    wanted = {"forge": kind.value, "repo": str(repo), "branch": head.branch, "base": pushed.base}
    async with context.journal.step(Action.OPEN_PULL_REQUEST, **wanted) as result:
        known = await forge.find_open(repo, head, pushed.base)
        if known is None:
            opened = await forge.open(repo, head, pushed.base, proposal)
        else:
            proposal = with_peoples_words(proposal, known.body)
            opened = await forge.update(repo, known.number, proposal)
        result |= {"url": opened.url, "number": opened.number}
    verb = "opened" if known is None else "updated"
    note = f"Pull request {verb}: {opened.url} ({counted(imported.commits, 'commit')} on {pushed.base})."
    note = " ".join([note, *opened.notes])
    return Handoff("pull_request", note, url=opened.url, head_commit=pushed.head_commit)


async def leave_review(
    context: AttemptContext,
    workspace: Workspace,
    imported: Imported,
    completion: Completion,
    background: Background,
    made: Handoff,
) -> Handoff:
    """Write what a reviewer should know of a pull request; return the handoff with what is said of that.

    The work has left already, so that a review which cannot be written keeps nothing from being finished.
    """
    settings, url = context.settings, made.url or ""
    try:
        async with context.journal.step(Action.HAND_OFF, branch=imported.branch, url=url) as result:
            review = await context.ports.workspaces.hand_off(
                workspace, imported, completion, settings, background, url
            )
            result |= {"kind": review.kind, "note": review.note}
    except SymphonyError as error:
        context.ports.log.warning(
            "handoff.step_failed", step="review", issue=completion.issue_id, reason=str(error)
        )
        return replace(made, note=f"{made.note} There is no review folder: {error}")
    return replace(made, note=f"{made.note} {review.note}".rstrip())


def not_proposed(error: SymphonyError, patch: str) -> NotProposed:
    """Return the error of a pull request that is not there yet; `patch` is what became of the patch."""
    return NotProposed(
        f"There is no pull request yet: {error.message} Meanwhile: {patch}",
        code=error.code,
        remedy=error.remedy,
    )


def issue_link(context: AttemptContext, issue: Issue | None, completion: Completion) -> str:
    """Return the issue's own link, or the path of its file as seen from WORKFLOW.md."""
    if issue is None:
        return completion.issue_id
    if issue.url:
        return issue.url
    path, folder = issue.path, context.workflow.path.parent
    return str(path.relative_to(folder) if path.is_relative_to(folder) else Path(*path.parts[-2:]))
