"""The files of a workspace that somebody may have touched since the host last knew what they hold.

Called by `collection` and `safety` before, or while, the commits of a workspace are looked at, and by
`snapshot`, which reads these files alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.workspace.git_command import Git
from symphony.workspace.listing import differences, lines_of, listing_of
from symphony.workspace.looks import Looks, look_over, name_of, nested_in
from symphony.workspace.reading import in_thread
from symphony.workspace.repository_files import BUNDLES
from symphony.workspace.seen_files import Seen, SeenFiles, told_by
from symphony.workspace.tree import TreeEntry, changes_between, entries_of

IGNORED = frozenset(name.encode() for name in BUNDLES)
WORTH = 100  # to store all looks costs as much as to read the hundredth part of the files
# a file that a program still holds mapped may change without a change of its times, until the kernel has
# written its pages, which takes it half a minute
SETTLED_NS = 60 * 10**9


@dataclass(frozen=True, slots=True)
class Suspects:
    """The files that have to be read to tell how a workspace differs from a tree.

    Attributes:
        known: what the tree has under those of the names that it has.
        unknown: other names, of files that git may ignore.
        changed: names under which the tree has something else than was known.
    """

    known: Mapping[bytes, TreeEntry] = field(repr=False)
    unknown: frozenset[bytes] = field(repr=False)
    changed: frozenset[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Touched:
    """What differs on the disk from what was known.

    It may be taken before the tree to compare with is there: a file that is changed and committed after
    that differs in the tree.

    Attributes:
        record: where it is kept what the files look like.
        seen: what was known.
        looks: how the files look now.
        new: those looks of which nothing is known, by name.
        lost: the names of files that do not look as they did.
    """

    record: SeenFiles
    seen: Seen = field(repr=False)
    looks: Looks
    new: Mapping[bytes, bytes] = field(repr=False)
    lost: frozenset[bytes] = field(repr=False)

    @property
    def nested(self) -> tuple[bytes, ...]:
        """The folders that hold a repository of their own, in order: no tree has one, so that each is new."""
        return nested_in(self.new.values())

    @property
    def whole(self) -> bool:
        """Whether every file was looked at; if not, nothing else here counts."""
        return self.looks.whole

    async def suspects(self, git: Git, tree: str) -> Suspects | None:
        """Return what has to be read to tell how the files differ from a tree; None when that is everything.

        Args:
            git: in the host's repository.
            tree: the one to compare with.

        Raises:
            WorkspaceError: whatever git says.
        """
        if not self.whole or not self.seen.tree:
            return None
        changes = await changes_between(git, self.seen.tree, tree)
        if changes is None:
            return None
        entries: dict[bytes, TreeEntry | None] = {
            name: TreeEntry(*entry.split(b" ")) for name, entry in self.seen.rest.items()
        }
        if unchanged := self.lost - changes.keys():
            entries |= await entries_of(git, tree, unchanged)
        known = {name: entry for name, entry in {**entries, **changes}.items() if entry is not None}
        # what the tree does not have any more may lie there as it did
        unknown = (self.new.keys() | changes.keys()) - known.keys() - IGNORED
        return Suspects(known, frozenset(unknown), frozenset(changes))

    def note(
        self, tree: str, known: Mapping[bytes, TreeEntry], same: Mapping[bytes, bytes], began_ns: int
    ) -> None:
        """Remember what was read and holds what a tree has, when everything was read; blocks on the disk.

        Args:
            tree: the one that was compared with.
            known: its entries.
            same: what those of its files looked like that were read and hold what it has.
            began_ns: when reading began, by the clock of the file system.
        """
        if self.seen.tree:  # which the repository does not have any more: what is known of it holds no more
            self.record.forget()
        elif self.whole:
            self._store(tree, known, self._told(known, same, began_ns), frozenset())

    def note_more(self, tree: str, suspects: Suspects, same: Mapping[bytes, bytes], began_ns: int) -> None:
        """Remember the same of suspects, when they are many; blocks on the disk."""
        told = self._told(suspects.known, same, began_ns)
        if sum(map(len, told.values())) * WORTH > len(self.seen.looks):
            self._store(tree, suspects.known, told, suspects.changed)

    def _told(
        self, known: Mapping[bytes, TreeEntry], same: Mapping[bytes, bytes], began_ns: int
    ) -> dict[bytes, bytes]:
        """Return the looks of files that need not be read again while they look so."""
        # what was read may be another file than the one that was looked at, in a folder that was exchanged
        looks = (look for name, look in same.items() if name in known and look == self.new.get(name))
        return told_by(looks, began_ns - SETTLED_NS)

    def _store(
        self,
        tree: str,
        known: Mapping[bytes, TreeEntry],
        told: Mapping[bytes, bytes],
        changed: frozenset[bytes],
    ) -> None:
        """Store what was known before and holds still, and more."""
        certain = {*lines_of(self.seen.looks), *told.values()}
        # a file that is replaced while its folder is listed may have come twice
        lines: Iterable[bytes] = dict.fromkeys(
            line for line in lines_of(self.looks.listing) if line in certain
        )
        if changed := changed - told.keys():
            lines = (line for line in lines if name_of(line) not in changed)
        rest = {name: b" ".join(entry) for name, entry in known.items() if name not in told}
        self.record.store(Seen(tree, listing_of(lines), rest))


async def find_touched(workspace: Path, record: SeenFiles) -> Touched:
    """Compare how a workspace's files look with what was known of them.

    Raises:
        WorkspaceError: `workspace.permission_denied` and others, when the folder itself cannot be read.
    Cancellation: no process and no thread is left.
    """
    seen = await in_thread(record.load, _go_on)
    looks = await look_over(workspace, seen.looks.count(b"\0") + len(seen.rest))
    return await in_thread(lambda: _compare(record, seen, looks), _go_on)


def _go_on() -> None:
    """Let what was begun end by itself: it takes less time than a look at all files."""


def _compare(record: SeenFiles, seen: Seen, looks: Looks) -> Touched:
    lost, found = differences(seen.looks, looks.listing)
    new = {name_of(line): line for line in found}
    return Touched(record, seen, looks, new, frozenset(map(name_of, lost)))
