"""One issue file: bytes to an issue, a draft to bytes, a note added to bytes [CONTRACT 3.1–3.5].

Pure: the index and the writers do the reading and writing. It never changes what an author wrote.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from symphony.core.issue import Issue, IssueDraft
from symphony.core.problem import Problem
from symphony.core.text import plain
from symphony.tracker.front_matter import BOM, FrontMatterFault, line_of_key, split_front_matter
from symphony.tracker.names import shown
from symphony.tracker.values import ValueFaults, Values

ISSUE_BYTES = 1_048_576  # CONTRACT 3.2
NOTE_CHARACTERS = 20_000  # a note is a summary; the run log has the rest
KNOWN_KEYS = frozenset(
    {
        "id", "identifier", "title", "priority", "labels", "blocked_by", "branch_name", "url",
        "created_at", "updated_at",
    }
)  # fmt: skip


LINE_WIDTH = 1_000  # titles stay on their line


class FrontMatterDumper(yaml.SafeDumper):
    """Writes each key on its line and lists in brackets, as people write them."""

    def ignore_aliases(self, data: object) -> bool:
        """Write a value out each time, for aliases are not read."""
        del data
        return True


def represent_list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.Node:
    """Represent a list in brackets."""
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=True)


FrontMatterDumper.add_representer(list, represent_list)


class IssueUnreadable(Exception):
    """The file cannot be an issue.

    Attributes:
        problems: at least one, each naming the file.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


def unreadable(code: str, path: str, name_id: str, message: str, line: int | None = None) -> IssueUnreadable:
    """Build the error with one problem."""
    return IssueUnreadable(problem_at(code, path, name_id, message, line))


def problem_at(code: str, path: str, name_id: str, message: str, line: int | None) -> Problem:
    """Build a problem that names the file, and the line if there is one."""
    return Problem(code, shown(path) if line is None else f"{shown(path)}:{line}", message, name_id)


def revision_of(content: bytes) -> str:
    """Return a value that changes whenever the file's bytes do."""
    return hashlib.blake2b(content, digest_size=12).hexdigest()


def parse_issue(content: bytes, path: Path, state: str, name_id: str) -> Issue:
    """Read an issue.

    Args:
        content: the whole file.
        path: where it lies, for the issue and for messages.
        state: the folder's name.
        name_id: the file name without its suffix.

    Raises:
        IssueUnreadable: with every problem at once.
    """
    where = str(path)
    if len(content) > ISSUE_BYTES:
        raise too_large(where, name_id, len(content))
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"byte 0x{content[error.start]:02x} is not valid UTF-8; save the file as UTF-8"
        raise unreadable("not_utf8", where, name_id, message, line) from error
    try:
        front, body = split_front_matter(text)
    except FrontMatterFault as fault:
        raise unreadable(fault.code, where, name_id, fault.message, fault.line) from fault
    values = Values(front)
    try:
        issue_id = values.issue_id(default=name_id)
        identifier = values.text("identifier") or issue_id
        issue = Issue(
            id=issue_id,
            identifier=identifier,
            title=values.title() or identifier,
            state=state,
            path=path,
            description=body,
            priority=values.whole_number("priority"),
            labels=tuple(dict.fromkeys(label.lower() for label in values.words("labels"))),
            blocked_by=tuple(dict.fromkeys(values.words("blocked_by"))),
            branch_name=values.text("branch_name"),
            url=values.text("url"),
            created_at=values.moment("created_at"),
            updated_at=values.moment("updated_at"),
            revision=revision_of(content),
            extra=values.others(KNOWN_KEYS),
        )
        values.finish()
    except ValueFaults as faults:
        problems = (
            problem_at("invalid_front_matter", where, name_id, message, line_of_key(text, key))
            for key, message in faults.faults
        )
        raise IssueUnreadable(*problems) from faults
    return issue


def too_large(path: str, name_id: str, size_bytes: int) -> IssueUnreadable:
    """Refuse a file over the limit."""
    message = (
        f"the file is {size_bytes:,} bytes long and the limit is {ISSUE_BYTES:,} (1 MiB); "
        "put long material into a file of its own"
    )
    return unreadable("issue_too_large", path, name_id, message)


def render_issue(draft: IssueDraft, created_at: datetime, extra: Mapping[str, Any] | None = None) -> bytes:
    """Return the text of a new file; its name will be the id, so the id is not in it.

    Args:
        draft: with a valid title.
        created_at: aware; written to the second.
        extra: more front matter keys, for example where a proposed issue comes from.
    """
    front: dict[str, Any] = {"title": encodable(draft.title.strip())}
    if draft.priority is not None:
        front["priority"] = draft.priority
    if labels := [encodable(label.strip().lower()) for label in draft.labels if label.strip()]:
        front["labels"] = labels
    if draft.blocked_by:
        front["blocked_by"] = list(draft.blocked_by)
    front["created_at"] = created_at.replace(microsecond=0)
    front.update({key: value for key, value in (extra or {}).items() if key not in KNOWN_KEYS})
    written = yaml.dump(
        front, Dumper=FrontMatterDumper, sort_keys=False, allow_unicode=True, width=LINE_WIDTH
    )
    body = encodable(draft.body).strip("\n")
    fenced = f"---\n{written}---\n"
    return (f"{fenced}\n{body}\n" if body.strip() else fenced).encode()


def encodable(text: str) -> str:
    """Return the text with anything that UTF-8 cannot hold replaced."""
    return text.encode("utf-8", "replace").decode()


def add_note(content: bytes, note: str) -> bytes:
    """Return the file with a note as its last paragraph, the author's bytes all kept.

    The same content comes back when the note is blank, is in the file already, or would push
    the file over the size that can be read.
    """
    paragraph = encodable(plain(note, NOTE_CHARACTERS)).replace(BOM, "").strip()
    if not paragraph:
        return content
    text = content.decode("utf-8", "replace").removeprefix(BOM).replace("\r\n", "\n")
    if f"\n\n{paragraph}\n\n" in f"\n\n{text.strip()}\n\n":
        return content
    if not text.strip() and paragraph.startswith("---"):
        # the note would become the front matter of an empty file
        paragraph = f"---\n---\n\n{paragraph}"
    line_end = "\r\n" if b"\r\n" in content else "\n"
    if not text.strip() or text.endswith("\n\n"):
        gap = ""
    elif text.endswith("\n"):
        gap = "\n"
    else:
        gap = "\n\n"
    added = content + f"{gap}{paragraph}\n".replace("\n", line_end).encode()
    return added if len(added) <= ISSUE_BYTES else content
