"""`symphony train` with its sub-command and arguments, as people read them in `--help`.

The bodies only pass on, as those of `commands`.
"""

from typing import Any

import typer

from symphony.cli.arguments import WORKFLOW, AsJson, Workflow
from symphony.cli.place import Place

NAME = "train"
HELP = "Show the merge train: its head, what is aboard, and whether it stands still."


def show(context: typer.Context, workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Show the merge train, unless a sub-command is named."""
    if context.invoked_subcommand is None:
        from symphony.cli.train import show_train

        show_train(Place(workflow), as_json=as_json)


def reset(workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Start anew from the base, and say what is not aboard any more. Only the branch moves."""
    from symphony.cli.train import reset_train

    reset_train(Place(workflow), as_json=as_json)


def build(context: dict[str, Any]) -> typer.Typer:
    """Return the parser of the command and its sub-command."""
    application = typer.Typer(context_settings=context, invoke_without_command=True, help=HELP)
    application.callback(help=HELP)(show)
    application.command("reset", context_settings=context)(reset)
    return application
