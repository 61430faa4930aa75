"""Lists of lines as bytes, each line ended by NUL, and what two of them differ in.

Called by `looks`, `seen_files` and `touched`. Two lists of a hundred thousand files are mostly the same and
in the same order: they are compared a block at a time, and a line that both have is not taken apart.
"""

from collections.abc import Iterable, Sequence

BLOCK = 1 << 16  # bytes that are compared at once
NEAR = 1 << 16  # bytes in which a line that has moved is looked for
STEPS = 1000  # differences after which the rest is compared as sets of lines


def listing_of(lines: Iterable[bytes]) -> bytes:
    """Return a list of these lines, none of which holds a NUL."""
    return b"".join(b"%s\0" % line for line in lines)


def lines_of(listing: bytes) -> Sequence[bytes]:
    """Return the lines of a list."""
    return listing.split(b"\0")[:-1]


def differences(before: bytes, now: bytes) -> tuple[set[bytes], set[bytes]]:
    """Return the lines that only the first of two lists has, and those that only the second has.

    Args:
        before: has no line twice.
        now: has none either.
    """
    lost: set[bytes] = set()
    new: set[bytes] = set()
    at, other = 0, 0
    for _ in range(STEPS):
        at, other = _pass_common(before, at, now, other)
        line, its = _line(before, at), _line(now, other)
        if not line or not its:
            break
        if (found := before.find(b"\0" + its, at, at + NEAR)) >= 0:
            lost.update(lines_of(before[at : found + 1]))
            at = found + 1
        elif (found := now.find(b"\0" + line, other, other + NEAR)) >= 0:
            new.update(lines_of(now[other : found + 1]))
            other = found + 1
        else:
            lost.add(line[:-1])
            new.add(its[:-1])
            at, other = at + len(line), other + len(its)
    lost.update(lines_of(before[at:]))
    new.update(lines_of(now[other:]))
    return lost - new, new - lost


def _pass_common(one: bytes, at: int, two: bytes, other: int) -> tuple[int, int]:
    """Return the places of the first lines, from two places on, that are not the same in both."""
    first, size = at, BLOCK
    ahead = other - at
    while size and at < len(one) and at + ahead < len(two):
        block = one[at : at + size]
        if block == two[at + ahead : at + ahead + size]:
            at += len(block)
        else:
            size >>= 1
    at = max(one.rfind(b"\0", first, at) + 1, first)
    return at, at + ahead


def _line(listing: bytes, at: int) -> bytes:
    """Return the line at a place with its end; nothing at the end of the list."""
    return listing[at : listing.find(b"\0", at) + 1]
