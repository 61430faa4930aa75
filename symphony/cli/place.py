"""Where a command works: a WORKFLOW.md and what symphony keeps beside it."""

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from symphony.core.installation import Installation

if TYPE_CHECKING:
    from symphony.core.workflow import Workflow


class Place:
    """One WORKFLOW.md; it is read only when something in it is needed.

    Attributes:
        path: as the user named it; messages name it so.
        environ: the variables that this process was started with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environ = dict(os.environ)

    @cached_property
    def installation(self) -> Installation:
        """What symphony owns here, found without reading the file: a daemon is found beside a broken one."""
        # not resolved: the daemon, too, looks beside the name and not beside a symlink's target
        return Installation.beside(Path(os.path.abspath(self.path)))  # noqa: PTH100

    @cached_property
    def workflow(self) -> "Workflow":
        """The file as it is now.

        Raises:
            WorkflowError: with every problem at once.
        """
        from symphony.workflow.loader import load_workflow  # pydantic and YAML: slow to import

        return load_workflow(self.path, self.environ, check_prompt=False)
