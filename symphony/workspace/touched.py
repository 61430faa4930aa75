"""The files of a workspace that somebody may have touched since the host last knew what they hold.

Called by `collection` and `safety` before, or while, the commits of a workspace are looked at, and by
`snapshot`, which reads these files alone.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.workspace.git_command import Git
from symphony.workspace.host_repository import EXCLUDED
from symphony.workspace.looks import Looks, look_over, name_of, nested_in
from symphony.workspace.reading import begun
from symphony.workspace.seen_files import Seen, SeenFiles, is_told
from symphony.workspace.tree import TreeEntry, changes_between

IGNORED = frozenset(name.encode() for name in EXCLUDED)
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
        new: looks of which nothing is known, by name.
        lost: the tree's entries of names that do not look as they did.
        nested: the folders that hold a repository of their own.
        whole: whether every file was looked at; if not, nothing else here counts.
    """

    record: SeenFiles
    seen: Seen = field(repr=False)
    new: Mapping[bytes, bytes] = field(repr=False)
    lost: Mapping[bytes, bytes] = field(repr=False)
    nested: tuple[bytes, ...]
    whole: bool

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
        doubtful = {**self.lost, **self.seen.rest}
        entries = {name: TreeEntry(*entry.split(b" ")) for name, entry in doubtful.items()}
        known = {name: entry for name, entry in {**entries, **changes}.items() if entry is not None}
        # what the tree does not have any more may lie there as it did
        unknown = (self.new.keys() | changes.keys()) - known.keys() - IGNORED
        return Suspects(known, frozenset(unknown), frozenset(changes))

    def note(self, tree: str, known: Mapping[bytes, TreeEntry], same: set[bytes], began_ns: int) -> None:
        """Remember what was read and holds what a tree has, when everything was read; blocks on the disk.

        Args:
            tree: the one that was compared with.
            known: its entries.
            same: the names of the files that hold what it has.
            began_ns: when reading began, by the clock of the file system.
        """
        if self.whole:
            looks, rest = self._told(known, same, began_ns)
            self.record.store(Seen(tree, looks, rest))

    def note_more(self, tree: str, suspects: Suspects, same: set[bytes], began_ns: int) -> None:
        """Remember the same of suspects, when they are many; blocks on the disk."""
        looks, rest = self._told(suspects.known, same, began_ns)
        if not looks or len(looks) * WORTH < len(self.seen.looks):
            return
        stale = self.lost.keys() | suspects.changed
        kept = {line: entry for line, entry in self.seen.looks.items() if name_of(line) not in stale}
        self.record.store(Seen(tree, kept | looks, rest))

    def _told(
        self, known: Mapping[bytes, TreeEntry], same: set[bytes], began_ns: int
    ) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """Return the entries of files that need not be read again, by look, and of all others, by name."""
        looks, rest = {}, {name: b" ".join(entry) for name, entry in known.items()}
        for name in same & self.new.keys():
            if is_told(self.new[name], name, began_ns - SETTLED_NS):
                looks[self.new[name]] = rest.pop(name)
        return looks, rest


async def find_touched(workspace: Path, record: SeenFiles) -> Touched:
    """Compare how a workspace's files look with what was known of them.

    Raises:
        WorkspaceError: `workspace.permission_denied` and others, when the folder itself cannot be read.
    Cancellation: no process and no thread is left.
    """
    expected = await asyncio.to_thread(record.count)
    async with begun(asyncio.to_thread(record.load)) as loading:
        looks = await look_over(workspace, expected)
        return await asyncio.to_thread(_compare, record, await loading, looks)


def _compare(record: SeenFiles, seen: Seen, looks: Looks) -> Touched:
    new = {name_of(line): line for line in looks.lines - seen.looks.keys()}
    lost = {name_of(line): seen.looks[line] for line in seen.looks.keys() - looks.lines}
    return Touched(record, seen, new, lost, nested_in(new.values()), looks.whole)
