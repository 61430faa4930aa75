"""The merge train on git: merges are made in the repository that only the host writes.

No file is checked out for a merge, and of no repository's attributes and drivers is any used. The train
itself is the branch in the user's repository (`train_branch`), which a merge leaves as it is and boarding
moves. Whether a piece of work is aboard is read from that branch's history, so that a boarding that was
cut off is found again.
"""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from symphony.core.handoff import Imported
from symphony.core.keys import workspace_key
from symphony.core.provenance import ISSUE, parse_author
from symphony.core.settings import Settings
from symphony.core.text import one_line, plain
from symphony.core.train import TrainMerge, TrainView
from symphony.workspace.git_command import Git
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.preflight import try_merge
from symphony.workspace.refs import candidate_ref, now_ref
from symphony.workspace.signing import committing
from symphony.workspace.source import Person, Source
from symphony.workspace.train_branch import TrainBranch
from symphony.workspace.train_view import MERGES_LOOKED_AT, WORK, TrainViews
from symphony.workspace.train_way import Way, Ways, commit_merge, not_mergeable

THEIRS_SHOWN = 16_384  # characters of what is on the other side of a conflict
TITLE_SHOWN = 120


class GitTrain:
    """The merge train of one installation; implements `core.ports.Train`."""

    def __init__(self, home: Path, repository: HostRepository) -> None:
        """Work in the repository that only the host writes; `home` is where relative paths start."""
        self._repository = repository
        self._ways = Ways(home, repository)
        self._views = TrainViews(repository, self._ways)

    async def merge(
        self,
        issue_id: str,
        title: str,
        imported: Imported,
        settings: Settings,
        at: datetime,
        leaving: str = "",
    ) -> TrainMerge:
        """Merge a branch onto the train's head as it is now; the train stays as it is.

        Raises:
            TrainStopped: `train.*`.
            WorkspaceError: `workspace.*`.
        """
        key = workspace_key(issue_id)
        way = await self._ways.find(settings, now_ref(key))
        await way.branch.check_free()
        head, name = leaving or imported.head_commit, way.branch.name
        if (found := await self._found(way, imported, head)) is not None:
            return found
        git = await self._committing(way.source, settings)
        onto = await self._ways.head(way, git)
        tried = await try_merge(self._repository, onto, head)
        merge = TrainMerge(name, way.seen, onto)
        if tried.conflicts:
            theirs = await self._theirs(onto, head, tried.conflicts)
            return replace(merge, conflicts=tried.shown, theirs=theirs)
        if tried.unknown:
            raise not_mergeable(name, onto, tried.unknown)
        subject = f"Merge issue {one_line(issue_id)}: {one_line(title, TITLE_SHOWN)}"
        trailers = f"{ISSUE}: {one_line(issue_id)}\n{WORK}: {imported.head_commit}\n"
        moment = f"@{int(at.timestamp())} +0000"
        commit = await commit_merge(git, tried.tree, (onto, head), f"{subject}\n\n{trailers}", moment)
        ref = candidate_ref(key)
        await self._repository.git.run("update-ref", ref, commit)
        return replace(merge, commit=commit, tree=tried.tree, ref=ref)

    async def board(self, merge: TrainMerge, settings: Settings) -> bool:
        """Move the train's branch to the merge, unless it has moved since; say whether it was moved.

        Raises:
            TrainStopped: `train.*`.
            WorkspaceError: `workspace.*`.
        """
        source = await self._ways.source(settings)
        branch = TrainBranch(source, merge.branch)
        await branch.open(settings.workspace.base)
        await branch.check_free()
        if await branch.seen() != merge.seen:
            return False
        await branch.take(self._repository, merge.ref)
        return await branch.move(merge.commit, merge.seen, "a piece of work boards the merge train")

    async def look(self, settings: Settings) -> TrainView:
        """Return how the train stands; nothing of it changes.

        Raises:
            TrainStopped: `train.*`: that cannot be known.
            WorkspaceError: `train.off`; `workspace.*`.
        """
        return await self._views.look(settings)

    async def reset(self, seen: TrainView, settings: Settings) -> None:
        """Move the train's branch to the base, both as they were seen.

        Raises:
            TrainStopped: `train.moved`, `train.checked_out`, `train.refused`, …; nothing was changed.
            WorkspaceError: `workspace.*`.
        """
        await self._views.reset(seen, settings)

    async def _found(self, way: Way, imported: Imported, head: str) -> TrainMerge | None:
        """Return the merge by which a piece of work has come to where it is; None when it has not boarded."""
        for place in filter(None, (way.seen, way.base_commit)):
            listing = await self._repository.git.run(
                "log", "--first-parent", "--merges", f"--max-count={MERGES_LOOKED_AT}", "-z",
                f"--format=%H %T %P %(trailers:key={WORK},valueonly,separator=%x2C)",
                place, "--not", imported.base_commit, "--",
            )  # fmt: skip
            for line in filter(None, listing.decode("utf-8", "replace").split("\0")):
                commit, tree, onto, *others = line.split()
                if head in others or imported.head_commit in others:
                    return TrainMerge(way.branch.name, way.seen, onto, commit, tree, aboard=True)
            if await self._repository.is_ancestor(head, place):
                return TrainMerge(way.branch.name, way.seen, place, aboard=True)
        return None

    async def _theirs(self, onto: str, head: str, names: tuple[str, ...]) -> str:
        """Return what `onto` has changed in files since the two parted, as far as it can be shown."""
        base = await self._repository.git.ask("merge-base", onto, head)
        if base.exit_status != 0:
            return ""
        said = await self._repository.git.ask(
            "--literal-pathspecs", "diff", "--no-ext-diff", "--no-textconv", "--no-color",
            base.stdout.decode().strip(), onto, "--", *names,
        )  # fmt: skip
        return plain(said.stdout.decode("utf-8", "replace"), THEIRS_SHOWN)

    async def _committing(self, source: Source, settings: Settings) -> Git:
        author = settings.handoff.author
        person = Person(*parse_author(author)) if author else await source.person()
        git = await committing(self._repository.git, source, signed=False)
        return git.with_options(GIT_AUTHOR_NAME=person.name, GIT_AUTHOR_EMAIL=person.email)
