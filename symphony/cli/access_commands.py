"""`symphony access` with its sub-commands and arguments, as people read them in `--help`.

The bodies only pass on, as those of `commands`. `approve --workflow` names what is opened, so that
the file is named by `--file` here; where nothing else is meant, `--workflow PATH` does too.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from symphony.cli.arguments import WORKFLOW, WORKFLOW_HELP, AsJson, IssueId
from symphony.cli.place import Place

NAME = "access"
HELP = "See and decide which hosts agents may reach."

File = Annotated[Path, typer.Option("--file", metavar="PATH", help=WORKFLOW_HELP)]
Workflow = Annotated[Path, typer.Option("--workflow", "--file", metavar="PATH", help=WORKFLOW_HELP)]
AnyIssue = Annotated[
    str | None,
    typer.Argument(metavar="[ID]", help="The issue, with all that was decided; else what is open."),
]
Host = Annotated[
    str, typer.Argument(metavar="HOST", help="A name such as pypi.org, without scheme and port.")
]


def list_(
    issue_id: AnyIssue = None,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Show which hosts agents were refused."""
    from symphony.cli.access import show_access

    show_access(Place(workflow), issue_id, as_json=as_json)


def approve(
    issue_id: IssueId,
    host: Host,
    once: Annotated[bool, typer.Option("--once", help="Only for the machine that runs now.")] = False,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="For every issue: it is written into WORKFLOW.md.")
    ] = False,
    file: File = WORKFLOW,
) -> None:
    """Let an issue's agent reach a host, now and in its further attempts."""
    from symphony.cli.access import approve_host

    approve_host(Place(file), issue_id, host, once=once, workflow=workflow)


def deny(issue_id: IssueId, host: Host, workflow: Workflow = WORKFLOW) -> None:
    """Keep an issue's agent from a host, and do not ask again."""
    from symphony.cli.access import deny_host

    deny_host(Place(workflow), issue_id, host)


def build(context: dict[str, Any]) -> typer.Typer:
    """Return the parser of the sub-commands."""
    application = typer.Typer(context_settings=context, no_args_is_help=True, help=HELP)
    for name, command in (("list", list_), ("approve", approve), ("deny", deny)):
        application.command(name, context_settings=context)(command)
    return application
