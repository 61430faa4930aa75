"""The merge train on git: merges are made in the repository that only the host writes.

No file is checked out for a merge, and of no repository's attributes and drivers is any used. The train
itself is the branch in the user's repository (`train_branch`), which a merge leaves as it is and boarding
moves. Whether a piece of work is aboard is read from that branch's history, so that a boarding that was
cut off is found again.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from symphony.core.handoff import Imported
from symphony.core.keys import workspace_key
from symphony.core.provenance import ISSUE, parse_author
from symphony.core.settings import Settings
from symphony.core.text import first_of, one_line, plain
from symphony.core.train import DIGITS, NAMES_SHOWN, TrainMerge, TrainStopped
from symphony.workspace.git_command import Git, is_recent
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.preflight import OLDEST, try_merge
from symphony.workspace.refs import TRAIN_HEAD, candidate_ref, now_ref
from symphony.workspace.signing import committing
from symphony.workspace.source import Base, Person, Source
from symphony.workspace.train_branch import TrainBranch

WORK = "Symphony-Work"
"""The trailer of the commits by which work boards; its value is the commit that was imported."""
THEIRS_SHOWN = 16_384  # characters of what is on the other side of a conflict
TITLE_SHOWN = 120
MERGES_LOOKED_AT = 10_000  # of a train's history; each is a piece of work


@dataclass(frozen=True, slots=True)
class Way:
    """What a merge starts from.

    Attributes:
        seen: where the train's branch stands; empty when there is none.
        base: where work starts from, and its commit now.
    """

    source: Source
    branch: TrainBranch
    seen: str
    base: Base
    base_commit: str


class GitTrain:
    """The merge train of one installation; implements `core.ports.Train`."""

    def __init__(self, home: Path, repository: HostRepository) -> None:
        """Work in the repository that only the host writes; `home` is where relative paths start."""
        self._home = home
        self._repository = repository

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
        way = await self.find(settings, now_ref(key))
        await way.branch.check_free()
        head, name = leaving or imported.head_commit, way.branch.name
        if (found := await self._found(way, imported, head)) is not None:
            return found
        git = await self._committing(way.source, settings)
        onto = await self.head(way, git)
        tried = await try_merge(self._repository, onto, head)
        merge = TrainMerge(name, way.seen, onto)
        if tried.conflicts:
            theirs = await self._theirs(onto, head, tried.conflicts)
            return replace(merge, conflicts=tried.shown, theirs=theirs)
        if tried.unknown:
            raise _not_mergeable(name, onto, tried.unknown)
        subject = f"Merge issue {one_line(issue_id)}: {one_line(title, TITLE_SHOWN)}"
        trailers = f"{ISSUE}: {one_line(issue_id)}\n{WORK}: {imported.head_commit}\n"
        moment = f"@{int(at.timestamp())} +0000"
        commit = await _commit(git, tried.tree, (onto, head), f"{subject}\n\n{trailers}", moment)
        ref = candidate_ref(key)
        await self._repository.git.run("update-ref", ref, commit)
        return replace(merge, commit=commit, tree=tried.tree, ref=ref)

    async def board(self, merge: TrainMerge, settings: Settings) -> bool:
        """Move the train's branch to the merge, unless it has moved since; say whether it was moved.

        Raises:
            TrainStopped: `train.*`.
            WorkspaceError: `workspace.*`.
        """
        source = await self._source(settings)
        branch = TrainBranch(source, merge.branch)
        await branch.open(settings.workspace.base)
        await branch.check_free()
        if await branch.seen() != merge.seen:
            return False
        await branch.take(self._repository, merge.ref)
        return await branch.move(merge.commit, merge.seen, "a piece of work boards the merge train")

    async def find(self, settings: Settings, base_target: str) -> Way:
        """Return where train and base stand now, both brought into the host's repository.

        Args:
            settings: name them.
            base_target: the ref that holds the base here.

        Raises:
            TrainStopped: `train.*`.
            WorkspaceError: `workspace.*`.
        """
        await self._repository.open()
        said = await self._repository.git_version()
        if not is_recent(said, OLDEST):
            raise TrainStopped(
                f"The merge train needs a newer git than {one_line(said)}.",
                code="train.git_too_old",
                remedy=f"Install git {OLDEST[0]}.{OLDEST[1]} or newer, or set merge_train.branch to null.",
            )
        source = await self._source(settings)
        branch = TrainBranch(source, str(settings.merge_train.branch))
        base = await branch.open(settings.workspace.base)
        base_commit = await self._repository.fetch(source.git, source.url, base.ref, base_target)
        seen = await branch.fetch(self._repository, TRAIN_HEAD) if await branch.seen() else ""
        return Way(source, branch, seen, base, base_commit)

    async def head(self, way: Way, git: Git | None = None) -> str:
        """Return what the next piece of work is merged onto: the train with all that the base has.

        Args:
            way: where both stand.
            git: which commits as the settings say; without it a merge of the two is tried, and not made.

        Raises:
            TrainStopped: `train.base_conflict`, `train.not_mergeable`.
        """
        seen, base = way.seen, way.base_commit
        if not seen or await self._repository.is_ancestor(seen, base):
            return base
        if await self._repository.is_ancestor(base, seen):
            return seen
        tried = await try_merge(self._repository, seen, base)
        name, base_name = way.branch.name, one_line(way.base.name)
        if tried.conflicts:
            files = first_of(tried.shown, NAMES_SHOWN)
            raise TrainStopped(
                f"The merge train {name} ({seen[:DIGITS]}) and {base_name} ({base[:DIGITS]}) are in conflict:"
                f" {files}.",
                code="train.base_conflict",
                remedy=f"`git switch {name} && git merge {base_name}`, and leave that branch again; or"
                f" `symphony train reset`, which starts anew from {base_name}.",
            )
        if tried.unknown:
            raise _not_mergeable(name, seen, tried.unknown)
        if git is None:
            return seen
        # the same two commits give the same merge, so that an agent may have merged it already
        facts = [await self._repository.facts(commit) for commit in (seen, base)]
        moment = max((fact.committed for fact in facts), key=_seconds)
        return await _commit(git, tried.tree, (seen, base), f"Merge {base_name} into {name}\n", moment)

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

    async def _source(self, settings: Settings) -> Source:
        return await asyncio.to_thread(Source, settings.workspace.source, self._home)


async def _commit(git: Git, tree: str, parents: tuple[str, str], message: str, moment: str) -> str:
    dated = git.with_options(GIT_AUTHOR_DATE=moment, GIT_COMMITTER_DATE=moment)
    words = [word for parent in parents for word in ("-p", parent)]
    return await dated.line("commit-tree", *words, "-F", "-", tree, stdin=message.encode("utf-8", "replace"))


def _seconds(moment: str) -> int:
    return int(moment.removeprefix("@").split(" ")[0])


def _not_mergeable(name: str, onto: str, words: str) -> TrainStopped:
    return TrainStopped(
        f"Nothing can be merged onto the merge train {name} ({onto[:DIGITS]}): {one_line(words)}",
        code="train.not_mergeable",
        remedy="`symphony train reset` starts it anew from the base.",
    )
