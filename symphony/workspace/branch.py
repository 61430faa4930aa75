"""The author's wish for a branch name, checked by git's own rules."""

import re

from symphony.core.text import one_line
from symphony.workspace.errors import WorkspaceError

FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")
LONGEST = 200  # bytes; git keeps a branch as a file, and file systems end at 255


def check_branch(name: str) -> str:
    """Return the name if a branch can have it.

    Raises:
        WorkspaceError: `workspace.branch_invalid`.
    """
    parts = name.split("/")
    bad = (
        FORBIDDEN.search(name)
        or len(name.encode("utf-8", "replace")) > LONGEST
        or name in ("@", "HEAD", "agent")
        or name.startswith(("-", "refs/"))
        or name.endswith(".")
        or any(not part or part.startswith(".") or part.endswith(".lock") for part in parts)
    )
    if bad:
        raise WorkspaceError(
            f"branch_name '{one_line(name)}' cannot be the name of a branch.",
            code="workspace.branch_invalid",
            remedy="Correct branch_name in the issue's front matter, or leave it out.",
        )
    return name
