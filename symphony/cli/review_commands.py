"""The commands for what was handed over, with their arguments, as people read them in `--help`.

The bodies only pass on, as those of `commands`.
"""

from collections.abc import Callable
from typing import Annotated, Any

import typer

from symphony.cli.arguments import WORKFLOW, AsJson, IssueId, Workflow
from symphony.cli.place import Place

PANEL = "Take over what was done"


def apply(
    issue_id: IssueId,
    branch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Make this branch for it; your files and your branch stay."),
    ] = None,
    three_way: Annotated[
        bool, typer.Option("--three-way", help="Let git merge where the lines around a change differ.")
    ] = False,
    workflow: Workflow = WORKFLOW,
    as_json: AsJson = False,
) -> None:
    """Put an issue's patch into the source repository: all of it or nothing."""
    from symphony.cli.apply import apply_issue

    apply_issue(Place(workflow), issue_id, branch=branch, three_way=three_way, as_json=as_json)


def review(issue_id: IssueId, workflow: Workflow = WORKFLOW, as_json: AsJson = False) -> None:
    """Show what was handed over: a summary, the diff, and whether it still merges."""
    from symphony.cli.review import review_issue

    review_issue(Place(workflow), issue_id, as_json=as_json)


def reject(
    issue_id: IssueId,
    text: Annotated[
        str,
        typer.Argument(
            metavar="[TEXT|-]",
            help="What is to be changed; - reads it from stdin. Without it, the `#>` lines in the patch.",
        ),
    ] = "",
    to: Annotated[
        str | None, typer.Option("--to", metavar="STATE", help="Without it, the state it was worked in.")
    ] = None,
    workflow: Workflow = WORKFLOW,
) -> None:
    """Send delivered work back: your words are its agent's next prompt, on the same branch."""
    from symphony.cli.acting import reject_work

    reject_work(Place(workflow), issue_id, text, to)


COMMANDS: tuple[Callable[..., Any], ...] = (review, apply, reject)
