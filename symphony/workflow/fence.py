"""The two parts of WORKFLOW.md: what stands between the `---` lines, and the prompt [CONTRACT 2.1]."""

from dataclasses import dataclass
from pathlib import Path

from symphony.workflow.errors import WorkflowError

BYTE_ORDER_MARK = "\ufeff"
FENCE = "---"
FIRST_YAML_LINE = 2  # the fence itself is line 1


@dataclass(frozen=True, slots=True)
class Parts:
    """The file's text, cut at its fences.

    Attributes:
        yaml: None when the file has no front matter.
        prompt: without blank lines around it; indentation of its first line is kept.
        prompt_line: the file's line on which the prompt starts.
    """

    yaml: str | None
    prompt: str
    prompt_line: int


def parse_text(raw: bytes, path: Path) -> str:
    """Decode the file: UTF-8, with or without a byte order mark, any line ends.

    Raises:
        WorkflowError: `workflow_parse_error`, with the line and column of the first bad byte.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        good = raw[: error.start].decode("utf-8")
        line, column = position(good, len(good))
        raise WorkflowError.single(
            "workflow_parse_error",
            path,
            f"{path}:{line}:{column}",
            f"the byte 0x{raw[error.start]:02x} is not valid UTF-8.",
            remedy="Save the file as UTF-8.",
        ) from error
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def position(text: str, index: int) -> tuple[int, int]:
    """Return line and column, both from 1, of a place in the text, as editors count them."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def parse_parts(text: str, path: Path) -> Parts:
    """Cut the text at its fences.

    Raises:
        WorkflowError: `workflow_parse_error` when the second fence is missing.
    """
    lines = text.split("\n")
    if not is_fence(lines[0]):
        return _parts(None, lines, 0)
    end = next((number for number, line in enumerate(lines) if number and is_fence(line)), None)
    if end is None:
        raise WorkflowError.single(
            "workflow_parse_error",
            path,
            f"{path}:1:1",
            "the front matter that starts here has no end.",
            remedy="Add a line `---` between the settings and the prompt.",
        )
    return _parts("\n".join(lines[1:end]), lines, end + 1)


def is_fence(line: str) -> bool:
    """Say whether a line separates settings and prompt."""
    return line.rstrip(" \t\r") == FENCE


def _parts(yaml: str | None, lines: list[str], start: int) -> Parts:
    body = lines[start:]
    while body and not body[-1].strip():
        body.pop()
    blank = next((number for number, line in enumerate(body) if line.strip()), 0)
    return Parts(yaml, "\n".join(body[blank:]), start + blank + 1)
