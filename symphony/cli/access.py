"""`symphony access`: which hosts agents were refused, and whether they may reach them."""

import shlex
from datetime import datetime

from symphony.cli.desk import Desk, Json, act, read
from symphony.cli.errors import usage_error
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted, moment
from symphony.core.access import AccessDecision
from symphony.core.text import duration, one_line

WORDS = {
    None: "open",
    AccessDecision.ONCE.value: "allowed to the machine that runs now",
    AccessDecision.ISSUE.value: "allowed",
    AccessDecision.WORKFLOW.value: "allowed to every issue",
    AccessDecision.DENY.value: "denied",
}


def show_access(place: Place, issue_id: str | None, *, as_json: bool) -> None:
    """Print the open requests, or with an issue all that is remembered of its hosts."""
    screen = Screen()
    if issue_id is None:
        state = read(place, lambda desk: desk.state())
        if as_json:
            screen.json({"generated_at": state["generated_at"], "access": state["access"]})
        elif not state["access"]:
            screen.line("No agent waits for access to a host.")
        else:
            print_requests(screen, state["access"], state["counts"]["access"], state["generated_at"])
        return
    ledger = read(place, lambda desk: desk.detail(issue_id))["access"]
    if as_json:
        screen.json({"issue_id": issue_id, **ledger})
    elif not print_ledger(screen, issue_id, ledger):
        screen.line(f"Issue {issue_id} was refused nothing.")


def approve_host(place: Place, issue_id: str, host: str, *, once: bool, workflow: bool) -> None:
    """Let an issue's agent reach a host.

    Raises:
        CommandError: `usage` when both widths are asked for.
    """
    if once and workflow:
        raise usage_error("--once and --workflow exclude each other.", "Give one of them, or none.")
    decision = AccessDecision.ISSUE
    if once or workflow:
        decision = AccessDecision.ONCE if once else AccessDecision.WORKFLOW
    _decide(place, issue_id, host, decision)


def deny_host(place: Place, issue_id: str, host: str) -> None:
    """Keep an issue's agent from a host."""
    _decide(place, issue_id, host, AccessDecision.DENY)


def print_requests(screen: Screen, views: list[Json], count: int, now: str) -> None:
    """Print each open request under its issue, with the command that answers it."""
    if not views:
        return
    screen.heading(f"Refused connections ({count:,})")
    shown = None
    for view in views:
        issue_id = view["issue_id"]
        if issue_id != shown:
            shown = issue_id
            screen.table([(issue_id, view["title"])], style="bold yellow")
            if view["not_kept"]:
                screen.line(f"and {view['not_kept']:,} more that are not kept", style="dim", indent="    ")
        screen.table([_request(view, now)], indent="    ")
        _trouble(screen, view)
        screen.command(f"symphony access approve {shlex.quote(issue_id)} {shlex.quote(view['host'])}")


def print_ledger(screen: Screen, issue_id: str, ledger: Json) -> bool:
    """Print all that is remembered of one issue's hosts; say whether there is anything."""
    requests = ledger["requests"]
    if not (requests or ledger["never_opened"]):
        return False
    screen.heading(f"Refused connections ({len(requests)})")
    for request in requests:
        decided = f"{WORDS[request['decision']]} {moment(request['decided_at'])}".strip()
        screen.table([(*_place_and_tries(request), decided)])
        _trouble(screen, request)
        if request["open"]:
            screen.command(f"symphony access approve {shlex.quote(issue_id)} {shlex.quote(request['host'])}")
    if ledger["not_kept"]:
        screen.line(f"and {ledger['not_kept']:,} more that are not kept", style="dim", indent="  ")
    if ledger["never_opened"]:
        tries = counted(ledger["never_opened"], "try", "tries")
        screen.line(f"{tries} of what is never opened; the run log names it", style="dim", indent="  ")
    return True


def _decide(place: Place, issue_id: str, host: str, decision: AccessDecision) -> None:
    def command(desk: Desk) -> Json:
        return desk.access(issue_id, host, decision.value)

    answer, screen = act(place, command), Screen()
    for sentence in answer["said"]:
        screen.line(sentence)


def _request(view: Json, now: str) -> tuple[str, ...]:
    host, tries = _place_and_tries(view)
    since = datetime.fromisoformat(now) - datetime.fromisoformat(view["last_at"])
    return host, tries, f"last {duration(since.total_seconds())} ago"


def _place_and_tries(request: Json) -> tuple[str, str]:
    port = "" if request["port"] is None else f":{request['port']}"
    tries = counted(request["tries"], "try", "tries") if request["tries"] else "never tried"
    return one_line(f"{request['host']}{port}"), tries


def _trouble(screen: Screen, request: Json) -> None:
    if request["trouble"]:
        screen.line(f"the machine could not follow: {request['trouble']}", style="red", indent="      ")
