"""What a workspace's index holds, read from its bytes: a stranger's file, so no git parses it here.

A file that was staged and then changed or deleted again is in no commit and in no folder.
"""

from collections.abc import Iterator
from dataclasses import dataclass

INDEX_LIMIT = 128 << 20  # bytes; a million names need about as much
VERSIONS = (2, 3, 4)
HEADER = 12
STAT = 40  # bytes of times and sizes before an object id
OID = 20
EXTENDED = 0x4000
INTENT_TO_ADD = 0x2000
STAGE = 0x3000
CONTENT_MODES = (0o100644, 0o100755, 0o120000)  # submodules hold no content


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One entry, in git's own words."""

    mode: bytes
    oid: bytes
    name: bytes

    @property
    def line(self) -> bytes:
        """The entry as `update-index --index-info` reads it."""
        return self.mode + b" " + self.oid + b"\t" + self.name + b"\0"


def parse_index(content: bytes) -> tuple[StagedFile, ...]:
    """Return the files that are staged without a conflict.

    Raises:
        ValueError: it is no index of a version that git writes.
    """
    return tuple(_entries(content))


def _entries(content: bytes) -> Iterator[StagedFile]:
    version = int.from_bytes(content[4:8], "big")
    if content[:4] != b"DIRC" or version not in VERSIONS:
        raise ValueError("it does not start as an index does")
    place, name = HEADER, b""
    for _ in range(int.from_bytes(content[8:HEADER], "big")):
        begin = place
        mode = int.from_bytes(content[begin + 24 : begin + 28], "big")
        oid = content[begin + STAT : begin + STAT + OID]
        place = begin + STAT + OID + 2
        flags = int.from_bytes(content[place - 2 : place], "big")
        further = 0
        if flags & EXTENDED:
            further = int.from_bytes(content[place : place + 2], "big")
            place += 2
        kept = 0
        if version == VERSIONS[-1]:
            dropped, place = _number(content, place)
            kept = len(name) - dropped
        end = content.find(b"\0", place)
        if end < 0 or kept < 0 or len(oid) != OID:
            raise ValueError("it ends in the middle of an entry")
        name = name[:kept] + content[place:end]
        # up to version 3 entries are padded to eight bytes, with at least one NUL
        place = end + 1 if version == VERSIONS[-1] else begin + (end - begin + 8) // 8 * 8
        if mode in CONTENT_MODES and not flags & STAGE and not further & INTENT_TO_ADD:
            yield StagedFile(b"%o" % mode, oid.hex().encode(), name)


def _number(content: bytes, place: int) -> tuple[int, int]:
    """Read one of git's numbers of several bytes; return it and the place after it."""
    value = 0
    for offset in range(8):
        if place + offset >= len(content):
            break
        byte = content[place + offset]
        value = (value << 7) | (byte & 0x7F)
        if not byte & 0x80:
            return value, place + offset + 1
        value += 1
    raise ValueError("it holds a number without an end")
