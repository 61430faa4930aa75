"""What an issue tells the demo agent to do, read from the text of a prompt.

Pure. The format is described in the package's docstring.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Union

REPLY_MARK = "@REPLY@"
TITLE_LENGTH = 72  # characters of a commit's subject

FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<words>[^`\n]*)$")
DIRECTIVE = re.compile(r"^\s*(?:[-*]\s+)?\**(?P<name>Ask|Test|Transition)\**:\**\s*(?P<value>\S.*?)\s*$")
TITLES = (
    re.compile(r"^You are working on the issue `[^`\n]*`: (?P<title>\S.*)$", re.MULTILINE),
    re.compile(r"^\s*Title:\s*(?P<title>\S.*)$", re.MULTILINE),
    re.compile(r"^#{1,3} +(?P<title>\S.*)$", re.MULTILINE),
)
ANSWER = re.compile(r"^(?:The answer|The reviewer says):[ \t]*\n\s*\n?(?P<quoted>(?:>.*\n?)+)", re.MULTILINE)
EDITED = "A person has edited the issue. It now reads:"
NAMED = re.compile(r"`(?P<name>[A-Za-z_][A-Za-z0-9_.]*)\([^`\n]*\)`")
SHELLS = frozenset({"sh", "bash", "shell"})


class NotUnderstood(Exception):
    """A block that is meant as a change cannot be read as one; the text says why."""


@dataclass(frozen=True)
class Patch:
    """A unified diff."""

    text: str


@dataclass(frozen=True)
class WholeFile:
    """A file's whole content."""

    path: str
    content: str


@dataclass(frozen=True)
class Replacement:
    """Texts of a file that are replaced by others, each of which is there once."""

    path: str
    hunks: tuple[tuple[str, str], ...]


Change = Union[Patch, WholeFile, Replacement]


@dataclass(frozen=True)
class Instructions:
    """All that a prompt says.

    Attributes:
        title: the issue's, empty when it is not said.
        question: what a person is asked before any work.
        test: a shell command.
        to_state: where the issue goes when all is done; None finishes it.
        names: functions that the text names, as `name()` in backquotes.
    """

    title: str = ""
    question: str | None = None
    test: str | None = None
    changes: tuple[Change, ...] = ()
    names: tuple[str, ...] = ()
    to_state: str | None = None

    @property
    def needs_reply(self) -> bool:
        """Say whether a change has a place for the answer."""
        return any(REPLY_MARK in text for change in self.changes for text in _texts(change))

    def with_reply(self, reply: str) -> Instructions:
        """Return the instructions with the answer in its place."""
        return replace(self, changes=tuple(_filled(change, reply) for change in self.changes))


def parse_instructions(prompt: str) -> Instructions:
    """Read a prompt.

    Raises:
        NotUnderstood: a change block is broken.
    """
    if EDITED in prompt:
        edited = prompt.partition(EDITED)[2]
        titles = [line for line in edited.splitlines() if line.startswith("Title:")]
        prompt = "\n".join([*titles[:1], unquoted(edited)])
    prose, blocks = _split(prompt)
    directives = [match.groupdict() for line in prose if (match := DIRECTIVE.match(line))]
    tests = [
        _dedented(text)
        for words, text in blocks
        if len(words) == 2 and words[0] in SHELLS and words[1] == "test"
    ]
    tests += [found["value"].strip("`") for found in directives if found["name"] == "Test"]
    states = [found["value"].strip("`") for found in directives if found["name"] == "Transition"]
    text = "\n".join(prose)
    return Instructions(
        title=_title(text),
        question=next((found["value"] for found in directives if found["name"] == "Ask"), None),
        test=tests[0].strip() if tests else None,
        changes=tuple(change for words, body in blocks if (change := _change(words, body)) is not None),
        names=tuple(dict.fromkeys(match["name"].rpartition(".")[2] for match in NAMED.finditer(text))),
        to_state=states[0] if states else None,
    )


def find_reply(prompt: str) -> str | None:
    """Return the latest answer of a person that a prompt carries."""
    answers = ANSWER.findall(prompt)
    return unquoted(answers[-1]).strip() if answers else None


def unquoted(text: str) -> str:
    """Return the quoted lines of a text without their mark."""
    return "\n".join(line[1:].removeprefix(" ") for line in text.splitlines() if line.startswith(">"))


def _title(text: str) -> str:
    for pattern in TITLES:
        if found := pattern.search(text):
            return found["title"].strip()
    return ""


def _split(text: str) -> tuple[list[str], list[tuple[list[str], str]]]:
    """Return the lines outside fences, and each block as its words and its body."""
    prose: list[str] = []
    blocks: list[tuple[list[str], str]] = []
    fence: re.Match[str] | None = None
    body: list[str] = []
    for line in text.splitlines():
        found = FENCE.match(line)
        if fence is None:
            if found:
                fence, body = found, []
            else:
                prose.append(line)
        elif found and not found["words"].strip() and found["fence"].startswith(fence["fence"]):
            blocks.append((fence["words"].split(), "".join(f"{part}\n" for part in body)))
            fence = None
        else:
            body.append(line.removeprefix(fence["indent"]))
    return prose, blocks


def _change(words: list[str], body: str) -> Change | None:
    kind, path = words[0] if words else "", words[1] if len(words) == 2 else ""
    if kind in {"diff", "patch"}:
        return Patch(body)
    if kind == "replace" and path:
        return Replacement(path, _hunks(path, body))
    if (kind == "file" and path) or "." in path or "/" in path:
        return WholeFile(path, body)
    return None


def _hunks(path: str, body: str) -> tuple[tuple[str, str], ...]:
    hunks: list[tuple[str, str]] = []
    old: list[str] | None = None
    new: list[str] | None = None
    for line in body.splitlines():
        mark = line.rstrip()
        if mark == "<<<<" and old is None:
            old = []
        elif mark == "====" and old is not None and new is None:
            new = []
        elif mark == ">>>>" and old is not None and new is not None:
            hunks.append(("\n".join(old), "\n".join(new)))
            old = new = None
        elif new is not None:
            new.append(line)
        elif old is not None:
            old.append(line)
        elif line.strip():
            raise NotUnderstood(
                f"the replacement in {path} has the line {line.strip()!r} outside <<<< and >>>>"
            )
    if old is not None:
        raise NotUnderstood(f"the replacement in {path} has no line >>>> at its end")
    if not hunks or any(not before.strip() for before, _ in hunks):
        raise NotUnderstood(f"the replacement in {path} has no old text between <<<< and ====")
    return tuple(hunks)


def _texts(change: Change) -> tuple[str, ...]:
    if isinstance(change, Replacement):
        return tuple(text for hunk in change.hunks for text in hunk)
    return (change.text if isinstance(change, Patch) else change.content,)


def _filled(change: Change, reply: str) -> Change:
    if isinstance(change, Patch):
        return Patch(change.text.replace(REPLY_MARK, reply))
    if isinstance(change, WholeFile):
        return WholeFile(change.path, change.content.replace(REPLY_MARK, reply))
    filled = tuple(
        (old.replace(REPLY_MARK, reply), new.replace(REPLY_MARK, reply)) for old, new in change.hunks
    )
    return Replacement(change.path, filled)


def _dedented(text: str) -> str:
    return text.strip("\n")
