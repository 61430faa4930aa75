"""From the bytes of WORKFLOW.md to a `Workflow`, or to every reason why not [CONTRACT 2.1-2.3]."""

import hashlib
import os
import stat
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from symphony.core.forge import REPO_VARIABLE
from symphony.core.hidden import is_hidden
from symphony.core.settings import Settings
from symphony.core.settings.base import Section
from symphony.core.workflow import Workflow
from symphony.workflow.document import Document, KeyPath, dotted, parse_document
from symphony.workflow.errors import WorkflowError
from symphony.workflow.fence import parse_parts, parse_text
from symphony.workflow.paths import Exists, is_there, resolve_paths
from symphony.workflow.rules import broken_rules
from symphony.workflow.variables import Resolved, resolve_variables
from symphony.workflow.words import (
    allowed,
    annotation_at,
    choices,
    found,
    keys_of,
    kind_of,
    meant,
    strip,
)

SIZE_LIMIT = 1024 * 1024  # as for an issue; a prompt is a few kilobytes
SECRET_LENGTH = 4  # a shorter value is no credential, and hiding it would shred every log
SHOWN_ANYWAY: frozenset[KeyPath] = frozenset(
    {("acp", "adapter"), ("acp", "model"), ("acp", "effort"), ("acp", "shell")}
)  # names that every surface shows on purpose


def load_workflow(path: Path, environ: Mapping[str, str], *, check_prompt: bool = True) -> Workflow:
    """Read and check WORKFLOW.md; `$VAR` and `~` are looked up in `environ`.

    `check_prompt` as of `parse_workflow`.

    Raises:
        WorkflowError: with every problem at once.
    """
    return parse_workflow(read_workflow(path), path, environ, check_prompt=check_prompt)


def read_workflow(path: Path) -> bytes:
    """Return the file's bytes.

    Raises:
        WorkflowError: `missing_workflow_file`; `workflow_parse_error` when it is too large.
    """
    try:
        with open(path, "rb", opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise missing(path, "it is not a regular file")
            raw = file.read(SIZE_LIMIT + 1)
    except FileNotFoundError as error:
        raise missing(path, "it does not exist") from error
    except IsADirectoryError as error:
        raise missing(path, "it is a folder") from error
    except OSError as error:
        raise missing(path, (error.strerror or str(error)).lower()) from error
    if len(raw) > SIZE_LIMIT:
        message = "the file is larger than 1 MiB."
        raise WorkflowError.single("workflow_parse_error", path, f"{path}:1:1", message)
    return raw


def _open(path: str, flags: int) -> int:
    # a named pipe must not hold up the daemon until someone writes to it
    return os.open(path, flags | os.O_NONBLOCK)


def missing(path: Path, reason: str) -> WorkflowError:
    """Return the error for a workflow that cannot be read at all."""
    remedy = "Name the file, or create one with `symphony init`."
    message = f"the workflow cannot be read: {reason}."
    return WorkflowError.single("missing_workflow_file", path, str(path), message, remedy=remedy)


def parse_workflow(
    raw: bytes,
    path: Path,
    environ: Mapping[str, str],
    *,
    exists: Exists = is_there,
    check_prompt: bool = True,
) -> Workflow:
    """Check the bytes of a WORKFLOW.md; reads no file but to ask `exists`.

    Without `check_prompt` the warnings say nothing of the prompt, and the template engine, which
    is slow to import, is left alone.

    Raises:
        WorkflowError: with every problem at once.
    """
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would leave the folder of a linked file
    parts = parse_parts(parse_text(raw, path), path)
    document = parse_document(parts, path)
    warnings = _drop_unknown_sections(document)
    resolved = resolve_variables(document, environ)
    resolve_paths(document, absolute.parent, environ, exists)
    settings = _settings(document, resolved)
    if settings.states is not None:
        warnings += [
            f"{path}:{document.line(key)}: {dotted(key)} is ignored, because `states` replaces it."
            for key in (("tracker", "active_states"), ("tracker", "terminal_states"))
            if key in document.lines
        ]
    if settings.pull_requests.watch and (why := _never_proposed(settings, environ)):
        key = ("pull_requests", "watch")
        warnings.append(
            f"{path}:{document.line(key)}: {dotted(key)} is true, but no handoff opens a pull request,"
            f" because {why}. Set handoff.mode to pull_request, or {dotted(key)} to false."
        )
    if check_prompt:
        from symphony.workflow.prompt import prompt_warnings

        warnings += prompt_warnings(parts.prompt, parts.prompt_line, path)
    return Workflow(
        path=absolute,
        settings=settings,
        prompt=parts.prompt,
        prompt_line=parts.prompt_line,
        revision=hashlib.sha256(raw).hexdigest()[:16],
        warnings=tuple(warnings),
        secrets=_secrets(resolved),
        variables=resolved.references,
    )


def _never_proposed(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return why no handoff is a pull request, as a clause; empty when handoffs are."""
    handoff = settings.handoff
    if handoff.wants_pull_request:
        return ""
    if handoff.mode != "auto":
        return f"handoff.mode is {handoff.mode}"
    if environ.get(REPO_VARIABLE):
        return ""
    return f"handoff.mode is auto and neither handoff.repo nor {REPO_VARIABLE} is set"


def _drop_unknown_sections(document: Document) -> list[str]:
    known = keys_of(Settings)
    warnings = []
    for name in [name for name in document.values if name not in known]:
        del document.values[name]
        hint = meant(name, known) or _elsewhere(name)
        where = f"{document.path}:{document.line((name,))}: {dotted((name,))}"
        warnings.append(f"{where}: unknown key, ignored.{hint}")
    return warnings


def _elsewhere(name: str) -> str:
    for section, info in keys_of(Settings).items():
        bare, _, _ = strip(info.annotation)
        if isinstance(bare, type) and issubclass(bare, Section) and name in keys_of(bare):
            return f" Did you mean {section}.{name}?"
    return ""


def _settings(document: Document, resolved: Resolved) -> Settings:
    problems = dict(reversed(document.problems))
    data = document.values
    settings: Settings | None = None
    while settings is None:
        try:
            settings = Settings.model_validate(data, by_alias=True, by_name=False)
        except ValidationError as error:
            paths = []
            for fault in error.errors(include_url=False, include_context=False, include_input=False):
                path = fault["loc"]
                message = _message(path, fault["type"], document, resolved)
                if not any(path[: len(known)] == known for known in problems):
                    problems[path] = message
                paths.append(path[:-1] if fault["type"] == "missing" else path)
            data = _without(data, paths)
    for path, message in broken_rules(settings, frozenset(problems), resolved.references):
        problems.setdefault(path, message)
    if problems:
        ordered = sorted(problems.items(), key=lambda item: document.line(item[0]))
        raise WorkflowError(document.path, [document.problem(path, message) for path, message in ordered])
    return settings


def _message(path: KeyPath, kind: str, document: Document, resolved: Resolved) -> str:
    if kind == "extra_forbidden":
        bare, _, _ = strip(annotation_at(Settings, path[:-1]))
        names = list(keys_of(bare))
        return f"unknown key; allowed: {', '.join(names)}.{meant(str(path[-1]), names)}"
    annotation = annotation_at(Settings, path)
    expected = allowed(annotation)
    if kind == "missing":
        return f"this key is missing; allowed: {expected}."
    value = _value_at(document.values, path)
    if path in resolved.names:
        shown = f"the value of ${resolved.names[path]} ({kind_of(value)})"
    elif any(is_hidden(part) for part in path):
        shown = kind_of(value)
    else:
        shown = found(value)
    hint = ""
    if isinstance(value, str):
        hint = meant(value, choices(annotation))
    elif strip(annotation)[0] is str and isinstance(value, bool | int | float | date):
        hint = " Put it in quotes to make it text."
    return f"found {shown}; allowed: {expected}.{hint}"


def _value_at(data: Any, path: KeyPath) -> Any:
    for part in path:
        data = data[part]
    return data


def _without(data: Any, paths: list[KeyPath]) -> Any:
    """Return the data without these values, so that the rest can be checked too."""
    if isinstance(data, dict):
        items = [(key, value, _below(paths, key)) for key, value in data.items()]
        return {key: _without(value, below) for key, value, below in items if () not in below}
    if isinstance(data, list):
        kept = [(value, _below(paths, number)) for number, value in enumerate(data)]
        return [_without(value, below) for value, below in kept if () not in below]
    return data


def _below(paths: list[KeyPath], part: str | int) -> list[KeyPath]:
    return [path[1:] for path in paths if path and path[0] == part]


def _secrets(resolved: Resolved) -> frozenset[str]:
    values = [value for path, value in resolved.values.items() if path not in SHOWN_ANYWAY and _is_text(path)]
    return frozenset(
        value for value in (*values, *resolved.references.values()) if len(value) >= SECRET_LENGTH
    )


def _is_text(path: KeyPath) -> bool:
    annotation = annotation_at(Settings, path)
    return annotation is None or (strip(annotation)[0] in (str, Any) and not choices(annotation))
