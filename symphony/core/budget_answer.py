"""What became of a person's word about a budget, in sentences; the same with and without a daemon."""

from dataclasses import dataclass
from datetime import datetime

from symphony.core.budget import Spending, over_budget, raising
from symphony.core.decide.ending import running_attempt
from symphony.core.picture import standing
from symphony.core.scheduler import SchedulerState


@dataclass(frozen=True, slots=True)
class BudgetAnswer:
    """Where an issue's budget stands after a change.

    Attributes:
        running: whether an attempt runs, which holds to the ceilings from now on.
        standing: where the issue stands, as a sentence.
    """

    issue_id: str
    spending: tuple[Spending, ...]
    running: bool
    standing: str

    def sentences(self) -> tuple[str, ...]:
        """Return what is in force and what follows."""
        limited = ", ".join(str(each) for each in self.spending if each.ceiling is not None)
        said = f"Issue {self.issue_id} has {f'spent {limited}' if limited else 'no ceiling'}."
        if over_budget(self.spending) is None:
            return said, self.standing
        if self.running:
            return said, "Nothing is left: its turn ends now, and its work is kept on its branch."
        return said, f"Nothing is left: it does not run; `{raising(self.issue_id, self.spending)}` raises it."


def budget_answer(state: SchedulerState, issue_id: str, now: datetime) -> BudgetAnswer:
    """Return where an issue's budget stands in this state."""
    running = running_attempt(state.record(issue_id)) is not None
    return BudgetAnswer(issue_id, state.account(issue_id), running, standing(state, issue_id, now))
