"""`symphony explain ID`: where an issue stands, what happens next and when, and the last decisions on it."""

from symphony.cli.desk import Desk, Json, read
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.status import daemon_view
from symphony.cli.words import moment


def explain_issue(place: Place, issue_id: str, *, as_json: bool) -> None:
    """Print the explanation, from the daemon or from the files."""
    explanation = read(place, lambda desk: explanation_of(desk, issue_id))
    screen = Screen()
    if as_json:
        screen.json(explanation)
        return
    screen.line(f"{explanation['issue_id']}: {explanation['where']}", style="bold")
    screen.heading("What happens next")
    for step in explanation["next"]:
        screen.line(step["sentence"], indent="  ")
    if explanation["daemon"] is None:
        screen.line("No daemon runs; nothing of this happens before `symphony` starts one.", indent="  ")
    if explanation["decisions"]:
        screen.heading("Last decisions, newest first")
        screen.table(
            [(moment(each["at"]), each["decision"], each["reason"]) for each in explanation["decisions"]]
        )


def explanation_of(desk: Desk, issue_id: str) -> Json:
    """Return the API's explanation with the daemon that carries it out beside it."""
    return {**desk.explain(issue_id), "daemon": daemon_view(desk)}
