"""The report on WORKFLOW.md: effective settings by source, and what is wrong with the file, by line.

Made from the texts that `file` read, on demand; it shows no credential.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from symphony.core.hidden import HIDDEN_KEYS, hidden_values, is_hidden, secrets_of
from symphony.core.redaction import REDACTED, Redactor
from symphony.core.settings.base import Section
from symphony.core.text import plain
from symphony.core.workflow import Workflow
from symphony.core.workflow_report import FileLine, FileNote, SettingRow, SettingSource, WorkflowReport
from symphony.workflow.document import Document, KeyPath, dotted, parse_document
from symphony.workflow.errors import WorkflowError
from symphony.workflow.fence import parse_parts, parse_text
from symphony.workflow.variables import Resolved, resolve_variables
from symphony.workflow.words import key_name

NEIGHBOURS = 1  # lines above and below the one that is meant
LINE_LIMIT = 240  # characters of a line of the file
WIDTH = 100_000  # a value stays on one line
PLACE = re.compile(r":(?P<line>[0-9]{1,9})(?::[0-9]{1,9})?: |: ")
QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
HIDDEN_VALUE = re.compile(rf"""(?i)(\b(?:{"|".join(sorted(HIDDEN_KEYS))})["']?[ ]*:[ ]*)(\S.*)?""")


@dataclass(frozen=True, slots=True)
class Texts:
    """What the report is made from.

    Attributes:
        path: as the user named it.
        in_force: the bytes of the workflow in force.
        newest: the bytes of the file as it is now; None where there is no file.
        read_at: when they were read.
        error: why they are not in force.
    """

    path: Path
    in_force: bytes
    newest: bytes | None
    read_at: datetime
    error: WorkflowError | None = None


def make_report(
    workflow: Workflow, texts: Texts, environ: Mapping[str, str], command_line: Mapping[KeyPath, Any]
) -> WorkflowReport:
    """Return the report on a workflow.

    Args:
        workflow: the one in force.
        texts: the file's, in force and now.
        environ: where `$VAR` was looked up.
        command_line: what beats the file.
    """
    from symphony.workflow.prompt import DEFAULT_PROMPT  # the template engine is slow to import

    document = _document(texts.in_force, texts.path)
    resolved = resolve_variables(document, environ)
    redactor = Redactor(secrets_of(workflow))
    rows = _Rows(document, resolved, command_line, redactor)
    current, in_force = Notes(workflow, texts, texts.newest), Notes(workflow, texts, texts.in_force)
    return WorkflowReport(
        path=texts.path,
        read_at=texts.read_at,
        settings=tuple(rows.of(workflow.settings, ())),
        prompt=redactor.text(workflow.prompt or DEFAULT_PROMPT),
        prompt_line=workflow.prompt_line if workflow.prompt else None,
        problems=tuple(current.note(str(each)) for each in texts.error.problems) if texts.error else (),
        remedy=redactor.text(texts.error.remedy) if texts.error else "",
        warnings=tuple(in_force.note(each) for each in workflow.warnings),
    )


class Notes:
    """Makes notes about places in one content of the file, of which there may be none."""

    def __init__(self, workflow: Workflow, texts: Texts, content: bytes | None) -> None:
        self._names = (str(texts.path), str(workflow.path))
        self._redactor = Redactor(secrets_of(workflow) | _written_secrets(texts))
        text = (content or b"").decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
        self._lines = text.split("\n")

    def note(self, said: str) -> FileNote:
        """Return what was said about the file, the place apart."""
        for name in self._names:
            place = PLACE.match(said, len(name)) if said.startswith(name) else None
            if place is not None:
                line = int(place["line"]) if place["line"] else None
                lines = tuple(self._around(line))
                message = said[place.end() :]
                if any(each.meant and REDACTED in each.text for each in lines):
                    message = QUOTED.sub(REDACTED, message)  # a reader's complaint quotes what it met
                return FileNote(self._redactor.text(message), line, lines)
        return FileNote(self._redactor.text(said))

    def _around(self, line: int | None) -> Iterator[FileLine]:
        if line is None:
            return
        for number in range(line - NEIGHBOURS, line + NEIGHBOURS + 1):
            if 1 <= number <= len(self._lines):
                text = self._redactor.text(shown_line(self._lines, number - 1))
                yield FileLine(number, plain(text, LINE_LIMIT), number == line)


def shown_line(lines: list[str], index: int) -> str:
    """Return a line of YAML without what stands under a hidden key, read by its indentation alone."""
    line = lines[index]
    depth = _depth(line)
    for above in reversed(lines[:index]):
        if not above.strip() or above.lstrip().startswith("#") or _depth(above) >= depth:
            continue
        depth = _depth(above)
        if HIDDEN_VALUE.search(above) and line.strip():
            return f"{line[: len(line) - len(line.lstrip())]}{REDACTED}"
        if depth == 0:
            break
    return HIDDEN_VALUE.sub(lambda found: found[1] + (REDACTED if found[2] else ""), line)


def _depth(line: str) -> int:
    # a list may stand as far left as the key that it belongs to
    indent = len(line) - len(line.lstrip())
    return indent * 2 + line.lstrip().startswith("-")


def _document(raw: bytes, path: Path) -> Document:
    return parse_document(parse_parts(parse_text(raw, path), path), path)


def _written_secrets(texts: Texts) -> frozenset[str]:
    if texts.newest is None:
        return frozenset()
    try:
        return frozenset(hidden_values(_document(texts.newest, texts.path).values))
    except WorkflowError:
        return frozenset()


class _Rows:
    def __init__(
        self,
        document: Document,
        resolved: Resolved,
        command_line: Mapping[KeyPath, Any],
        redactor: Redactor,
    ) -> None:
        self.document = document
        self.names = resolved.names
        self.command_line = command_line
        self.redactor = redactor

    def of(self, section: Section, path: KeyPath, *, entry: bool = False) -> Iterator[SettingRow]:
        """Yield a section's settings; of an entry of a list or map, only those that it has."""
        for name, info in type(section).model_fields.items():
            if entry and name not in section.model_fields_set:
                continue
            value, key = getattr(section, name), (*path, key_name(name, info))
            match value:
                case Section():
                    yield from self.of(value, key, entry=entry)
                case tuple() if value and isinstance(value[0], Section):
                    for number, item in enumerate(value):
                        yield from self.of(item, (*key, number), entry=True)
                case Mapping() if any(isinstance(item, Section) for item in value.values()):
                    for part, item in value.items():
                        yield from self.of(item, (*key, part), entry=True)
                case _:
                    yield self.row(key, value)

    def row(self, path: KeyPath, value: Any) -> SettingRow:
        line = self.document.lines.get(path)
        variable = self.names.get(path)
        if path in self.command_line:
            value, source = self.command_line[path], SettingSource.COMMAND_LINE
        elif variable is not None:
            source = SettingSource.ENVIRONMENT
        else:
            source = SettingSource.DEFAULT if line is None else SettingSource.FILE
        hidden = any(is_hidden(part) for part in path) and value is not None
        shown = REDACTED if hidden else self.redactor.text(_yaml(_visible(value)))
        return SettingRow(dotted(path), shown, source, line, variable)


def _visible(value: Any) -> Any:
    """Return a value as YAML can hold it, without what stands under hidden keys."""
    match value:
        case Mapping():
            return {key: REDACTED if is_hidden(key) else _visible(item) for key, item in value.items()}
        case list() | tuple():
            return [_visible(item) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return str(value)


def _yaml(value: Any) -> str:
    if isinstance(value, str) and "\n" in value:
        return value.rstrip("\n")
    written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=WIDTH, sort_keys=False)
    return written.removesuffix("\n").removesuffix("\n...")
