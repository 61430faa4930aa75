"""What the merge train goes by: its branch and its base as they stand, and the commit that is next built on.

Called by `train` and `train_view`. Reading it moves no branch of the user's.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from symphony.core.settings import Settings
from symphony.core.text import first_of, one_line
from symphony.core.train import DIGITS, NAMES_SHOWN, TrainStopped
from symphony.workspace.git_command import Git, is_recent
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.preflight import OLDEST, try_merge
from symphony.workspace.refs import TRAIN_HEAD
from symphony.workspace.source import Base, Source
from symphony.workspace.train_branch import TrainBranch


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


class Ways:
    """The way of one installation's train, looked up anew each time."""

    def __init__(self, home: Path, repository: HostRepository) -> None:
        """Work in the repository that only the host writes; `home` is where relative paths start."""
        self._home = home
        self._repository = repository

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
        source = await self.source(settings)
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
            raise not_mergeable(name, seen, tried.unknown)
        if git is None:
            return seen
        # the same two commits give the same merge, so that an agent may have merged it already
        facts = [await self._repository.facts(commit) for commit in (seen, base)]
        moment = max((fact.committed for fact in facts), key=_seconds)
        return await commit_merge(git, tried.tree, (seen, base), f"Merge {base_name} into {name}\n", moment)

    async def source(self, settings: Settings) -> Source:
        """Return the user's repository, not opened yet."""
        return await asyncio.to_thread(Source, settings.workspace.source, self._home)


async def commit_merge(git: Git, tree: str, parents: tuple[str, str], message: str, moment: str) -> str:
    """Make the merge commit of a tree that was merged; return it."""
    dated = git.with_options(GIT_AUTHOR_DATE=moment, GIT_COMMITTER_DATE=moment)
    words = [word for parent in parents for word in ("-p", parent)]
    return await dated.line("commit-tree", *words, "-F", "-", tree, stdin=message.encode("utf-8", "replace"))


def _seconds(moment: str) -> int:
    return int(moment.removeprefix("@").split(" ")[0])


def not_mergeable(name: str, onto: str, words: str) -> TrainStopped:
    """Return the refusal to merge anything onto what the train is at."""
    return TrainStopped(
        f"Nothing can be merged onto the merge train {name} ({onto[:DIGITS]}): {one_line(words)}",
        code="train.not_mergeable",
        remedy="`symphony train reset` starts it anew from the base.",
    )
