"""What an issue's branch changes, as values that can be shown: bounded, and text whoever wrote it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from symphony.core.text import one_line, plain

FILES_SHOWN: Final = 300
LINES_SHOWN: Final = 2_000  # of one file
LINES_IN_ALL: Final = 10_000
LINE_LIMIT: Final = 500  # characters
PATH_LIMIT: Final = 400
HUNK: Final = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
ESCAPED: Final = re.compile(r'\\([0-7]{3}|[abfnrtv"\\])')
LETTERS: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, '"': 34, "\\": 92}


class LineKind(StrEnum):
    """What a line of a difference is."""

    PLACE = "place"
    """Where in the file the next lines are."""
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One line of a difference, safe to print, without its mark."""

    kind: LineKind
    text: str


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What changes in one file.

    Attributes:
        path: in the repository, after the change.
        note: what the lines do not say, such as `new file` or `renamed from x`; may be empty.
        added, removed: lines, those that are not shown too.
        left_out: lines that are not shown.
    """

    path: str
    lines: tuple[DiffLine, ...] = ()
    note: str = ""
    added: int = 0
    removed: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class BranchDiff:
    """What a branch changes, as the repository that only the host writes has it.

    Attributes:
        base_commit, head_commit: full object ids.
        commits: how many lie between them.
        changed: how many files differ, shown or not.
        complete: False when the difference is too large to be shown as a whole.
    """

    branch: str
    base_commit: str
    head_commit: str
    commits: int
    changed: int
    files: tuple[FileDiff, ...] = ()
    complete: bool = True


class Branches(Protocol):
    """The issues' branches, for people who look at them."""

    async def diff(self, issue_id: str) -> BranchDiff | None:
        """Return what the issue's branch changed when it was last imported; None when it never was.

        Raises:
            SymphonyError: `workspace.*`.
        """
        ...


class BranchReader(Protocol):
    """Where branches are read."""

    async def branch_diff(self, issue_id: str, wished: str | None) -> BranchDiff | None:
        """Return what a branch changes; `wished` is the name that the issue's author asks for.

        Raises:
            SymphonyError: `workspace.*`.
        """
        ...


@dataclass
class _File:
    """One file while its lines are read."""

    path: str = ""
    notes: list[str] = field(default_factory=list)
    lines: list[DiffLine] = field(default_factory=list)
    added: int = 0
    removed: int = 0
    left_out: int = 0
    in_hunk: bool = False

    def keep(self, kind: LineKind, text: str, room: int) -> int:
        """Take a line if there is room for it; return how much of the room it needs."""
        self.added += kind is LineKind.ADDED
        self.removed += kind is LineKind.REMOVED
        if room <= 0 or len(self.lines) >= LINES_SHOWN:
            self.left_out += 1
            return 0
        self.lines.append(DiffLine(kind, plain(text, LINE_LIMIT)))
        return 1

    def done(self) -> FileDiff:
        """Return what was read."""
        return FileDiff(
            one_line(self.path, PATH_LIMIT),
            tuple(self.lines),
            ", ".join(self.notes),
            self.added,
            self.removed,
            self.left_out,
        )


def parse_diff(text: str) -> tuple[FileDiff, ...]:
    """Read what `git diff` prints without colours; what is broken off at its end is left out."""
    return tuple(_files(text.split("\n")))


def _files(lines: Sequence[str]) -> Iterator[FileDiff]:
    file: _File | None = None
    room, shown = LINES_IN_ALL, 0
    for line in lines:
        if line.startswith("diff --git "):
            if file is not None:
                yield file.done()
                shown += 1
            if shown >= FILES_SHOWN:
                return
            file = _File(_path_of(line.removeprefix("diff --git ")))
        elif file is None:
            continue
        elif line.startswith("@@ ") and HUNK.match(line):
            file.in_hunk = True
            room -= file.keep(LineKind.PLACE, line, room)
        elif file.in_hunk:
            room -= _hunk_line(file, line, room)
        else:
            _header_line(file, line)
    if file is not None:
        yield file.done()


def _hunk_line(file: _File, line: str, room: int) -> int:
    match line[:1]:
        case "+":
            return file.keep(LineKind.ADDED, line[1:], room)
        case "-":
            return file.keep(LineKind.REMOVED, line[1:], room)
        case " ":
            return file.keep(LineKind.SAME, line[1:], room)
        case _:  # that the file has no line feed at its end, or the end of the text
            return 0


def _header_line(file: _File, line: str) -> None:
    name, _, rest = line.partition(" ")
    match name:
        case "rename" if rest.startswith("from "):
            file.notes.append(f"renamed from {one_line(unquoted(rest[5:]), PATH_LIMIT)}")
        case "rename" if rest.startswith("to "):
            file.path = unquoted(rest[3:])
        case "new" if rest.startswith("file mode "):
            file.notes.append(_new_note(rest.removeprefix("file mode ")))
        case "deleted":
            file.notes.append("deleted")
        case "old" if rest.startswith("mode "):
            file.notes.append(f"mode {one_line(rest[5:], 10)}")
        case "new" if rest.startswith("mode "):
            file.notes[-1:] = [f"{file.notes[-1] if file.notes else 'mode'} to {one_line(rest[5:], 10)}"]
        case "Binary":
            file.notes.append("binary")


def _new_note(mode: str) -> str:
    kinds = {"100755": "new program", "120000": "new symbolic link", "160000": "new submodule"}
    return kinds.get(mode, "new file")


def _path_of(names: str) -> str:
    """Return the path of `a/x b/x`, whose halves are the same but for a renamed file."""
    second = names[len(names) // 2 + 1 :]
    return unquoted(second).removeprefix("b/")


def unquoted(path: str) -> str:
    """Return a path as it is, of one that git has put in quotes for its odd characters."""
    if not (len(path) > 1 and path.startswith('"') and path.endswith('"')):
        return path

    def byte(found: re.Match[str]) -> str:
        word = found[1]
        return chr(LETTERS[word] if word in LETTERS else int(word, 8) & 0xFF)

    inner = path[1:-1]
    if inner.isascii():
        return ESCAPED.sub(byte, inner).encode("latin-1").decode("utf-8", "replace")
    return ESCAPED.sub(byte, inner)
