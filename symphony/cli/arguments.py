"""The arguments that many commands have in common, as people read them in `--help`."""

from pathlib import Path
from typing import Annotated

import typer

WORKFLOW = Path("WORKFLOW.md")
WORKFLOW_HELP = "The WORKFLOW.md of the installation."

Workflow = Annotated[Path, typer.Option("--workflow", metavar="PATH", help=WORKFLOW_HELP)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
IssueId = Annotated[str, typer.Argument(metavar="ID", help="The issue.")]
