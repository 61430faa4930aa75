"""Ids and file names: which ones an issue may have [CONTRACT 3.1, 3.2, 3.5]."""

import re
from collections.abc import Iterable

SUFFIX = ".md"
ID_BYTES = 200  # leaves room for suffixes under every file system's 255 bytes
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NUMBERED = re.compile(r"^(?:[.#]*)([0-9]+)\.md")


def is_issue_name(name: str) -> bool:
    """Say whether a file of this name is an issue: not hidden, not temporary, ends in `.md`."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def id_fault(issue_id: str) -> str | None:
    """Say why a text cannot be an id, as the end of a sentence; None when it can."""
    if not issue_id.strip():
        return "is blank"
    if issue_id.startswith("."):
        return "starts with a dot"
    if "/" in issue_id:
        return "contains a slash"
    if UNPRINTABLE.search(issue_id):
        return "contains a control character"
    if issue_id.endswith("~"):
        return "ends in `~`, as temporary files do"
    try:
        length = len(issue_id.encode())
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if length > ID_BYTES:
        return f"is {length} bytes long, over {ID_BYTES}"
    return None


def title_fault(title: str) -> str | None:
    """Say why a text cannot be a title, as the end of a sentence; None when it can."""
    if not title.strip():
        return "is blank"
    if "\n" in title or "\r" in title:
        return "has more than one line"
    if UNPRINTABLE.search(title.replace("\t", " ")):
        return "contains a control character"
    return None


def highest_number(names: Iterable[str]) -> int:
    """Return the highest number that a file name begins with, temporary names included; else 0."""
    found = (NUMBERED.match(name) for name in names)
    return max((int(match[1]) for match in found if match), default=0)


def shown(path: str) -> str:
    """Return a path that can be printed and stored, whatever bytes its names are made of."""
    visible = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", visible)
