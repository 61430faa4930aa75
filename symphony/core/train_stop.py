"""That the merge train stands still, as far as finished work has run into it.

The train itself is not looked at: what waits for it has its reason from the last time it tried to board.
[docs/merge-train.md]
"""

from typing import Final

from symphony.core.claim import IssueRecord, Retrying, Running
from symphony.core.problem import Problem
from symphony.core.scheduler import SchedulerState
from symphony.core.text import one_line
from symphony.core.train import NAME_SHOWN

CODES: Final = "train."
BUSY: Final = "train.busy"
"""Others board meanwhile: nobody has anything to do."""


def train_problem(state: SchedulerState) -> Problem | None:
    """Return why finished work cannot board; None when it can, or nothing has found out that it cannot.

    The words hold as long as the train stands still, also while a handoff is tried again.
    """
    branch = state.workflow.settings.merge_train.branch
    if branch is None:
        return None
    for _, record in sorted(state.records.items()):
        code = _failure_code(record)
        if record.failure_reasons and code.startswith(CODES) and code != BUSY:
            where = f"merge train {one_line(branch, NAME_SHOWN)}"
            why = one_line(record.failure_reasons[-1])
            return Problem(code, where, f"it stands still, and finished work waits for it. {why}")
    return None


def _failure_code(record: IssueRecord) -> str:
    if record.completion is None:
        return ""
    match record.claim:
        case Retrying(code=code) | Running(repeats=code):
            return code
        case _:
            return ""
