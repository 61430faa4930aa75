"""The engine's port to all texts that an agent is given."""

from collections.abc import Sequence

from symphony.core.budget import Spending
from symphony.core.issue import Issue
from symphony.core.ports import Earlier, HookResult, Workspace
from symphony.core.steering import SteeringRequest
from symphony.core.train import TrainMerge
from symphony.core.transition import Exits
from symphony.core.workflow import Workflow
from symphony.workflow.continuation import (
    ONLY_DONE,
    checks_failed_prompt,
    continuation_prompt,
    earlier_prompt,
    nearly_spent_prompt,
    reply_prompt,
    train_refused_prompt,
    unmoved_prompt,
)


class LiquidPrompts:
    """Texts from the workflow's template and from this package; holds no state."""

    def first(
        self, workflow: Workflow, issue: Issue, number: int, workspace: Workspace, earlier: Earlier
    ) -> str:
        """Render the workflow's prompt, with what is known of earlier attempts after it.

        Raises:
            WorkflowError: `template_parse_error`, `template_render_error`.
        """
        from symphony.workflow.prompt import render_prompt  # the template engine is slow to import

        place = {"path": str(workspace.path), "branch": workspace.branch, "base": workspace.base}
        rendered = render_prompt(workflow, issue, number if number > 1 else None, place)
        return earlier_prompt(
            rendered,
            earlier.attempts,
            earlier.steering,
            unfinished=earlier.left is not None,
            best=earlier.best,
        )

    def continuation(
        self, issue: Issue, turn: int, max_turns: int, *, edited: bool, exits: Exits = ONLY_DONE
    ) -> str:
        """Return short guidance for a later turn; the whole issue again when it was edited."""
        return continuation_prompt(issue, turn, max_turns, edited, exits)

    def reply(self, steering: SteeringRequest, exits: Exits = ONLY_DONE) -> str:
        """Return the turn that carries a person's answer, with question and context."""
        return reply_prompt(steering, exits)

    def checks_failed(self, results: Sequence[HookResult], tool: str = "mark_done") -> str:
        """Return the turn that tells the agent which checks failed after a tool's call, and how."""
        return checks_failed_prompt(results, tool)

    def train_refused(
        self, merge: TrainMerge, results: Sequence[HookResult], tool: str = "mark_done", *, shown: bool
    ) -> str:
        """Return the turn that tells the agent how its branch does not fit onto the merge train."""
        return train_refused_prompt(merge, results, tool, shown=shown)

    def unmoved(self, text: str) -> str:
        """Return a turn's text, after the word that the last turn changed nothing."""
        return unmoved_prompt(text)

    def nearly_spent(self, text: str, spending: Sequence[Spending], exits: Exits = ONLY_DONE) -> str:
        """Return a turn's text, followed by what little is left of the issue's budget."""
        return nearly_spent_prompt(text, spending, exits)
