"""Tries a merge of a delivered branch with its base, in the repository that only the host writes.

No file is checked out and no branch is moved. Called by the handoff and by `symphony review`.
"""

from dataclasses import dataclass

from symphony.core.preflight import Preflight
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.git_command import git_words, is_recent
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.refs import now_ref
from symphony.workspace.source import Source

OLDEST = (2, 38)  # git's `merge-tree --write-tree`
CONFLICTS = 1  # its status for a merge that has some
TOO_OLD = "git 2.38 or newer is needed to try it."


class Preflights:
    """Tries merges of one installation's branches."""

    def __init__(self, repository: HostRepository, source: Source) -> None:
        self._repository = repository
        self._source = source

    async def of(self, key: str, wanted: str | None, base: str, base_commit: str, head: str) -> Preflight:
        """Return what a merge into the base would give, as the base is in the source now.

        Args:
            key: the issue's.
            wanted: `workspace.base`.
            base: the base's name, when the work started.
            base_commit: where it stood then.
            head: the delivered commit.
        """
        try:
            await self._source.open()
            now = await self._source.find_base(wanted)
            if now.at == base_commit:
                return Preflight(now.name, base_commit)
            commit = await self._repository.fetch(self._source.git, self._source.url, now.ref, now_ref(key))
            if commit == base_commit:
                return Preflight(now.name, commit)
            return await self.merge(now.name, commit, head)
        except WorkspaceError as error:
            return Preflight(base, unknown=str(error))

    async def merge(self, base: str, commit: str, head: str) -> Preflight:
        """Return what a merge of two commits would give; both are in the repository.

        Raises:
            WorkspaceError: whatever git says.
        """
        tried = await try_merge(self._repository, commit, head)
        return Preflight(base, commit, moved=True, conflicts=tried.shown, unknown=tried.unknown)


@dataclass(frozen=True, slots=True)
class Tried:
    """A merge of two commits that was tried.

    Attributes:
        tree: the merged files; empty when there are none.
        conflicts: the names of files in conflict, with what is not UTF-8 in them as surrogates.
        unknown: why it could not be tried.
    """

    tree: str = ""
    conflicts: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """The names of files in conflict, as people read them."""
        names = (name.encode("utf-8", "surrogateescape") for name in self.conflicts)
        return tuple(dict.fromkeys(name.decode("utf-8", "replace") for name in names))


async def try_merge(repository: HostRepository, ours: str, theirs: str) -> Tried:
    """Merge two commits that are in the repository, without a file or a branch that changes.

    Raises:
        WorkspaceError: whatever git says.
    """
    if not is_recent(await repository.git_version(), OLDEST):
        return Tried(unknown=TOO_OLD)
    result = await repository.git.ask(
        "merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", ours, theirs
    )
    if result.exit_status not in (0, CONFLICTS):
        return Tried(unknown=git_words(result))
    tree, *names = result.stdout.decode("utf-8", "surrogateescape").split("\0")
    if result.exit_status == 0:
        return Tried(tree.strip())
    return Tried(conflicts=tuple(dict.fromkeys(filter(None, names))))
