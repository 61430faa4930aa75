"""WORKFLOW.md and the texts that an agent is given [CONTRACT 2.4, 2.5, 5.3]."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from symphony.core.best import BestState
from symphony.core.budget import Spending
from symphony.core.issue import Issue
from symphony.core.ports.store import AttemptRow
from symphony.core.ports.workspaces import HookResult, Workspace
from symphony.core.problem import Problem
from symphony.core.safety import SafetyRef
from symphony.core.steering import SteeringRequest
from symphony.core.train import TrainMerge
from symphony.core.transition import Exits
from symphony.core.workflow import Workflow

ONLY_DONE = Exits()


class Prompts(Protocol):
    """The texts that an agent is given [CONTRACT 2.5, 5.3]."""

    def first(
        self, workflow: Workflow, issue: Issue, number: int, workspace: Workspace, earlier: "Earlier"
    ) -> str:
        """Render the workflow's prompt, with what is known of earlier attempts after it.

        Raises:
            WorkflowError: `template_parse_error`, `template_render_error`.
        """
        ...

    def continuation(
        self, issue: Issue, turn: int, max_turns: int, *, edited: bool, exits: Exits = ONLY_DONE
    ) -> str:
        """Return short guidance for a later turn; the whole issue again when it was edited."""
        ...

    def reply(self, steering: SteeringRequest, exits: Exits = ONLY_DONE) -> str:
        """Return the turn that carries a person's answer, with question and context."""
        ...

    def checks_failed(self, results: Sequence[HookResult], tool: str = "mark_done") -> str:
        """Return the turn that tells the agent which checks failed after a tool's call, and how."""
        ...

    def train_refused(
        self, merge: TrainMerge, results: Sequence[HookResult], tool: str = "mark_done", *, shown: bool
    ) -> str:
        """Return the turn that tells the agent how its branch does not fit onto the merge train.

        Args:
            merge: that was tried.
            results: of the checks on it; nothing with conflicts.
            tool: that the agent had called.
            shown: whether the agent's repository has what it was merged onto.
        """
        ...

    def unmoved(self, text: str) -> str:
        """Return a turn's text, after the word that the last turn changed nothing."""
        ...

    def nearly_spent(self, text: str, spending: Sequence[Spending], exits: Exits = ONLY_DONE) -> str:
        """Return a turn's text, followed by what little is left of the issue's budget."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a new attempt is told of the ones before it.

    Attributes:
        attempts: ended attempts, oldest first.
        steering: questions with their replies, oldest first.
        left: what lay in the workspace and in nothing that was imported; None when nothing did.
        best: the work with the fewest failing checks; None before any failed.
    """

    attempts: tuple[AttemptRow, ...] = ()
    steering: tuple[SteeringRequest, ...] = ()
    left: SafetyRef | None = None
    best: BestState | None = None


class WorkflowSource(Protocol):
    """WORKFLOW.md as the engine sees it [CONTRACT 2.4]."""

    async def reload(self) -> "Reloaded | None":
        """Read the file if it changed since the last call; cheap when it did not."""
        ...

    async def allow_host(self, host: str, *, write: bool = True) -> bool:
        """Put a host into `smolvm.egress.allow` and keep every other byte; say whether it was missing.

        With `write` False it is only found out whether that can be done.

        Raises:
            SymphonyError: `workflow_not_editable`, with the lines to add by hand; nothing was changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A changed WORKFLOW.md.

    Attributes:
        workflow: None when the edit cannot be used.
        problems: why not.
    """

    workflow: Workflow | None
    problems: tuple[Problem, ...] = ()
