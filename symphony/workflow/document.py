"""The front matter as plain values, each with the line that it stands on.

PyYAML composes the text into nodes and builds the scalars; the maps are built here, because
PyYAML keeps the last of two equal keys without a word and forgets where a key was.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from symphony.core.problem import Problem
from symphony.core.text import one_line
from symphony.workflow.errors import WorkflowError
from symphony.workflow.fence import FIRST_YAML_LINE, Parts, position
from symphony.workflow.words import kind_of

KeyPath: TypeAlias = tuple[str | int, ...]

MESSAGE_LIMIT = 1_000  # characters; a message may quote a value, and a value may be long
DEPTH_LIMIT = 40  # the settings need 6; the limit ends an anchor that contains itself
NODE_LIMIT = 50_000  # aliases of aliases multiply: a few lines of YAML can mean billions of values
SURROGATE = re.compile("[\ud800-\udfff]")  # YAML can spell half of a pair; nothing can store it
PLAIN_KEY = re.compile(r"[\w -]+")
SHORT_FORMS = {"guard": "mode"}
MERGE = "tag:yaml.org,2002:merge"
MAP = "tag:yaml.org,2002:map"
LIST = "tag:yaml.org,2002:seq"


@dataclass(slots=True)
class Document:
    """The front matter, read but not yet checked against the settings.

    Attributes:
        values: the whole map.
        lines: the file's line of each key and list item.
        problems: duplicate keys, and keys that are not text.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)

    def line(self, path: KeyPath) -> int:
        """Return the line of a key, or of the nearest map around it that the file has."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Return a problem that names file, line and key."""
        where = f"{self.path}:{self.line(path)}: {dotted(path)}"
        return Problem("workflow_invalid", where, one_line(message, MESSAGE_LIMIT))


def dotted(path: KeyPath) -> str:
    """Return a key path as people write it: `smolvm.volumes[0].host`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f'["{part}"]'
    return one_line(text)


def parse_document(parts: Parts, path: Path) -> Document:
    """Read the YAML between the fences.

    Raises:
        WorkflowError: `workflow_parse_error`, `workflow_front_matter_not_a_map`.
    """
    text = parts.yaml or ""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise _unreadable(
            path, text, mark.index if mark else 0, f"the YAML cannot be read: {said}."
        ) from error
    except yaml.reader.ReaderError as error:
        message = f"the character U+{ord(text[error.position]):04X} is not allowed in YAML."
        raise _unreadable(path, text, error.position, message) from error
    except RecursionError as error:
        raise _unreadable(path, text, 0, "the YAML is nested too deeply.") from error
    except (ValueError, OverflowError) as error:
        raise _unreadable(path, text, 0, "an escape in a quoted text names no character.") from error
    if node is None:
        return Document(path)
    reader = _Reader(loader, text, Document(path))
    if not isinstance(node, yaml.MappingNode):
        line = reader.line(node)
        raise WorkflowError.single(
            "workflow_front_matter_not_a_map",
            path,
            f"{path}:{line}",
            f"the front matter is {kind_of(reader.value(node, ()))}, not a map.",
            remedy="Write settings as `key: value` lines between the two `---` lines.",
        )
    reader.document.values = reader.value(node, ())
    _spell_out(reader.document)
    return reader.document


def _spell_out(document: Document) -> None:
    """Write sections of which the file has the main key's value alone as the maps that they stand for."""
    for section, key in SHORT_FORMS.items():
        value = document.values.get(section)
        if isinstance(value, str | bool):
            document.values[section] = {key: value}
            document.lines[(section, key)] = document.line((section,))


def _unreadable(path: Path, text: str, index: int, message: str) -> WorkflowError:
    line, column = position(text, index)
    where = f"{path}:{line + FIRST_YAML_LINE - 1}:{column}"
    return WorkflowError.single("workflow_parse_error", path, where, message)


class _Reader:
    def __init__(self, loader: yaml.SafeLoader, text: str, document: Document) -> None:
        self.loader = loader
        self.text = text
        self.line_ends = [match.start() for match in re.finditer("\n", text)]
        self.document = document
        self.nodes = 0

    def line(self, node: yaml.Node) -> int:
        return bisect_left(self.line_ends, node.start_mark.index) + FIRST_YAML_LINE

    def error(self, node: yaml.Node, message: str) -> WorkflowError:
        return _unreadable(self.document.path, self.text, node.start_mark.index, message)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self.nodes += 1
        if len(path) > DEPTH_LIMIT:
            raise self.error(node, "the YAML is nested too deeply.")
        if self.nodes > NODE_LIMIT:
            raise self.error(node, f"the YAML holds more than {NODE_LIMIT:,} values.")
        if isinstance(node, yaml.MappingNode) and node.tag == MAP:
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == LIST:
            items = []
            for number, item in enumerate(node.value):
                self.document.lines.setdefault((*path, number), self.line(item))
                items.append(self.value(item, (*path, number)))
            return items
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        raise self.error(node, f"the YAML tag {node.tag} is not allowed here.")

    def scalar(self, node: yaml.ScalarNode) -> Any:
        if SURROGATE.search(node.value):
            raise self.error(node, "an escape in a quoted text names no character.")
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            message = (
                f'"{one_line(str(node.value), 60)}" cannot be read as {_tag(node.tag)}; put it in quotes.'
            )
            raise self.error(node, message) from error

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == MERGE:
                merged.append(value_node)
                continue
            line = self.line(key_node)
            key = self.key(key_node, path, line)
            if key is None:
                continue
            if key in first:
                self.document.problems.append(
                    ((*path, key), f"found twice, on lines {first[key]} and {line}; keep one.")
                )
                continue
            first[key] = line
            self.document.lines.setdefault((*path, key), line)
            result[key] = self.value(value_node, (*path, key))
        for source in merged:
            for key, value in self.merge(source, path).items():
                result.setdefault(key, value)
        return result

    def key(self, node: yaml.Node, path: KeyPath, line: int) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            raise self.error(node, "a key must be text, not a list or a map.")
        key = self.scalar(node)
        if isinstance(key, str):
            return key
        written = (*path, node.value)
        self.document.lines.setdefault(written, line)
        message = f"found a key that YAML reads as {kind_of(key)}; put it in quotes to keep it as text."
        self.document.problems.append((written, message))
        return None

    def merge(self, node: yaml.Node, path: KeyPath) -> Mapping[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            value = self.value(source, path)
            if not isinstance(value, dict):
                raise self.error(source, "`<<` takes a map or a list of maps.")
            for key, item in value.items():
                result.setdefault(key, item)
        return result


def _tag(tag: str) -> str:
    known = {"int": "a whole number", "float": "a number", "timestamp": "a date", "bool": "true or false"}
    name = tag.rpartition(":")[2]
    return known.get(name, f"`{one_line(tag, 60)}`")
