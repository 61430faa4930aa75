"""The author's wish for a branch name, checked by git's own rules."""

from symphony.core.keys import is_branch_name
from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError


def check_branch(name: str) -> str:
    """Return the name if a branch can have it.

    Raises:
        WorkspaceError: `workspace.branch_invalid`.
    """
    if not is_branch_name(name):
        raise WorkspaceError(
            f"branch_name '{one_line(name)}' cannot be the name of a branch.",
            code="workspace.branch_invalid",
            remedy="Correct branch_name in the issue's front matter, or leave it out.",
        )
    return name
