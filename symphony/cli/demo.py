"""`symphony demo`: one issue becomes a patch, in a throw-away project."""

import shlex
import tempfile
from pathlib import Path

from symphony.cli.demo_project import FIX, make_project, write_issues
from symphony.cli.errors import DONE, CommandError
from symphony.cli.place import Place
from symphony.cli.run import run_workflow
from symphony.cli.screen import Screen
from symphony.core.keys import workspace_key


def run_demo(folder: Path | None) -> int:
    """Make the project, work on its issue until it is done, and say where the patch is.

    Raises:
        CommandError: `demo_folder_taken`, `demo_failed`.
    """
    project = make_project((folder or Path(tempfile.mkdtemp(prefix="symphony-demo-"))).absolute())
    (issue,) = write_issues(project, (FIX,))
    place = Place(project / "WORKFLOW.md")
    workflow = shlex.quote(str(place.path))
    screen = Screen()
    screen.line("A git project with a failing test, an issue that says how to mend it, and an agent")
    screen.line("without a model that follows the issue to the letter:")
    screen.table([("project", project), ("issue", issue)])
    screen.line()
    screen.flush()
    status = run_workflow(place.path, port=0, until_idle=True)
    patch = place.installation.patches / f"agent_{workspace_key(FIX.id)}.patch"
    if status != DONE or not patch.is_file():
        raise CommandError(
            "The demo did not end with a patch.",
            code="demo_failed",
            remedy=f"See `symphony show {FIX.id} --workflow {workflow}`.",
        )
    screen.line()
    screen.line("The patch is ready. Look at what happened, and apply it:")
    screen.command(f"symphony logs {FIX.id} --workflow {workflow}")
    screen.command(f"git -C {shlex.quote(str(project))} am {shlex.quote(str(patch))}")
    return DONE
