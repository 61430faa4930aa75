"""The texts of a file before and after, as a difference in lines."""

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from symphony.core.branch import LINE_LIMIT, LINES_SHOWN, PATH_LIMIT, DiffLine, FileDiff, LineKind
from symphony.core.text import one_line, plain

CONTEXT: Final = 3
COMPARED: Final = 1_500  # lines of a text; comparing more costs tens of milliseconds


def compare(path: str, before: str | None, after: str) -> FileDiff:
    """Return what changes in a file; texts that are too long to compare are shown as replaced.

    Equal lines at both ends are set aside first, so that a small change in a long file is cheap.
    """
    old, new = _lines(before or ""), _lines(after)
    head = _equal(old, new)
    tail = _equal(old[head:][::-1], new[head:][::-1])
    counts: Counter[LineKind] = Counter()
    lines: list[DiffLine] = []
    for kind, text in _difference(old, new, head, tail):
        counts[kind] += 1
        if len(lines) < LINES_SHOWN:
            lines.append(DiffLine(kind, plain(text, LINE_LIMIT)))
    note = "new file" if before is None else ""
    if max(len(old), len(new)) - head - tail > COMPARED:
        note = f"{note}, too long to compare".removeprefix(", ")
    added, removed = counts[LineKind.ADDED], counts[LineKind.REMOVED]
    left_out = counts.total() - len(lines)
    return FileDiff(one_line(path, PATH_LIMIT), tuple(lines), note, added, removed, left_out)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _equal(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        count += 1
    return count


def _difference(
    old: Sequence[str], new: Sequence[str], head: int, tail: int
) -> Iterator[tuple[LineKind, str]]:
    if head == len(old) == len(new):
        return
    start, end = max(0, head - CONTEXT), max(0, tail - CONTEXT)
    before, after = old[start : len(old) - end], new[start : len(new) - end]
    if max(len(before), len(after)) > COMPARED + 2 * CONTEXT:
        yield LineKind.PLACE, f"@@ -{start + 1},{len(before)} +{start + 1},{len(after)} @@"
        yield from ((LineKind.REMOVED, line) for line in before)
        yield from ((LineKind.ADDED, line) for line in after)
        return
    for group in difflib.SequenceMatcher(None, before, after).get_grouped_opcodes(CONTEXT):
        yield LineKind.PLACE, _place(group, start)
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from ((LineKind.SAME, line) for line in before[old_from:old_to])
                continue
            yield from ((LineKind.REMOVED, line) for line in before[old_from:old_to])
            yield from ((LineKind.ADDED, line) for line in after[new_from:new_to])


def _place(group: Sequence[tuple[str, int, int, int, int]], start: int) -> str:
    first, last = group[0], group[-1]
    old = f"{first[1] + start + 1},{last[2] - first[1]}"
    new = f"{first[3] + start + 1},{last[4] - first[3]}"
    return f"@@ -{old} +{new} @@"
