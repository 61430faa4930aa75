"""`symphony permission` with its sub-commands and arguments, as people read them in `--help`.

The bodies only pass on, as those of `commands`.
"""

from typing import Annotated, Any

import typer

from symphony.cli.arguments import WORKFLOW, AsJson, IssueId, Workflow
from symphony.cli.place import Place

NAME = "permission"
HELP = "See and answer what agents ask to be allowed (acp.permission: ask)."

AnyIssue = Annotated[str | None, typer.Argument(metavar="[ID]", help="The issue; without one, all.")]
Request = Annotated[
    str | None,
    typer.Option("--request", metavar="NAME", help="Which request, when the issue has several open."),
]


def list_(
    issue_id: AnyIssue = None,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Show what agents wait to be allowed."""
    from symphony.cli.permission import show_permissions

    show_permissions(Place(workflow), issue_id, as_json=as_json)


def allow(
    issue_id: IssueId,
    always: Annotated[bool, typer.Option("--always", help="For the rest of the session.")] = False,
    request: Request = None,
    workflow: Workflow = WORKFLOW,
) -> None:
    """Let an issue's agent do what it asks for."""
    from symphony.cli.permission import answer_permission
    from symphony.core.permission import PermissionAnswer

    answer = PermissionAnswer.ALWAYS if always else PermissionAnswer.ONCE
    answer_permission(Place(workflow), issue_id, request, answer)


def deny(issue_id: IssueId, request: Request = None, workflow: Workflow = WORKFLOW) -> None:
    """Refuse what an issue's agent asks for."""
    from symphony.cli.permission import answer_permission
    from symphony.core.permission import PermissionAnswer

    answer_permission(Place(workflow), issue_id, request, PermissionAnswer.DENY)


def build(context: dict[str, Any]) -> typer.Typer:
    """Return the parser of the sub-commands."""
    application = typer.Typer(context_settings=context, no_args_is_help=True, help=HELP)
    for name, command in (("list", list_), ("allow", allow), ("deny", deny)):
        application.command(name, context_settings=context)(command)
    return application
