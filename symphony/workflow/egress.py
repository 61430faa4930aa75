"""Adds a host to `smolvm.egress.allow` of WORKFLOW.md and keeps every other byte.

The change is one insertion, found in the YAML's own marks and then checked: the new text must
read as the old one with one more host in that list, and be a valid workflow. What cannot be done
so is refused with the lines to add by hand; nothing here guesses.
"""

import copy
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from symphony.core.text import one_line
from symphony.host.durable import write_durably
from symphony.workflow.document import Document, KeyPath, parse_document
from symphony.workflow.errors import WorkflowError
from symphony.workflow.fence import BYTE_ORDER_MARK, FENCE, is_fence, parse_parts, parse_text
from symphony.workflow.loader import parse_workflow, read_workflow
from symphony.workflow.paths import Exists, is_there

KEYS: Final = ("smolvm", "egress", "allow")
STEP: Final = 2  # spaces of one level, where the file shows no other
REASON: Final = 300  # characters of why a file cannot be edited


@dataclass(frozen=True, slots=True)
class _Insertion:
    """A piece of text that goes between two characters; `cut` characters after it make room."""

    at: int
    text: str
    cut: int = 0

    def into(self, text: str) -> str:
        return text[: self.at] + self.text + text[self.at + self.cut :]


def write_allowed_host(path: Path, host: str, environ: Mapping[str, str], *, write: bool = True) -> bool:
    """Put a host into the file's list, durably and in one step; say whether it was missing.

    Args:
        path: a symlink is followed, so that the file that it names is edited.
        host: as `core.hosts.parse_host` returns it.
        environ: where `$VAR` and `~` are looked up.
        write: False only checks that it can be done.

    Raises:
        WorkflowError: `workflow_not_editable`; nothing was changed.
    """
    raw: bytes | WorkflowError = b""
    try:
        raw = _bytes_of(path)
        edited = with_allowed_host(raw, path, host, environ)
        if edited is None:
            return False
        target = path.resolve(strict=True)
        if not write:
            if not os.access(target.parent, os.W_OK):
                raise not_editable(path, host, raw, "its folder cannot be written")
        elif not write_durably(target, edited, only_if=lambda: _bytes_of(path) == raw):
            raise not_editable(path, host, raw, "it changed at the same moment")
    except OSError as error:
        raise not_editable(path, host, raw, (error.strerror or str(error)).lower()) from error
    return True


def _bytes_of(path: Path) -> bytes | WorkflowError:
    try:
        return read_workflow(path)
    except WorkflowError as error:
        return error


def with_allowed_host(
    raw: bytes | WorkflowError,
    path: Path,
    host: str,
    environ: Mapping[str, str],
    exists: Exists = is_there,
) -> bytes | None:
    """Return the file's bytes with the host in its list; None when it is there already.

    Raises:
        WorkflowError: `workflow_not_editable`.
    """
    try:
        if isinstance(raw, WorkflowError):
            raise raw
        workflow = parse_workflow(raw, path, environ, exists=exists, check_prompt=False)
        if host in (each.lower() for each in workflow.settings.smolvm.egress.allow):
            return None
        edited = _edited(raw, path, host)
        if edited is not None:
            parse_workflow(edited, path, environ, exists=exists, check_prompt=False)
    except WorkflowError as error:
        raise not_editable(path, host, raw, f"it is not valid now: {error}") from error
    if not raw.strip():
        raise not_editable(path, host, raw, "it is empty, as while an editor writes it")
    if edited is None:
        raise not_editable(path, host, raw, "its YAML is written in a way that is left to you")
    return edited


def _edited(raw: bytes, path: Path, host: str) -> bytes | None:
    """Return the bytes with the host in the list and all else as it was; None where that fails."""
    text = raw.decode()
    insertion = _insertion(text, host)
    if insertion is None:
        return None
    edited = insertion.into(text).encode()
    return edited if _only_adds(raw, edited, path, host) else None


def not_editable(path: Path, host: str, raw: bytes | WorkflowError, reason: str) -> WorkflowError:
    """Return the error for a file that is left as it is, with the lines that a person can add."""
    said = one_line(reason, REASON)
    return WorkflowError.single(
        "workflow_not_editable",
        path,
        str(path),
        f"the file was left as it is: {said}{'' if said[-1:] in '.?!' else '.'}",
        remedy=f"Do it yourself: {_by_hand(raw, path, host)}.",
    )


def _by_hand(raw: bytes | WorkflowError, path: Path, host: str) -> str:
    """Return where the line goes: below the innermost key that is there."""
    lines: Mapping[KeyPath, int] = {}
    if not isinstance(raw, WorkflowError):
        with suppress(WorkflowError):
            lines = _document(raw, path).lines
    item = _scalar(host)
    if (line := lines.get(KEYS)) is not None:
        return f"write `- {item}` below `allow:` in line {line}, or `{item}` between its [ ]"
    if (line := lines.get(KEYS[:2])) is not None:
        return f"write `allow: [{item}]` below `egress:` in line {line}"
    if (line := lines.get(KEYS[:1])) is not None:
        return f"write `egress: {{allow: [{item}]}}` below `smolvm:` in line {line}"
    return f"write `smolvm: {{egress: {{allow: [{item}]}}}}` between the two `{FENCE}` lines"


def _document(raw: bytes, path: Path) -> Document:
    return parse_document(parse_parts(parse_text(raw, path), path), path)


def _only_adds(before: bytes, after: bytes, path: Path, host: str) -> bool:
    """Say whether the new text reads as the old one with this host more, prompt and all."""
    try:
        old, new = _document(before, path), _document(after, path)
        same_prompt = parse_parts(parse_text(before, path), path).prompt == (
            parse_parts(parse_text(after, path), path).prompt
        )
    except WorkflowError:
        return False
    wanted: dict[str, Any] = copy.deepcopy(old.values)
    section = wanted
    for key in KEYS[:-1]:
        section[key] = {} if section.get(key) is None else section[key]
        section = section[key]
    section[KEYS[-1]] = [*(section.get(KEYS[-1]) or ()), host]
    return same_prompt and new.values == wanted and not new.problems


def _insertion(text: str, host: str) -> _Insertion | None:
    """Return where the host goes; None where that cannot be told."""
    start, end = _front_matter(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if end is None:
        lines = [FENCE, *_lines(KEYS, host, 0, STEP), FENCE, ""]
        return _Insertion(start, newline.join(lines))
    try:
        node = yaml.compose(text[start:end], yaml.SafeLoader)
    except yaml.YAMLError:
        return None
    if node is None:
        return _Insertion(end, newline.join([*_lines(KEYS, host, 0, STEP), ""]))
    if not isinstance(node, yaml.MappingNode):
        return None
    found = _Place(text, start, end, newline, host).in_map(node, None, KEYS)
    return found if found is None or start <= found.at <= end else None


def _front_matter(text: str) -> tuple[int, int | None]:
    """Return where the YAML begins and ends; without a fence, the text's start and None."""
    position = len(BYTE_ORDER_MARK) if text.startswith(BYTE_ORDER_MARK) else 0
    begin, start = position, None
    for line in text[position:].split("\n"):
        if start is None and not is_fence(line):
            return begin, None
        if start is None:
            start = position + len(line) + 1
        elif is_fence(line):
            return start, position
        position += len(line) + 1
    return begin, None


def _lines(keys: tuple[str, ...], host: str, indent: int, step: int) -> list[str]:
    """Return the keys below one another, and the host as the one item of the last."""
    lines = [f"{' ' * (indent + step * depth)}{key}:" for depth, key in enumerate(keys)]
    return [*lines, f"{' ' * (indent + step * len(keys))}- {_scalar(host)}"]


def _flow(keys: tuple[str, ...], host: str) -> str:
    """Return what stands behind the colon of the first key, on one line."""
    if len(keys) == 1:
        return f"[{_scalar(host)}]"
    return f"{{{keys[1]}: {_flow(keys[1:], host)}}}"


def _scalar(host: str) -> str:
    """Return the host as YAML reads it back as text."""
    return f'"{host}"' if ":" in host or not isinstance(yaml.safe_load(host), str) else host


@dataclass(frozen=True, slots=True)
class _Place:
    """Looks for the place in composed YAML that begins at `start` of the text."""

    text: str
    start: int
    end: int
    newline: str
    host: str

    def in_map(
        self, node: yaml.MappingNode, parent: yaml.Node | None, keys: tuple[str, ...]
    ) -> _Insertion | None:
        """Return where the host goes in a map that has, or lacks, the first of the keys."""
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == keys[0]:
                return self.below(key, value, keys)
        if node.flow_style:
            added = f"{keys[0]}: {_flow(keys, self.host)}"
            if not node.value:
                return _Insertion(self.start + node.start_mark.index + 1, added)
            return _Insertion(self.start + node.value[-1][1].end_mark.index, f", {added}")
        if parent is None:
            lines = _lines(keys, self.host, node.start_mark.column, STEP)
            return _Insertion(self.end, self.newline.join([*lines, ""]))
        step = node.start_mark.column - parent.start_mark.column
        lines = _lines(keys, self.host, node.start_mark.column, step)
        return self.after_line_of(parent.end_mark.index, lines)

    def below(self, key: yaml.Node, value: yaml.Node, keys: tuple[str, ...]) -> _Insertion | None:
        """Return where the host goes in the value of the first of the keys."""
        if value.start_mark.index < key.end_mark.index:
            return None  # an alias: what it names stands elsewhere
        if isinstance(value, yaml.ScalarNode) and value.tag == "tag:yaml.org,2002:null":
            at, length = value.start_mark.index, value.end_mark.index - value.start_mark.index
            space = "" if length else " "
            return _Insertion(self.start + at, space + _flow(keys, self.host), length)
        if isinstance(value, yaml.MappingNode) and len(keys) > 1:
            return self.in_map(value, key, keys[1:])
        if isinstance(value, yaml.SequenceNode) and len(keys) == 1:
            return self.in_list(value)
        return None

    def in_list(self, node: yaml.SequenceNode) -> _Insertion | None:
        """Return where one more item goes."""
        if not node.value:
            return _Insertion(self.start + node.start_mark.index + 1, _scalar(self.host))
        last = node.value[-1]
        if node.flow_style:
            return _Insertion(self.start + last.end_mark.index, f", {_scalar(self.host)}")
        line = f"{' ' * node.start_mark.column}- {_scalar(self.host)}"
        return self.after_line_of(last.end_mark.index, [line])

    def after_line_of(self, index: int, lines: list[str]) -> _Insertion | None:
        """Return an insertion below the line in which something ends."""
        ends = self.text.find("\n", self.start + index)
        return None if ends < 0 else _Insertion(ends + 1, self.newline.join([*lines, ""]))
