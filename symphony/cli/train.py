"""`symphony train`: how the merge train stands, and its new beginning from the base."""

import asyncio
from collections.abc import Sequence

from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted, moment
from symphony.core.train import DIGITS, Passenger, TrainView
from symphony.web.times import time_view
from symphony.workspace.train_desk import TrainDesk


def show_train(place: Place, *, as_json: bool) -> None:
    """Show head, base, what is aboard in its order, and why nothing can board."""
    view = asyncio.run(_desk(place).look(place.workflow.settings))
    screen = Screen()
    if as_json:
        screen.json(_json(view))
        return
    screen.line(f"The merge train {view.branch}{_where(view)}", style="bold")
    if view.stopped:
        screen.line(f"It stands still: {view.stopped}", style="yellow")
    if view.passengers:
        screen.heading(f"Aboard ({len(view.passengers)}), the first first")
        _list(screen, view.passengers)
    elif view.head:
        screen.line("Nothing is aboard that is not in the base.")


def reset_train(place: Place, *, as_json: bool) -> None:
    """Move the train to its base, and say what is not aboard any more."""
    before = asyncio.run(_desk(place).reset(place.workflow.settings))
    screen = Screen()
    if as_json:
        screen.json({"branch": before.branch, "head": before.base_commit, "left_out": _passengers(before)})
        return
    if not before.head:
        screen.line(f"There is no branch {before.branch} yet; the first piece of work makes it.")
        return
    at = f"{before.base} ({before.base_commit[:DIGITS]})"
    screen.line(f"The merge train {before.branch} starts anew from {at}; it was at {before.head[:DIGITS]}.")
    if before.passengers:
        screen.heading(f"Not aboard any more ({counted(len(before.passengers), 'issue')})")
        _list(screen, before.passengers)


def _desk(place: Place) -> TrainDesk:
    return TrainDesk(place.path.absolute().parent, place.installation)


def _where(view: TrainView) -> str:
    base = f"{view.base} is at {view.base_commit[:DIGITS]}." if view.base_commit else ""
    if view.head:
        return f" is at {view.head[:DIGITS]}; {base}"
    return f" has no branch yet; {base}" if base else ""


def _list(screen: Screen, passengers: Sequence[Passenger]) -> None:
    rows = [
        (each.issue_id, each.title, each.commit[:DIGITS], moment(time_view(each.at))) for each in passengers
    ]
    screen.table(rows)


def _json(view: TrainView) -> dict[str, object]:
    return {
        "branch": view.branch,
        "head": view.head or None,
        "base": view.base,
        "base_commit": view.base_commit or None,
        "aboard": _passengers(view),
        "stopped": view.stopped or None,
    }


def _passengers(view: TrainView) -> list[dict[str, object]]:
    return [
        {"issue_id": each.issue_id, "title": each.title, "commit": each.commit, "at": time_view(each.at)}
        for each in view.passengers
    ]
