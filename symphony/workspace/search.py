"""Secrets in what a branch adds: every added line of every commit, messages and file names included.

Git writes the differences to a file of the host, which is read here a piece at a time and in a thread.
Lines are counted by the head of each hunk, so that no content can pass itself off as a head.
"""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from symphony.core.guard.finding import PLACE_LIMIT, Finding, FindingKind
from symphony.core.guard.ledger import HELD_KEPT
from symphony.core.guard.secrets import find_secrets, without_secrets
from symphony.core.handoff import Imported, Searched
from symphony.core.text import one_line
from symphony.workspace.errors import explain_disk
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.reading import in_thread

SEARCH_LIMIT: Final = 16 << 20  # bytes of differences that are read; half a minute's work
PIECE: Final = 1 << 16  # characters that are looked through at once
OVERLAP: Final = 4_096  # characters before a cut that are looked at again: no key is longer
NAMES_LIMIT: Final = 10_000
MESSAGE: Final = "the message of commit"
HUNK: Final = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
LOG: Final = ("log", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-notes")


async def search_branch(repository: HostRepository, imported: Imported, scratch: Path) -> Searched:
    """Return the secrets that a branch adds to its base.

    Raises:
        WorkspaceError: `workspace.*`.
    """
    commits = f"{imported.base_commit}..{imported.head_commit}"
    git = repository.git.with_options("-c", "core.quotePath=false")
    messages = await git.run(*LOG, "--format=%h%x00%B%x00", commits, "--")
    names = await git.run(*LOG, "--format=", "--name-only", "-m", "-z", commits, "--")
    patch = scratch / "added"
    await git.run(*LOG, "--format=", "-p", "-m", "--text", "--unified=0", f"--output={patch}", commits, "--")
    search = Search()
    with explain_disk(f"read {patch}"):
        return await in_thread(lambda: search.run(messages, names, patch), search.stop)


@dataclass
class Search:
    """One search, in a thread; `stop` ends it within a piece."""

    found: dict[Finding, None] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """Let the thread end soon; what it returns then is not whole."""
        self.stopped.set()

    def run(self, messages: bytes, names: bytes, patch: Path) -> Searched:
        """Look through all of it."""
        parts = messages.decode("utf-8", "replace").split("\0")
        for commit, message in zip(parts[::2], parts[1::2], strict=False):
            self._look(message, f"{MESSAGE} {commit.strip()}", 0)
        for name in list(dict.fromkeys(filter(None, names.split(b"\0"))))[:NAMES_LIMIT]:
            text = name.decode("utf-8", "replace")
            self._look(text, f"the name of {without_secrets(one_line(text, PLACE_LIMIT))}", 0)
        whole = patch.stat().st_size <= SEARCH_LIMIT
        with patch.open("rb") as file:
            for path, line, text in _pieces(file.read(SEARCH_LIMIT)):
                if self.stopped.is_set() or len(self.found) >= HELD_KEPT:
                    break
                self._look(text, path, line)
        return Searched(tuple(self.found)[:HELD_KEPT], whole)

    def _look(self, text: str, place: str, line: int) -> None:
        for match in find_secrets(text, len(text)):
            at = line + text.count("\n", 0, match.start) if line else 0
            self.found[Finding.of(FindingKind.SECRET, match, place, at)] = None


def _pieces(patch: bytes) -> Iterator[tuple[str, int, str]]:
    """Yield what is added, as (path, number of the first line, text)."""
    path, left, number = "", 0, 0
    held: list[str] = []
    size, first = 0, 0
    for line in patch.split(b"\n"):
        if left and line.startswith(b"+"):
            text = _text(line[1:])
            if len(text) > PIECE:
                yield from ((path, number, piece) for piece in _cut(text))
                text = text[-OVERLAP:]
            first = first if held else number
            held.append(text)
            size += len(text) + 1
            if size >= PIECE:
                yield path, first, "\n".join(held)
                tail = "\n".join(held)[-OVERLAP:]
                first, held, size = number - tail.count("\n"), [tail], len(tail)
            left, number = left - 1, number + 1
            if left:
                continue
        elif line.startswith((b"-", b"\\")) and not line.startswith(b"--- "):
            continue
        elif (hunk := HUNK.match(line)) is not None:
            left = int(hunk[3]) if hunk[3] is not None else 1
            number = int(hunk[2])
        elif line.startswith(b"+++ "):
            path = _path(line[4:])
        if held and not left:
            yield path, first, "\n".join(held)
            held, size = [], 0


def _cut(text: str) -> Iterator[str]:
    """Yield a long line in pieces that overlap."""
    yield text[:PIECE]
    for at in range(PIECE - OVERLAP, len(text) - OVERLAP, PIECE - OVERLAP):
        yield text[at : at + PIECE]


def _text(line: bytes) -> str:
    """Return a line as text; letters of two bytes, as some editors write them, lose the empty one."""
    return line.replace(b"\0", b"").decode("utf-8", "replace")


def _path(named: bytes) -> str:
    text = named.decode("utf-8", "replace").rstrip("\t").strip('"')
    return without_secrets(one_line(text.removeprefix("b/"), PLACE_LIMIT))
