"""A reviewer's comments inside a patch: lines that begin with `#>`, each about the line above it.

A commit message of the agent's may have such lines as well; what a patch had when it was written is
known from its review folder and is never taken for a person's. Everything here is pure.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from symphony.core.review import Comment
from symphony.core.text import plain

MARK: Final = b"#>"
ABOVE_SHOWN: Final = 200  # characters of the line that a comment is about
NAME_SHOWN: Final = 300
HUNK: Final = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
NOWHERE: Final = b"/dev/null"


def marks_in(mailbox: bytes) -> tuple[str, ...]:
    """Return every line that begins with the mark, without its end."""
    return tuple(_text(line) for line in mailbox.split(b"\n") if line.startswith(MARK))


def comments_in(mailbox: bytes, own: Sequence[str]) -> tuple[Comment, ...]:
    """Return a person's comments in order; lines that follow one another are one.

    Args:
        mailbox: the patch as it is now.
        own: the marked lines that it had when it was written.
    """
    place, found, above = _Place(), list[Comment](), b""
    spoken: list[str] = []
    for number, (line, is_comment) in enumerate(_lines(mailbox, own), 1):
        if is_comment:
            spoken.append(plain(_text(line)[len(MARK) :], len(line) + 1).strip())
            continue
        if spoken:
            found.append(_comment(place, above, spoken, number - len(spoken)))
            spoken = []
        place.pass_line(line)
        above = line
    if spoken:
        found.append(_comment(place, above, spoken, mailbox.count(b"\n") - len(spoken) + 2))
    return tuple(comment for comment in found if comment.text)


def without_comments(mailbox: bytes, own: Sequence[str]) -> bytes:
    """Return the patch as it was written."""
    return b"\n".join(line for line, is_comment in _lines(mailbox, own) if not is_comment)


@dataclass(slots=True)
class _Place:
    """Where in the changed files a line of the patch stands.

    Attributes:
        line: of the file, as the last line of the patch had it; 0 outside of any hunk.
        old_left, new_left: lines that the hunk still has.
    """

    file: str = ""
    line: int = 0
    old: int = 0
    new: int = 0
    old_left: int = 0
    new_left: int = 0

    def pass_line(self, line: bytes) -> None:
        """Take in the next line of the patch."""
        if self.old_left > 0 or self.new_left > 0:
            self._pass_content(line)
            return
        if line.startswith(b"\\"):  # no newline at the end of the file
            return
        self.line = 0
        if line.startswith((b"diff --git ", b"From ")):
            self.file = ""
        elif line.startswith((b"--- ", b"+++ ")) and line[4:] != NOWHERE:
            self.file = plain(_text(line[4:]).strip('"').partition("/")[2], NAME_SHOWN)
        elif hunk := HUNK.match(line):
            self.old, self.new = int(hunk[1]), int(hunk[3])
            self.old_left, self.new_left = int(hunk[2] or 1), int(hunk[4] or 1)

    def _pass_content(self, line: bytes) -> None:
        kind = line[:1]
        if kind == b"\\":
            return
        self.line = self.old if kind == b"-" else self.new
        if kind != b"+":
            self.old, self.old_left = self.old + 1, self.old_left - 1
        if kind != b"-":
            self.new, self.new_left = self.new + 1, self.new_left - 1


def _lines(mailbox: bytes, own: Sequence[str]) -> Iterator[tuple[bytes, bool]]:
    """Yield each line, and whether a person has written it as a comment."""
    left = Counter(own)
    for line in mailbox.split(b"\n"):
        if not line.startswith(MARK):
            yield line, False
        elif left[_text(line)] > 0:
            left[_text(line)] -= 1
            yield line, False
        else:
            yield line, True


def _comment(place: _Place, above: bytes, spoken: Sequence[str], number: int) -> Comment:
    shown = plain(_text(above), ABOVE_SHOWN).replace("\n", " ")
    return Comment(place.file, place.line, shown, "\n".join(spoken).strip(), number)


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "surrogateescape")
