"""Commits without a disk: files as mappings, ids from their contents. Called by `memory` alone."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryCommit:
    """One commit: all files, and what came before."""

    files: Mapping[str, bytes]
    message: str
    parent: str | None

    @property
    def tree(self) -> str:
        """The id of the files."""
        return digest(part for name in sorted(self.files) for part in (name.encode(), self.files[name]))

    @property
    def id(self) -> str:
        """The commit's id."""
        return digest((self.tree.encode(), self.message.encode(), (self.parent or "").encode()))


class MemoryHistory:
    """All commits of one driver.

    Attributes:
        commits: by id; none is ever dropped.
    """

    def __init__(self) -> None:
        self.commits: dict[str, MemoryCommit] = {}

    def add(self, commit: MemoryCommit) -> str:
        """Keep a commit; return its id."""
        self.commits[commit.id] = commit
        return commit.id

    def since(self, base: str, head: str) -> Iterable[str]:
        """Return the commits after `base`, newest first."""
        current: str | None = head
        while current is not None and current != base:
            yield current
            current = self.commits[current].parent


def digest(parts: Iterable[bytes]) -> str:
    """Return an id for these parts in this order."""
    hashing = hashlib.sha1(usedforsecurity=False)
    for part in parts:
        hashing.update(b"%d " % len(part) + part)
    return hashing.hexdigest()
