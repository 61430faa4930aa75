"""WORKFLOW.md as this version can carry it out, with the command line's overrides on it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from symphony.agent.advertised import Advertised
from symphony.agent.needs import credential_values
from symphony.core.errors import SymphonyError
from symphony.core.forge import REPO_VARIABLE, parse_repo
from symphony.core.installation import Installation
from symphony.core.ports import Reloaded
from symphony.core.problem import Problem
from symphony.core.settings import Settings
from symphony.core.workflow import Workflow
from symphony.core.workflow_report import FileNote, WorkflowReport
from symphony.host.watcher import open_watcher
from symphony.sandbox.drivers import check_kind
from symphony.workflow.document import KeyPath
from symphony.workflow.errors import WorkflowError
from symphony.workflow.file import WorkflowFile
from symphony.workflow.report import Notes, Texts, make_report


class WorkflowSource:
    """WORKFLOW.md with the command line's overrides on it, refused where it cannot be carried out.

    Attributes:
        hide: told the workflow's secrets after each change.
    """

    def __init__(
        self,
        file: WorkflowFile,
        sandbox: str | None,
        environ: Mapping[str, str],
        *,
        port: int | None = None,
    ) -> None:
        self.hide: Callable[[Collection[str]], None] = lambda _: None
        self._file = file
        self._sandbox = sandbox
        self._port = port
        self._environ = environ
        self._first: Workflow | None = None
        self._checked: Workflow | None = None
        self._in_force: tuple[Workflow, bytes] | None = None
        self._not_supported: WorkflowError | None = None
        self._kept_secret: frozenset[str] = frozenset()

    def keep_secret(self, values: Collection[str]) -> None:
        """Keep these values out of everything that is written down, beside the workflow's own secrets."""
        self._kept_secret |= frozenset(values)
        if self._in_force is not None:
            self.hide(self._in_force[0].secrets | self._kept_secret)

    async def check_first_prompt(self) -> None:
        """Let the next reload tell what is wrong with the first prompt, unless it was edited since."""
        first = self._first
        if first is not None and (warnings := await asyncio.to_thread(_prompt_warnings, first)):
            current = self._file.current
            if current is not None and current.revision == first.revision:
                self._checked = replace(first, warnings=(*first.warnings, *warnings))
                if self._in_force is not None:
                    self._in_force = self._checked, self._in_force[1]

    async def start(self) -> Workflow:
        """Return the first workflow.

        Raises:
            WorkflowError: with every problem at once.
            SymphonyError: what cannot be carried out, with its remedy.
        """
        workflow = await asyncio.to_thread(self._override, await self._file.start())
        self._check(workflow.settings)
        self._first = workflow
        self._take(workflow)
        return workflow

    async def reload(self) -> Reloaded | None:
        """Return what changed in the file since the last call; None when nothing did."""
        reloaded = await self._file.reload()
        checked, self._checked = self._checked, None
        if reloaded is None and checked is not None:
            return Reloaded(checked)
        if reloaded is None or reloaded.workflow is None:
            return reloaded
        workflow = await asyncio.to_thread(self._override, reloaded.workflow)
        try:
            self._check(workflow.settings)
        except SymphonyError as error:
            problem = Problem(error.code, str(workflow.path), str(error))
            self._not_supported = WorkflowError(workflow.path, [problem])
            return Reloaded(None, (problem,))
        self._take(workflow)
        self.hide(workflow.secrets)
        return Reloaded(workflow, reloaded.problems)

    async def report(self) -> WorkflowReport:
        """Return the workflow in force with the source of each setting, and the file as it is now."""
        beaten: dict[KeyPath, str | int | None] = {
            ("sandbox",): self._sandbox,
            ("server", "port"): self._port,
        }
        command_line = {key: value for key, value in beaten.items() if value is not None}
        return await asyncio.to_thread(make_report, *self._texts(), self._environ, command_line)

    async def note(self, said: str) -> FileNote:
        """Return a message about a place in the workflow in force as a note about that place."""
        workflow, texts = self._texts()
        return await asyncio.to_thread(lambda: Notes(workflow, texts, texts.in_force).note(said))

    async def allow_host(self, host: str, *, write: bool = True) -> bool:
        """Put a host into the file's `smolvm.egress.allow`; say whether it was missing.

        Raises:
            SymphonyError: `workflow_not_editable`; nothing was changed.
        """
        return await self._file.allow_host(host, write=write)

    def _take(self, workflow: Workflow) -> None:
        self._in_force = workflow, self._file.raw or b""
        self._not_supported = None

    def _texts(self) -> tuple[Workflow, Texts]:
        if self._in_force is None:
            raise LookupError("nothing was read yet")
        workflow, raw = self._in_force
        error = self._file.error or self._not_supported
        return workflow, Texts(self._file.path, raw, self._file.raw, self._file.read_at, error)

    def _override(self, workflow: Workflow) -> Workflow:
        found = credential_values(self._environ) | self._kept_secret
        doubts = Advertised(Installation.beside(workflow.path).adapters_file).warnings(workflow.settings)
        warnings = (*workflow.warnings, *(f"{workflow.path}: {doubt}" for doubt in doubts))
        settings = workflow.settings
        if self._sandbox is not None:
            settings = settings.model_copy(update={"sandbox": self._sandbox})
        if settings.handoff.repo is None and (repo := self._environ.get(REPO_VARIABLE)):
            handoff = settings.handoff.model_copy(update={"repo": repo})
            settings = settings.model_copy(update={"handoff": handoff})
        return replace(workflow, settings=settings, secrets=workflow.secrets | found, warnings=warnings)

    def _check(self, settings: Settings) -> None:
        check_kind(settings.sandbox)
        if settings.handoff.repo is not None:
            parse_repo(settings.handoff.repo)


@asynccontextmanager
async def open_reloading(path: Path, wake: Callable[[], object]) -> AsyncIterator[None]:
    """Call `wake` when the workflow's file changes, until the block is left."""

    def on_change(paths: frozenset[Path] | None) -> None:
        if paths is None or path in paths:
            wake()

    async with open_watcher([path.parent], on_change):
        yield


def _prompt_warnings(workflow: Workflow) -> tuple[str, ...]:
    from symphony.workflow.prompt import prompt_warnings  # the template engine is slow to import

    return tuple(prompt_warnings(workflow.prompt, workflow.prompt_line, workflow.path))
