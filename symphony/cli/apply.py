"""`symphony apply ID`: put an issue's delivered work into the source repository, all of it or nothing."""

import asyncio
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symphony.cli.errors import CommandError
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted
from symphony.core.keys import workspace_key
from symphony.core.text import one_line
from symphony.host.lock_file import take_lock
from symphony.workspace.applying import Applied, Applying
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.review import read_review
from symphony.workspace.reviews import GitReviews
from symphony.workspace.scratch import Scratch
from symphony.workspace.source import Source

SHOWN = 12  # digits of a commit
PRIVATE = 0o600


def apply_issue(place: Place, issue_id: str, *, branch: str | None, three_way: bool, as_json: bool) -> None:
    """Apply the patch and say where its commits are."""
    patch = patch_of(place, issue_id)
    _check_unmarked(place, issue_id, patch)
    with _alone(place.installation.root / "apply.lock"):
        applied = asyncio.run(_apply(place, patch, branch, three_way=three_way))
    screen = Screen()
    if as_json:
        screen.json(
            {
                "issue_id": issue_id, "branch": applied.branch, "onto": applied.onto,
                "head": applied.head_commit, "commits": applied.commits, "created": applied.created,
            }
        )  # fmt: skip
        return
    onto = applied.branch or applied.onto[:SHOWN]
    if applied.commits == 0:
        screen.line(f"{onto} has the changes of issue {issue_id} already.")
    elif applied.created:
        said = f"{counted(applied.commits, 'commit')} of issue {issue_id} on the new branch {applied.branch}"
        screen.line(f"{said}, which starts from {applied.onto[:SHOWN]}.")
        screen.command(f"git switch {shlex.quote(applied.branch)}")
    else:
        span = f"{applied.onto[:SHOWN]}..{applied.head_commit[:SHOWN]}"
        screen.line(f"{counted(applied.commits, 'commit')} of issue {issue_id} on {onto}: {span}")


def patch_of(place: Place, issue_id: str) -> Path:
    """Return the patch that was handed over for an issue.

    Raises:
        CommandError: `no_patch`.
    """
    key = workspace_key(issue_id)
    patch = place.installation.patch(key)
    if not patch.is_file():
        review = read_review(place.installation, key)
        if review is not None and review.url:
            raise CommandError(
                f"Issue {issue_id} has no patch: its work is the pull request {one_line(review.url)}.",
                code="no_patch",
                remedy=f"Merge it there, or `symphony review {shlex.quote(issue_id)}` says how to fetch it.",
            )
        raise CommandError(
            f"Issue {issue_id} has no patch: {patch} does not exist.",
            code="no_patch",
            remedy=f"`symphony show {shlex.quote(issue_id)}` says where its work stands.",
        )
    return patch


def _check_unmarked(place: Place, issue_id: str, patch: Path) -> None:
    """Make sure that no reviewer's comment is in the patch: git would stop at it, or take it for a message.

    Raises:
        CommandError: `apply.commented`.
    """
    comments = asyncio.run(GitReviews(place.installation).comments(issue_id))
    if comments:
        raise CommandError(
            f"The patch of issue {issue_id} has {counted(len(comments), 'comment')} of a reviewer in it"
            f" (`#>`), the first in line {comments[0].number} of {patch.name}.",
            code="apply.commented",
            remedy=f"`symphony reject {shlex.quote(issue_id)}` sends what they say to its agent;"
            " to apply the patch as it was handed over, delete these lines.",
        )


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    descriptor = take_lock(lock, PRIVATE)
    if descriptor is None:
        raise CommandError(
            "Another `symphony apply` is at work here.", code="apply.busy", remedy="Wait for its end."
        )
    try:
        yield
    finally:
        os.close(descriptor)


async def _apply(place: Place, patch: Path, branch: str | None, *, three_way: bool) -> Applied:
    source = Source(place.workflow.settings.workspace.source, place.path.absolute().parent)
    repository = HostRepository(place.installation.host_repository)
    async with Scratch(place.installation.root / "applying").open("apply") as scratch:
        applying = Applying(source, repository, scratch, place.installation.root / "half-applied")
        return await applying.apply(patch, branch=branch, three_way=three_way)
