"""`symphony permission`: what agents ask to be allowed, and a person's answers."""

import shlex

from symphony.cli.desk import Json, act, read
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.core.permission import PermissionAnswer
from symphony.core.text import one_line

SAID = {
    PermissionAnswer.ONCE: "Allowed; its agent goes on.",
    PermissionAnswer.ALWAYS: "Allowed for the session; its agent goes on.",
    PermissionAnswer.DENY: "Refused; its agent is told so.",
}


def show_permissions(place: Place, issue_id: str | None, *, as_json: bool) -> None:
    """Print the open requests, of one issue or of all."""
    state = read(place, lambda desk: desk.state())
    running = [view for view in state["running"] if issue_id in (None, view["issue_id"])]
    screen = Screen()
    if as_json:
        asked = [request for view in running for request in view["permissions"]]
        screen.json({"generated_at": state["generated_at"], "permissions": asked})
    elif not print_permissions(screen, running):
        screen.line("No agent waits for a permission.")


def answer_permission(place: Place, issue_id: str, request_id: str | None, answer: PermissionAnswer) -> None:
    """Answer a request; None is the issue's only open one."""
    act(place, lambda desk: desk.permit(issue_id, request_id, answer.value))
    Screen().line(SAID[answer])


def print_permissions(screen: Screen, running: list[Json]) -> bool:
    """Print each open request under its issue, with the command that answers it; say whether there is one."""
    asking = [
        (view, [request for request in view["permissions"] if request["open"]])
        for view in running
        if any(request["open"] for request in view["permissions"])
    ]
    if not asking:
        return False
    screen.heading(f"Permissions ({sum(len(requests) for _, requests in asking)})")
    for view, requests in asking:
        screen.table([(view["issue_id"], view["title"])], style="bold yellow")
        for request in requests:
            screen.line(one_line(f"{request['kind']}: {request['title']}"), indent="    ")
            screen.paragraph(request["arguments"], indent="    | ", style="dim")
            named = f" --request {shlex.quote(request['id'])}" if len(requests) > 1 else ""
            screen.command(f"symphony permission allow {shlex.quote(view['issue_id'])}{named}")
    return True
