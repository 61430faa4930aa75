"""An issue's text between its file and an editor: the author's bytes are kept through both ways.

Editors, and browsers above all, unify line ends and know no byte order mark. Lines that were not
touched keep theirs. Pure.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from symphony.core.editing import EditConflict, IssueText, IssueTextRefused, TextFault, TextReading
from symphony.core.issue import Issue
from symphony.core.place import line_in
from symphony.tracker import errors
from symphony.tracker.catalog import Catalog
from symphony.tracker.errors import TrackerError
from symphony.tracker.front_matter import BOM, line_of_key
from symphony.tracker.issue_file import IssueUnreadable, parse_issue, revision_of
from symphony.tracker.names import SUFFIX, shown

LINE_END = re.compile(r"(\r\n|\n|\r)")
STRAY_BYTES = {
    0xDC00 + byte: bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte))
    for byte in range(0x80, 0x100)
}
"""What is not UTF-8 was most likely written in Windows-1252; a save then mends it."""


def unified(text: str) -> str:
    """Return text with every line end a line feed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def decoded(content: bytes) -> str:
    """Return a file's content as text, without its byte order mark, whatever bytes there are."""
    text = content.decode("utf-8", "surrogateescape").removeprefix(BOM)
    return text.translate(STRAY_BYTES)


def edited_content(content: bytes, text: str) -> bytes:
    """Return the file's new content for an edited text.

    The byte order mark stays. Lines before the first change and behind the last keep their line
    ends; those between get the ones that the file's first line has. A carriage return that would become
    one line end with the line feed behind it gets a line feed of its own.
    """
    before, after = lines_of(decoded(content)), lines_of(unified(text))
    old, new = [line for line, _ in before], [line for line, _ in after]
    shortest = min(len(old), len(new))
    head = same_at_start(old, new, shortest)
    tail = same_at_start(old[::-1], new[::-1], shortest - head)
    middle = [(line, "") for line in new[head : len(new) - tail]]
    kept = [*before[:head], *middle, *before[len(before) - tail :]]
    usual = before[0][1] or "\n"
    ended = [(line, end or usual) for line, end in kept[:-1]]
    written = "".join(f"{line}{end}" for line, end in apart(ended)) + kept[-1][0]
    return (f"{BOM}{written}" if content.startswith(BOM.encode()) else written).encode()


def lines_of(text: str) -> list[tuple[str, str]]:
    """Return each line with its end; the last one, which may be empty, has none."""
    parts = [*LINE_END.split(text), ""]
    return list(zip(parts[::2], parts[1::2], strict=True))


def apart(lines: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield each line with an end that stays its own whatever line is next."""
    for (line, end), behind in zip_longest(lines, lines[1:]):
        yield line, "\r\n" if end == "\r" and behind == ("", "\n") else end


def same_at_start(one: list[str], other: list[str], most: int) -> int:
    """Return how many lines, `most` at the utmost, two lists have in common at their start."""
    return next((count for count in range(most) if one[count] != other[count]), most)


def issue_text(issue_id: str, path: Path, content: bytes) -> IssueText:
    """Return a file's content as it is opened."""
    return IssueText(issue_id, path, path.parent.name, unified(decoded(content)), revision_of(content))


def read_text(content: bytes, path: Path) -> TextReading:
    """Return what a file's content would be read as."""
    try:
        return TextReading(parse_issue(content, path, path.parent.name, path.name.removesuffix(SUFFIX)))
    except IssueUnreadable as refusal:
        where = shown(str(path))
        faults = (TextFault(problem.message, line_in(problem.where, where)) for problem in refusal.problems)
        return TextReading(None, tuple(faults))


def clash_of(issue: Issue, catalog: Catalog) -> TrackerError | None:
    """Return the refusal of an issue whose id another file has."""
    taken = catalog.other_holder(issue.id, issue.path)
    return None if taken is None else errors.id_clash(issue.id, taken)


def checked_text(opened: IssueText, content: bytes, text: str, catalog: Catalog) -> TextReading:
    """Return what an edited text would be read as, an id that another file has included."""
    reading = read_text(edited_content(content, text), opened.path)
    if reading.issue is None or (clash := clash_of(reading.issue, catalog)) is None:
        return reading
    return TextReading(reading.issue, (TextFault(str(clash), line_of_key(text, "id")),))


def edited(opened: IssueText, content: bytes, text: str, revision: str, catalog: Catalog) -> "Edited":
    """Return what is to be written for an edited text: the same content when that is nothing new.

    Raises:
        EditConflict, IssueTextRefused, TrackerError: as of `Tracker.save`.
    """
    written = edited_content(content, text)
    if written != content and opened.revision != revision:
        raise EditConflict(opened)
    reading = read_text(written, opened.path)
    if reading.issue is None:
        raise IssueTextRefused(reading.faults)
    if (clash := clash_of(reading.issue, catalog)) is not None:
        raise clash
    return Edited(written, reading.issue)


@dataclass(frozen=True, slots=True)
class Edited:
    """An edited file, as it will be."""

    content: bytes
    issue: Issue
