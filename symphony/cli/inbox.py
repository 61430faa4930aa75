"""`symphony inbox`: only what does not go on without a person."""

import shlex

from symphony.cli.access import print_requests
from symphony.cli.desk import Desk, Json, read
from symphony.cli.permission import print_permissions
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.status import TITLE, daemon_view, print_problems, print_questions
from symphony.cli.words import counted
from symphony.core.attention import OWED, PARKED
from symphony.core.text import duration, one_line


def show_inbox(place: Place, *, as_json: bool) -> None:
    """Print what needs a person, or that nothing does."""
    needs = read(place, needs_of)
    screen = Screen()
    if as_json:
        screen.json(needs)
        return
    print_questions(screen, needs["questions"])
    asks = print_permissions(screen, needs["running"])
    _held(screen, needs["held"])
    print_requests(screen, needs["access"], needs["access_count"], needs["generated_at"])
    _parked(screen, needs["parked"])
    _undelivered(screen, needs["undelivered"], needs["undelivered_count"])
    print_problems(screen, needs["problems"])
    if not (
        needs["questions"]
        or asks
        or needs["parked"]
        or needs["undelivered_count"]
        or needs["problems"]
        or needs["access"]
        or needs["held"]
    ):
        screen.line("Nothing needs you.")


def needs_of(desk: Desk) -> Json:
    """Return the part of the picture that waits for a person, in the API's shapes."""
    state = desk.state()
    blocked = state["blocked"]
    handoffs = [view for view in state["retrying"] if view["kind"] in OWED]
    return {
        "generated_at": state["generated_at"],
        "daemon": daemon_view(desk),
        "questions": [view for view in state["waiting"] if view["steering"]["open"]],
        "running": [view for view in state["running"] if view["permissions"]],
        "parked": [view for view in blocked if view["code"] in PARKED],
        "undelivered": handoffs,
        "undelivered_count": state["counts"]["undelivered"],
        "held": state["held"],
        "access": state["access"],
        "access_count": state["counts"]["access"],
        "problems": state["problems"],
    }


def _held(screen: Screen, views: list[Json]) -> None:
    if not views:
        return
    screen.heading(f"Held with secrets in the finished work ({len(views)})")
    for view in views:
        screen.table([(view["issue_id"], view["title"])], style="bold")
        for finding in view["findings"]:
            screen.line(finding["said"], indent="    ")
        for command in ("approve", "retry", "discard"):
            screen.command(f"symphony {command} {shlex.quote(view['issue_id'])}")


def _parked(screen: Screen, views: list[Json]) -> None:
    if not views:
        return
    screen.heading(f"Parked ({len(views)})")
    for view in views:
        screen.table([(view["issue_id"], view["state"], view["title"])], style="bold")
        screen.paragraph(view["reason"], indent="    ")


def _undelivered(screen: Screen, views: list[Json], count: int) -> None:
    if not count:
        return
    screen.heading(f"Finished and not handed over yet ({count:,})")
    rows = []
    for view in views:
        due = f"again in {duration(view['due_in_seconds'])}" if view["due_in_seconds"] else "again now"
        failures = counted(view["failures"], "failure")
        rows.append((one_line(view["issue_id"], TITLE), due, failures, view["reason"]))
    screen.table(rows)
    if count > len(views):
        screen.line(f"{count - len(views):,} under way", style="dim", indent="  ")
