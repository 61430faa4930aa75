"""Commits without a disk: files as mappings, ids from their contents. Called by `memory` alone."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from symphony.core.guard.finding import Finding, FindingKind
from symphony.core.guard.ledger import HELD_KEPT
from symphony.core.guard.secrets import find_secrets, without_secrets
from symphony.core.handoff import Completion, Imported, Searched
from symphony.core.provenance import Provenance, without_trailers


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

    def search(self, base: str, head: str) -> Searched:
        """Return the secrets that the commits after `base` add, oldest commit first."""
        found: dict[Finding, None] = {}
        for commit in reversed([*self.since(base, head)]):
            for place, line, text in self._added(commit):
                for match in find_secrets(text):
                    found[Finding.of(FindingKind.SECRET, match, place, line)] = None
        return Searched(tuple(found)[:HELD_KEPT])

    def _added(self, name: str) -> Iterable[tuple[str, int, str]]:
        commit = self.commits[name]
        before = self.commits[commit.parent].files if commit.parent else {}
        yield f"the message of commit {name[:7]}", 0, commit.message
        for path, content in sorted(commit.files.items()):
            if path not in before:
                yield f"the name of {without_secrets(path)}", 0, path
            known = before.get(path, b"").split(b"\n")
            for number, line in enumerate(content.split(b"\n"), 1):
                if line not in known:
                    yield without_secrets(path), number, line.replace(b"\0", b"").decode("utf-8", "replace")

    def stamp(self, imported: Imported, provenance: Provenance) -> Imported:
        """Write the commits of a branch again with the trailers of its last attempt."""
        trailers = provenance.trailers(math.inf)
        made = imported.base_commit
        for name in reversed([*self.since(made, imported.head_commit)]):
            commit = self.commits[name]
            message = "\n".join([without_trailers(commit.message).rstrip(), "", *trailers, ""])
            made = self.add(replace(commit, message=message, parent=made))
        return replace(imported, head_commit=made)

    def mailbox(self, imported: Imported, completion: Completion) -> bytes:
        """Return what stands for a branch's patch: what the agent said, and the messages."""
        since = self.since(imported.base_commit, imported.head_commit)
        messages = [self.commits[commit].message for commit in since]
        return "\n".join([completion.title, completion.summary, *reversed(messages)]).encode()

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
