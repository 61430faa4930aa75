"""`symphony train`: how the merge train stands, and its new beginning from the base."""

from collections.abc import Mapping, Sequence
from typing import Any

from symphony.cli.desk import act, read
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted, moment
from symphony.core.train import DIGITS


def show_train(place: Place, *, as_json: bool) -> None:
    """Show head, base, what is aboard in its order, and why nothing can board."""
    train = read(place, lambda desk: desk.train())
    screen = Screen()
    if as_json:
        screen.json(train)
        return
    screen.line(f"The merge train {train['branch']}{_where(train)}", style="bold")
    if train["stopped"]:
        screen.line(f"It stands still: {train['stopped']}", style="yellow")
    if train["aboard"]:
        screen.heading(f"Aboard ({len(train['aboard'])}), the first first")
        _list(screen, train["aboard"])
    elif train["head"]:
        screen.line("Nothing is aboard that is not in the base.")


def reset_train(place: Place, *, as_json: bool) -> None:
    """Move the train to its base, and say what is not aboard any more."""
    reset = act(place, lambda desk: desk.reset_train())
    screen = Screen()
    if as_json:
        screen.json(reset)
        return
    branch, was, left_out = reset["branch"], reset["was"], reset["left_out"]
    if not was:
        screen.line(f"There is no branch {branch} yet; the first piece of work makes it.")
        return
    at = f"{reset['base']} ({reset['head'][:DIGITS]})"
    screen.line(f"The merge train {branch} starts anew from {at}; it was at {was[:DIGITS]}.")
    if left_out:
        screen.heading(f"Not aboard any more ({counted(len(left_out), 'issue')})")
        _list(screen, left_out)


def _where(train: Mapping[str, Any]) -> str:
    base = f"{train['base']} is at {train['base_commit'][:DIGITS]}." if train["base_commit"] else ""
    if train["head"]:
        return f" is at {train['head'][:DIGITS]}; {base}"
    return f" has no branch yet; {base}" if base else ""


def _list(screen: Screen, passengers: Sequence[Mapping[str, Any]]) -> None:
    screen.table(
        [
            (each["issue_id"], each["title"], each["commit"][:DIGITS], moment(each["at"]))
            for each in passengers
        ]
    )
