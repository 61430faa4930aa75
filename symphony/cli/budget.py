"""`symphony budget`: what an issue has spent, and what it may."""

from collections.abc import Mapping

from symphony.cli.desk import Desk, Json, act, read
from symphony.cli.errors import usage_error
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.core.budget import InvalidBudget, parse_changes

OWN = "its own ceiling"


def show_budget(place: Place, issue_id: str, *, as_json: bool) -> None:
    """Print what all attempts on an issue have spent, with the ceilings in force."""
    detail, screen = read(place, lambda desk: desk.detail(issue_id)), Screen()
    if as_json:
        screen.json({"issue_id": issue_id, "budget": detail["budget"]})
        return
    screen.line(detail["standing"])
    screen.table([(each["text"], OWN if each["own"] else _from_workflow(each)) for each in detail["budget"]])


def give_budget(place: Place, issue_id: str, given: Mapping[str, str | None], *, as_json: bool) -> None:
    """Give an issue ceilings of its own and say what follows.

    Raises:
        CommandError: `usage` when an amount is none.
    """
    amounts = {kind: amount for kind, amount in given.items() if amount is not None}
    try:
        parse_changes(amounts)
    except InvalidBudget as error:
        raise usage_error(f"--{error.message}", error.remedy) from error

    def command(desk: Desk) -> Json:
        return desk.budget(issue_id, amounts)

    answer, screen = act(place, command), Screen()
    if as_json:
        screen.json(answer)
        return
    for sentence in answer["said"]:
        screen.line(sentence)


def _from_workflow(spending: Json) -> str:
    return "no ceiling" if spending["ceiling"] is None else "as WORKFLOW.md says"
