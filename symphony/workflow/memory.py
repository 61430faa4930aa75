"""WORKFLOW.md without a disk, for the engine's tests and the simulation.

It behaves as `WorkflowFile` does in all that the contract suite asks, without threads or time.
"""

from collections.abc import Mapping
from pathlib import Path

from symphony.core.ports import Reloaded
from symphony.core.problem import Problem
from symphony.core.workflow import Workflow
from symphony.workflow.egress import with_allowed_host
from symphony.workflow.errors import WorkflowError
from symphony.workflow.known import LastKnownGood, parse_reading
from symphony.workflow.loader import missing


class MemoryWorkflowFile:
    """The workflow in use and the text that it comes from.

    Args:
        text: what the file holds; None for no file.
        path: an absolute name; nothing is ever read there.
    """

    def __init__(
        self,
        text: str | None = "",
        path: Path = Path("/memory/WORKFLOW.md"),
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self._environ = environ or {}
        self._raw: bytes | WorkflowError = b""
        self._known = LastKnownGood()
        self.write(text)

    def write(self, text: str | None) -> None:
        """Replace the text; None deletes the file."""
        self._raw = missing(self.path, "it does not exist") if text is None else text.encode()

    @property
    def current(self) -> Workflow | None:
        """The last known good workflow; None before the first."""
        return self._known.current

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What stands against the text as it is now; empty while it is in use."""
        return self._known.problems

    async def start(self) -> Workflow:
        """Read the text for the first time.

        Raises:
            WorkflowError: with every problem at once.
        """
        await self.reload()
        return self._known.required()

    async def reload(self) -> Reloaded | None:
        """Read the text if it changed, and return what that changes; None when nothing did."""
        known = self.current is not None
        reading = parse_reading(self._raw, self.path, self._environ, lambda _: False, known=known)
        return self._known.learn(reading)

    async def allow_host(self, host: str, *, write: bool = True) -> bool:
        """Put a host into `smolvm.egress.allow`.

        Raises:
            WorkflowError: `workflow_not_editable`; nothing was changed.
        """
        edited = with_allowed_host(self._raw, self.path, host, self._environ, lambda _: False)
        if edited is not None and write:
            self._raw = edited
        return edited is not None
