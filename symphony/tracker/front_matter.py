"""The fence, the YAML between its lines, and the body below [CONTRACT 3.1, 3.2].

python-frontmatter splits and PyYAML's C loader reads; here is what both leave to the caller:
line numbers, refusals in words, and bounds for input that was made to break a YAML reader.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import yaml
from frontmatter.default_handlers import SafeLoader, YAMLHandler

BOM = "\ufeff"
NESTING = 100  # the C loader recurses for each level and dies without an error at some tens of thousands
SCANNER_NESTING = "exceeded maximum nesting depth"  # the scanner's own limit, which it may reach before ours
NESTING_MARKS = ("[", "{", "- ", "-\n", "? ", "?\n")
FENCE = re.compile(r"^---[ \t]*$", re.MULTILINE)
FENCED = YAMLHandler(fm_boundary=FENCE)


class FrontMatterFault(Exception):
    """The front matter cannot be read.

    Attributes:
        code: the problem's code.
        message: what was found and what to do.
        line: of the file, from 1; None when it is not known.
    """

    def __init__(self, code: str, message: str, line: int | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


def split_front_matter(text: str) -> tuple[Mapping[Any, Any], str]:
    """Return front matter and body of a file; blank lines around the body are not part of it.

    Raises:
        FrontMatterFault: with the line.
    """
    unified = text.removeprefix(BOM).replace("\r\n", "\n")
    fenced = unified.lstrip()
    if not FENCED.detect(fenced):
        return {}, unified.lstrip("\n").rstrip()
    fence_line = unified.count("\n", 0, len(unified) - len(fenced)) + 1
    try:
        front, body = FENCED.split(fenced)
    except ValueError as error:
        raise FrontMatterFault(
            "unterminated_front_matter",
            "the front matter that starts here has no end; add a line `---` below its last key",
            fence_line,
        ) from error
    return load_front_matter(front, fence_line), body.lstrip("\n").rstrip()


def load_front_matter(front: str, fence_line: int) -> Mapping[Any, Any]:
    """Return the map that the YAML says; an empty one is a map without keys."""
    try:
        refuse_hostile(front, fence_line)
        loaded = FENCED.load(front)
    except yaml.MarkedYAMLError as error:
        found = error.problem or error.context or "it cannot be read"
        line = line_of(error.problem_mark, fence_line)
        if found == SCANNER_NESTING:
            raise too_deep(line) from error
        message = f"the front matter is not valid YAML: {found}; correct this line or put the value in quotes"
        raise FrontMatterFault("broken_yaml", message, line) from error
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error).splitlines()[0]
        message = f"the front matter is not valid YAML: {reason}; correct the value or put it in quotes"
        raise FrontMatterFault("broken_yaml", message, None) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        message = f"the front matter is {kind_of(loaded)}, not a map; write lines such as `priority: 1`"
        raise FrontMatterFault("front_matter_not_a_map", message, fence_line + 1)
    return loaded


def refuse_hostile(front: str, fence_line: int) -> None:
    """Refuse what would exhaust the reader: aliases multiply, and nesting overflows its stack.

    Only text that could hold either is looked at event by event, so that plain files cost nothing.
    """
    if "*" not in front and sum(front.count(mark) for mark in NESTING_MARKS) <= NESTING:
        return
    depth = 0
    for event in yaml.parse(front, Loader=SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            line = line_of(event.start_mark, fence_line)
            message = "the front matter uses a YAML alias (`*name`); write the value out, or put it in quotes"
            raise FrontMatterFault("unsupported_yaml", message, line)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > NESTING:
                raise too_deep(line_of(event.start_mark, fence_line))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def too_deep(line: int | None) -> FrontMatterFault:
    """Return the refusal of front matter that is nested too deeply."""
    message = f"the front matter is nested more than {NESTING} levels deep; make it flatter"
    return FrontMatterFault("unsupported_yaml", message, line)


def line_of(mark: Any, fence_line: int) -> int | None:
    """Return the file's line for a place in the YAML below the fence."""
    return None if mark is None else fence_line + int(mark.line)


def line_of_key(text: str, key: str | None) -> int | None:
    """Return the file's line of a key at the left margin, the last one if there are two as YAML takes it.

    A key that is written in braces, or with an escape, is not found.
    """
    unified = text.removeprefix(BOM).replace("\r\n", "\n")
    fenced = unified.lstrip()
    front = FENCE.split(fenced, 2)[1] if key is not None and FENCED.detect(fenced) else ""
    found = [
        match.start() for match in re.finditer(rf"""(?m)^["']?{re.escape(key or "")}["']?[ \t]*:""", front)
    ]
    above = len(unified) - len(fenced)
    return unified.count("\n", 0, above) + front.count("\n", 0, found[-1]) + 1 if found else None


def kind_of(value: object) -> str:
    """Name what YAML made of a value, in an author's words."""
    match value:
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list() | tuple() | set():
            return "a list"
        case dict():
            return "a map"
        case None:
            return "empty"
        case date():
            return "a date"
        case bytes():
            return "binary"
        case _:
            return f"a {type(value).__name__}"
