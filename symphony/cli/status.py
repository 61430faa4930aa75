"""`symphony status`: the whole picture on one screen."""

import shlex
from collections.abc import Iterable
from typing import Any

from symphony.cli.access import print_requests
from symphony.cli.desk import Desk, Json, read
from symphony.cli.permission import print_permissions
from symphony.cli.place import Place
from symphony.cli.screen import STYLES, Screen
from symphony.cli.words import counted, machine, moment, spent
from symphony.core.errors import SymphonyError
from symphony.core.text import duration, one_line

TITLE = 40  # characters of a title in a table
BLOCKED_SHOWN = 20  # a screen; `--json` has more


def show_status(place: Place, *, as_json: bool) -> None:
    """Print the picture, from the daemon or from the files."""
    state = read(place, lambda desk: picture(place, desk))
    screen = Screen()
    if as_json:
        screen.json(state)
        return
    print_status(screen, state)


def picture(place: Place, desk: Desk) -> Json:
    """Return the API's state with where it comes from: `daemon`, `workflow` and `sandbox` beside it."""
    state = desk.state()
    return {
        **state,
        "daemon": daemon_view(desk),
        "workflow": str(place.path.absolute()),
        "sandbox": sandbox_view(place, state["sandbox"]),
    }


def daemon_view(desk: Desk) -> Json | None:
    """Return the running daemon, as far as scripts need it."""
    daemon = desk.daemon
    if daemon is None:
        return None
    return {
        "pid": daemon.pid,
        "url": daemon.url,
        "machine": daemon.machine,
        "started_at": daemon.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "answers": desk.live,
    }


def sandbox_view(place: Place, kind: str) -> Json:
    """Return where agents run, by the daemon's word or else the workflow's, and what that keeps apart."""
    from symphony.sandbox.drivers import isolation_of
    from symphony.workflow.errors import WorkflowError

    try:
        kind = kind or place.workflow.settings.sandbox
    except WorkflowError:
        return {"kind": None, "isolation": f"unknown as long as {place.path.name} is invalid"}
    try:
        return {"kind": kind, "isolation": isolation_of(kind)}
    except SymphonyError as error:
        return {"kind": kind, "isolation": str(error)}


def print_status(screen: Screen, state: Json) -> None:
    """Print all sections that have something in them."""
    _header(screen, state)
    _section(screen, "Running", _running(state["running"]))
    _section(screen, "Waiting for their next attempt", _retrying(state["retrying"]))
    print_questions(screen, state["waiting"])
    print_permissions(screen, state["running"])
    print_requests(screen, state["access"], state["counts"]["access"], state["generated_at"])
    _blocked(screen, state)
    print_problems(screen, state["problems"])


def print_questions(screen: Screen, waiting: list[Json]) -> None:
    """Print each open question with the command that answers it."""
    if not waiting:
        return
    screen.heading(f"Waiting for you ({len(waiting)})")
    for view in waiting:
        steering = view["steering"]
        asked = f"{duration(view['waiting_seconds'])} ago"
        screen.table([(view["issue_id"], asked, view["title"])], style="bold yellow")
        screen.paragraph(steering["question"], indent="    ")
        if steering["open"]:
            screen.paragraph(steering["context"], indent="    | ", style="dim")
            screen.command(f"symphony reply {shlex.quote(view['issue_id'])} TEXT")
        else:
            screen.line(view["reason"], style="dim", indent="    ")
        if view["machine"]:
            screen.line(f"machine: {machine(view['machine'])}", style="dim", indent="    ")


def print_problems(screen: Screen, problems: list[Json]) -> None:
    """Print each standing problem with its file."""
    if not problems:
        return
    screen.heading(f"Problems ({len(problems)})")
    for problem in problems:
        screen.line(problem["where"], style="bold red", indent="  ")
        screen.paragraph(problem["message"], indent="    ")


def _header(screen: Screen, state: Json) -> None:
    word = state["status"]
    screen.line(f"{word}: {state['status_reason']}", style=f"bold {STYLES.get(word, '')}".strip())
    screen.line()
    screen.table([(name, value) for name, value in _facts(state) if value])


def _facts(state: Json) -> Iterable[tuple[str, str]]:
    yield "daemon", _daemon_fact(state["daemon"])
    yield "workflow", state["workflow"]
    yield "sandbox", state["sandbox"]["isolation"]
    counts = state["counts"]
    states = {name.removeprefix("state:"): n for name, n in counts.items() if name.startswith("state:")}
    yield "issues", ", ".join(f"{name} {n:,}" for name, n in sorted(states.items())) or "none yet"
    yield "eligible", f"{counts['eligible']:,}" if counts["eligible"] else ""
    yield "undelivered", f"{counts['undelivered']:,}" if counts["undelivered"] else ""
    yield "spent", spent(state["totals"])
    yield "paused", "everything; `symphony resume` lifts it" if state["paused"] else ""
    for adapter, until in state["rate_limits"].items():
        yield "resting", f"{adapter} until {moment(until)}"


def _daemon_fact(daemon: Json | None) -> str:
    if daemon is None:
        return "none runs; this is read from the files, and `symphony` starts one"
    if not daemon["answers"]:
        return f"process {daemon['pid']} runs and does not answer; this is read from the files"
    return f"process {daemon['pid']} at {daemon['url']}, since {moment(daemon['started_at'])}"


def _section(screen: Screen, title: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        screen.heading(f"{title} ({len(rows)})")
        screen.table(rows)


def _running(views: list[Json]) -> list[tuple[Any, ...]]:
    rows, machines = [], any(view["machine"] for view in views)
    for view in views:
        turn = f"turn {view['turn']}/{view['max_turns']}"
        phase = f"stopping: {view['stopping']}" if view["stopping"] else view["phase"]
        last = f"{view['last_event']}" if view["last_event"] else ""
        elapsed, tokens = duration(view["running_seconds"]), counted(view["usage"]["total_tokens"], "token")
        what = _joined(one_line(view["title"], TITLE), last)
        costs = (machine(view["machine"]),) if machines else ()
        rows.append((view["issue_id"], phase, turn, elapsed, tokens, *costs, what))
    return rows


def _retrying(views: list[Json]) -> list[tuple[Any, ...]]:
    rows = []
    for view in sorted(views, key=lambda view: view["due_in_seconds"]):
        due = f"in {duration(view['due_in_seconds'])}" if view["due_in_seconds"] else "now"
        failures = counted(view["failures"], "failure") if view["failures"] else ""
        rows.append((view["issue_id"], due, view["kind"], failures, view["reason"]))
    return rows


def _blocked(screen: Screen, state: Json) -> None:
    views, total = state["blocked"], state["counts"]["blocked"]
    if not views:
        return
    screen.heading(f"Not running ({total:,})")
    shown = views[:BLOCKED_SHOWN]
    screen.table(
        [(view["issue_id"], view["state"], one_line(view["title"], TITLE), view["reason"]) for view in shown]
    )
    if total > len(shown):
        screen.line(f"and {total - len(shown):,} more", style="dim", indent="  ")


def _joined(title: str, last_event: str) -> str:
    return f"{title}: {last_event}" if last_event else title
