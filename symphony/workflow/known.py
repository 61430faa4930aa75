"""The last known good workflow, and what stands against the newest one [CONTRACT 2.4].

`LastKnownGood` touches no disk and no clock: `file` feeds it what it read, `memory` what it was
told. A bad reading never replaces a good one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.core.ports import Reloaded
from symphony.core.problem import Problem
from symphony.core.settings import ServerSettings, Settings
from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow
from symphony.workflow.paths import Exists

PINNED: tuple[tuple[str, str], ...] = (
    *(("server", name) for name in ServerSettings.model_fields),
    ("tracker", "root"),
    ("workspace", "root"),
)  # the daemon opens these once; another value needs a restart


@dataclass(frozen=True, slots=True)
class Reading:
    """What one look at the file brought.

    Attributes:
        digest: of the bytes, or of the reason why there are none.
        result: the workflow, or why there is none.
        raw: the bytes; None when there are none.
    """

    digest: str
    result: Workflow | WorkflowError
    raw: bytes | None = None


def parse_reading(
    raw: bytes | WorkflowError, path: Path, environ: Mapping[str, str], exists: Exists, *, known: bool
) -> Reading:
    """Return what these bytes mean.

    The first prompt is not checked, so that a start need not wait for the template engine. Once a
    good workflow is `known`, an empty file is an edit in progress, as many editors truncate
    before they write; at the start it means all defaults.
    """
    if isinstance(raw, WorkflowError):
        return Reading(digest_of(raw), raw)
    if known and not raw.strip():
        message = "the file is empty; the last valid settings stay in use."
        error = WorkflowError.single("workflow_parse_error", path, f"{path}:1:1", message)
        return Reading(digest_of(raw), error, raw)
    try:
        workflow = parse_workflow(raw, path, environ, exists=exists, check_prompt=known)
        return Reading(digest_of(raw), workflow, raw)
    except WorkflowError as error:
        return Reading(digest_of(raw), error, raw)


def digest_of(raw: bytes | WorkflowError) -> str:
    """Return a value that differs when the file's content, or the reason to have none, does."""
    if isinstance(raw, WorkflowError):
        return f"{raw.code}: {raw}"
    return hashlib.sha256(raw).hexdigest()


class LastKnownGood:
    """The workflow in use; only its owner's `learn` changes it."""

    def __init__(self) -> None:
        self.current: Workflow | None = None
        self.error: WorkflowError | None = None
        self.digest: str | None = None
        self.raw: bytes | None = None
        self._started: Settings | None = None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands against the newest text; empty while it is in use."""
        return () if self.error is None else self.error.problems

    def required(self) -> Workflow:
        """Return the workflow in use.

        Raises:
            WorkflowError: why the newest text cannot be used.
        """
        if self.error is not None:
            raise self.error
        if self.current is None:
            raise LookupError("nothing was read yet")
        return self.current

    def learn(self, reading: Reading) -> Reloaded | None:
        """Take a reading; return what it changes, None when it is the one before."""
        if reading.digest == self.digest:
            return None
        self.digest, self.raw = reading.digest, reading.raw
        if isinstance(reading.result, WorkflowError):
            self.error = reading.result
            return Reloaded(None, self.problems)
        workflow = reading.result
        if self._started is None:
            self._started = workflow.settings
        self.current = pinned(workflow, self._started)
        self.error = None
        return Reloaded(self.current)


def pinned(workflow: Workflow, started: Settings) -> Workflow:
    """Return the workflow with what needs a restart as it was at the start, and a warning for each."""
    changed = tuple(_changed(workflow.settings, started))
    if not changed:
        return workflow
    sections = {
        section: getattr(workflow.settings, section).model_copy(
            update={key: getattr(getattr(started, section), key) for name, key in changed if name == section}
        )
        for section, _ in changed
    }
    warnings = (
        f"{workflow.path}: {section}.{key} has changed; restart symphony to use the new value."
        for section, key in changed
    )
    return replace(
        workflow,
        settings=workflow.settings.model_copy(update=sections),
        warnings=(*workflow.warnings, *warnings),
    )


def _changed(settings: Settings, started: Settings) -> Iterator[tuple[str, str]]:
    for section, key in PINNED:
        if getattr(getattr(settings, section), key) != getattr(getattr(started, section), key):
            yield section, key
