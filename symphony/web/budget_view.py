"""The JSON of an issue's budget, as pure functions of the core's values.

A spending is `{kind, spent, ceiling, own, reached, text}`, of tokens, usd and minutes; `ceiling` is null
where there is none, `own` says that a person gave it to this issue, `text` is for people.
"""

from collections.abc import Iterable
from typing import Any

from symphony.core.budget import Spending
from symphony.core.budget_answer import BudgetAnswer

Json = dict[str, Any]


def spending_view(spending: Iterable[Spending]) -> list[Json]:
    """Return what is spent of each kind."""
    return [
        {
            "kind": each.kind.value,
            "spent": each.spent,
            "ceiling": each.ceiling,
            "own": each.own,
            "reached": each.reached,
            "text": str(each),
        }
        for each in spending
    ]


def budget_view(answer: BudgetAnswer) -> Json:
    """Return where a budget stands after a change; `said` is for people."""
    return {
        "issue_id": answer.issue_id,
        "budget": spending_view(answer.spending),
        "said": list(answer.sentences()),
    }
