"""`symphony review ID`: what was handed over, read from the files, whether a daemon runs or not."""

import asyncio
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import BinaryIO

from symphony.cli.apply import patch_of
from symphony.cli.errors import CommandError
from symphony.cli.pager import Line, show_paged
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted
from symphony.core.keys import workspace_key
from symphony.core.preflight import Preflight
from symphony.core.review import Comment
from symphony.core.text import plain
from symphony.workspace.host_repository import HostRepository, borrow
from symphony.workspace.preflight import Preflights
from symphony.workspace.review import BUNDLE, DIFF, SUMMARY, Review, read_review
from symphony.workspace.reviews import GitReviews
from symphony.workspace.source import Source

LINE_SHOWN = 10_000  # characters of one line of a diff
SUMMARY_LIMIT = 4 << 20  # bytes
STYLES = {
    b"+++": "bold", b"---": "bold", b"dif": "bold", b"ind": "dim", b"@@ ": "cyan", b"+": "green", b"-": "red",
}  # fmt: skip


def review_issue(place: Place, issue_id: str, *, as_json: bool) -> None:
    """Show summary and diff of an issue's delivered work, and whether it merges as the base is now."""
    key = workspace_key(issue_id)
    review = read_review(place.installation, key)
    if review is None:
        patch = patch_of(place, issue_id)
        raise CommandError(
            f"Issue {issue_id} has no review folder: its patch is of an older symphony.",
            code="no_review",
            remedy=f"Read the patch itself: {shlex.quote(str(patch))}.",
        )
    folder, patch = place.installation.review(key), place.installation.patch(key)
    source = _source(place)
    preflight = asyncio.run(_preflight(place, source, review))
    fetch = _fetch(place, source, review)
    comments = asyncio.run(GitReviews(place.installation).comments(issue_id))
    screen = Screen()
    if as_json:
        facts = {name: value for name, value in asdict(review).items() if name != "marks"}
        screen.json(
            {
                **facts,
                "url": review.url or None,
                "fetch": fetch or None,
                "patch": str(patch) if patch.exists() else None,
                "diff": str(folder / DIFF),
                "bundle": str(folder / BUNDLE),
                "summary": _summary(folder),
                "preflight": {**asdict(preflight), "clean": preflight.clean, "text": str(preflight)},
                "comments": [{**asdict(each), "where": each.where} for each in comments],
            }
        )
        return
    show_paged(partial(_lines, folder, preflight, comments, review, fetch), screen)


def _source(place: Place) -> Source:
    return Source(place.workflow.settings.workspace.source, place.path.absolute().parent)


def _fetch(place: Place, source: Source, review: Review) -> str:
    """Return the command that brings a pull request's branch; empty for a patch."""
    if not review.url:
        return ""
    remote = source.shown if source.folder is None else place.workflow.settings.handoff.remote
    return shlex.join(["git", "fetch", remote, review.branch])


async def _preflight(place: Place, source: Source, review: Review) -> Preflight:
    """Try the merge in a repository of its own, so that a daemon's is left alone."""
    host = HostRepository(place.installation.host_repository)
    with tempfile.TemporaryDirectory(prefix="symphony-review-") as folder:
        scratch = HostRepository(Path(folder) / "review.git")
        await scratch.open()
        await asyncio.to_thread(borrow, scratch.path, [host.objects_folder], host.path / "shallow")
        return await Preflights(scratch, source).of(
            workspace_key(review.issue_id),
            place.workflow.settings.workspace.base,
            review.base,
            review.base_commit,
            review.head_commit,
        )


def _lines(
    folder: Path, preflight: Preflight, comments: tuple[Comment, ...], review: Review, fetch: str
) -> Iterator[Line]:
    yield f"Now: {preflight}", "green" if preflight.clean else "yellow"
    name = shlex.quote(review.issue_id)
    if comments:
        said = f"{counted(len(comments), 'comment')} in the patch, not sent yet: `symphony reject {name}`."
        yield said, "yellow"
        for comment in comments:
            first, *_ = comment.text.splitlines()
            yield f"  {comment.where}: {plain(first, LINE_SHOWN)}", ""
    if fetch:
        yield f"Pull request: {plain(review.url, LINE_SHOWN)}", ""
    take = f"Fetch it: `{fetch}`" if fetch else f"Take it over: `symphony apply {name}`"
    yield f"{take}; send it back: `symphony reject {name} TEXT`.", ""
    yield "", ""
    for line in _summary(folder).splitlines():
        yield plain(line, LINE_SHOWN), "bold" if line.startswith("#") else ""
    yield "", ""
    with (folder / DIFF).open("rb") as file:
        yield from _diff(file)


def _summary(folder: Path) -> str:
    with (folder / SUMMARY).open("rb") as file:
        return file.read(SUMMARY_LIMIT).decode("utf-8", "replace")


def _diff(file: BinaryIO) -> Iterator[Line]:
    while line := file.readline(LINE_SHOWN * 4):
        shown = line
        while line and not line.endswith(b"\n"):  # the rest of a line that nobody reads
            line = file.readline(1 << 20)
        text = plain(shown.rstrip(b"\r\n").decode("utf-8", "replace"), LINE_SHOWN)
        yield text, STYLES.get(shown[:3]) or STYLES.get(shown[:1], "")
