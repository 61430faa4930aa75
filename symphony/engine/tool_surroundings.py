"""What the workflow's own tools are given in one attempt: names, numbers and their own secrets."""

from symphony.core.hidden import secrets_of
from symphony.core.issue import Issue
from symphony.core.labels import label_variables
from symphony.core.ports import Workspace
from symphony.core.references import filled_in
from symphony.engine.context import AttemptContext
from symphony.engine.toolbox import Toolbox

NOT_TOLD = "SYMPHONY_WORKSPACE"  # what the agent can write is no place for a command of the host


def open_toolbox(context: AttemptContext, issue: Issue, workspace: Workspace) -> Toolbox:
    """Return the tools of the issue's state, as the settings were when the attempt began."""
    environment = {
        name: value for name, value in context.environment(issue, workspace).items() if name != NOT_TOLD
    }
    labels = {**context.ports.labels, "issue": context.issue_id, "attempt": context.start.attempt_id}
    values = context.workflow.variables
    return Toolbox(
        context.settings.tools,
        context.ports.commands,
        context.ports.clock,
        context.progress.run_log,
        environment={**environment, **label_variables(labels)},
        variables={
            tool.name: {name: filled_in(value, values) for name, value in tool.env.items()}
            for tool in context.settings.tools
        },
        secrets=secrets_of(context.workflow),
    )
