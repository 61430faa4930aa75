"""What is wrong with WORKFLOW.md, all of it at once."""

from collections.abc import Iterable
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.problem import Problem


class WorkflowError(SymphonyError):
    """WORKFLOW.md cannot be used, or its prompt cannot be rendered.

    Codes: `missing_workflow_file`, `workflow_parse_error`, `workflow_front_matter_not_a_map`,
    `workflow_invalid`, `workflow_not_editable`, `template_parse_error`, `template_render_error`.

    Attributes:
        problems: each thing that is wrong, in the order of the file; never empty.
    """

    def __init__(self, path: Path, problems: Iterable[Problem], *, remedy: str = "") -> None:
        self.problems = tuple(problems)
        message = " ".join(str(problem) for problem in self.problems)
        if len(self.problems) > 1:
            message = f"{path} has {len(self.problems)} problems. {message}"
        super().__init__(message, code=self.problems[0].code, remedy=remedy)

    @classmethod
    def single(cls, code: str, path: Path, where: str, message: str, *, remedy: str = "") -> "WorkflowError":
        """Return the error with one problem."""
        return cls(path, [Problem(code, where, message)], remedy=remedy)
