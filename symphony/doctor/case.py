"""What is examined: an installation, its settings as far as they are known, and where agents run."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.installation import Installation
from symphony.core.settings import Settings
from symphony.doctor.check import Finding, failed, in_thread, ok, warning
from symphony.workflow.errors import WorkflowError
from symphony.workflow.file import WorkflowFile
from symphony.workflow.loader import load_workflow, parse_workflow
from symphony.workflow_source import WorkflowSource

MISSING = "missing_workflow_file"
NOT_LOADED = "WORKFLOW.md does not load"


@dataclass(frozen=True, slots=True)
class Case:
    """One installation.

    Attributes:
        path: its WORKFLOW.md.
        environ: what symphony would be started with.
        sandbox: beats the workflow's; None leaves it to that.
        settings: None while they are not known; without a file they are the defaults.
    """

    path: Path
    environ: Mapping[str, str]
    sandbox: str | None = None
    settings: Settings | None = None

    @property
    def installation(self) -> Installation:
        """What symphony keeps beside the workflow."""
        return Installation.beside(self.path)

    @property
    def in_machines(self) -> bool:
        """Say whether agents run in machines."""
        return self.settings is not None and self.settings.sandbox == "smolvm"

    @property
    def no_machines(self) -> str:
        """Why nothing is asked about machines."""
        return NOT_LOADED if self.settings is None else f"`sandbox: {self.settings.sandbox}` needs none"


async def read_case(case: Case) -> tuple[Case, Finding]:
    """Return the case with its settings, and what was found of the workflow.

    Without a file, or with one that cannot be used where a sandbox was chosen by hand, the rest is
    examined with the defaults.
    """
    try:
        workflow = await in_thread(partial(load_workflow, case.path, case.environ))
    except WorkflowError as error:
        known = case.sandbox is not None or error.code == MISSING
        return _with(case, _defaults(case) if known else None), _problems(error)
    case = _with(case, workflow.settings)
    try:
        source = WorkflowSource(WorkflowFile(case.path, case.environ), case.sandbox, case.environ)
        started = await source.start()
    except SymphonyError as error:
        return case, _problems(error)
    case = _with(case, started.settings)  # what the environment adds counts too
    if warnings := tuple(dict.fromkeys((*workflow.warnings, *started.warnings))):
        return case, warning("\n".join(warnings), "Correct the file, or leave it so.")
    return case, ok(f"{workflow.path}; sandbox: {case.settings.sandbox if case.settings else ''}")


def _with(case: Case, settings: Settings | None) -> Case:
    if settings is not None and case.sandbox is not None:
        settings = settings.model_copy(update={"sandbox": case.sandbox})
    return replace(case, settings=settings)


def _defaults(case: Case) -> Settings:
    return parse_workflow(b"", case.path, case.environ, check_prompt=False).settings


def _problems(error: SymphonyError) -> Finding:
    problems = [str(problem) for problem in getattr(error, "problems", ())] or [error.message]
    return failed("\n".join(problems), error.remedy or "Correct the file; WORKFLOW.template.md explains it.")
