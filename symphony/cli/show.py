"""`symphony show ID`: all that is known of one issue."""

import asyncio
import shlex
from pathlib import Path

from symphony.cli.access import print_ledger
from symphony.cli.desk import Json, read
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.words import counted, machine, moment
from symphony.core.errors import SymphonyError
from symphony.core.keys import workspace_key
from symphony.core.receipt import CheckRun
from symphony.core.text import duration
from symphony.web.times import time_view

DESCRIPTION_LINES = 40  # the file has the rest
DECISIONS = 12
FINDINGS = 12
COMMIT_SHOWN = 12  # digits


def show_issue(place: Place, issue_id: str, *, as_json: bool) -> None:
    """Print the issue, where it stands, and its history."""
    detail = read(place, lambda desk: desk.detail(issue_id))
    patch = place.installation.patches / f"agent_{workspace_key(issue_id)}.patch"
    detail["patch"] = str(patch) if patch.is_file() else None
    detail["safety"] = _newest_safety(place, issue_id)
    screen = Screen()
    if as_json:
        screen.json(detail)
        return
    _head(screen, detail)
    _attempts(screen, detail["attempts"])
    _steering(screen, detail)
    print_ledger(screen, detail["issue_id"], detail["access"])
    _guard(screen, detail["guard"])
    _decisions(screen, detail["audit"])
    _handoff(screen, detail)
    _best(screen, detail["best"])
    _safety(screen, detail["safety"])
    screen.heading("Run log")
    log = Path(detail["run_log"])
    screen.line(log if log.exists() else f"{log} (none yet: it has not run)", indent="  ")


def _newest_safety(place: Place, issue_id: str) -> Json | None:
    """Return what was last saved of the issue's workspace; None when nothing was, or git cannot tell."""
    from symphony.workspace.host_repository import HostRepository  # slow to import
    from symphony.workspace.safety import SafetyRefs

    refs = SafetyRefs(HostRepository(place.installation.host_repository))
    try:
        saved = asyncio.run(refs.newest(workspace_key(issue_id)))
    except SymphonyError:
        return None
    if saved is None:
        return None
    at = time_view(saved.at)
    return {
        "ref": saved.name, "commit": saved.commit, "at": at, "why": saved.why, "command": saved.command
    }  # fmt: skip


def _head(screen: Screen, detail: Json) -> None:
    issue = detail["issue"]
    title = f"{detail['issue_id']}  {issue['title']}" if issue else detail["issue_id"]
    screen.line(title, style="bold")
    screen.line(detail["standing"])
    if issue is None:
        return
    screen.line()
    priority = "" if issue["priority"] is None else str(issue["priority"])
    facts = [
        ("state", issue["state"]),
        ("priority", priority),
        ("labels", ", ".join(issue["labels"])),
        ("blocked by", ", ".join(issue["blocked_by"])),
        ("paused", "by you; `symphony resume` with its id lifts it" if detail["paused"] else ""),
        ("machine", f"{at['name']}: {machine(at)}" if (at := detail["machine"]) else ""),
        ("created", moment(issue["created_at"])),
        ("file", issue["path"]),
    ]
    screen.table([fact for fact in facts if fact[1]])
    lines = issue["description"].strip("\n").splitlines()
    if lines:
        screen.line()
        screen.paragraph("\n".join(lines[:DESCRIPTION_LINES]), indent="  ")
        if len(lines) > DESCRIPTION_LINES:
            rest = counted(len(lines) - DESCRIPTION_LINES, "more line")
            screen.line(f"({rest} in the file)", style="dim", indent="  ")


def _attempts(screen: Screen, attempts: list[Json]) -> None:
    if not attempts:
        return
    screen.heading(f"Attempts ({len(attempts)})")
    rows = [("#", "began", "took", "agent", "outcome", "turns", "tokens", "")]
    for row in attempts:
        took = "" if row["running_seconds"] is None else duration(row["running_seconds"])
        rows.append(
            (
                str(row["attempt"]),
                moment(row["started_at"]).removesuffix(" UTC"),
                took,
                f"{row['adapter']} in {row['sandbox']}",
                row["outcome"] or "running",
                str(row["turns"]),
                f"{row['usage']['total_tokens']:,}",
                row["message"],
            )
        )
    screen.table(rows)


def _steering(screen: Screen, detail: Json) -> None:
    if not detail["steering"]:
        return
    screen.heading("Questions and answers")
    for steering in detail["steering"]:
        if not steering["question"]:
            at = moment(steering["replied_at"])
            who = "its pull request" if steering["context"] else "you"
            screen.line(f"{at}  {who} sent its work back:", style="green", indent="  ")
            screen.paragraph(steering["reply"] or "", indent="    ")
            continue
        screen.line(f"{moment(steering['asked_at'])}  the agent asked:", style="yellow", indent="  ")
        screen.paragraph(steering["question"], indent="    ")
        screen.paragraph(steering["context"], indent="    | ", style="dim")
        if steering["open"]:
            command = f"symphony reply {shlex.quote(detail['issue_id'])} TEXT"
            screen.line(f"still open; answer with: {command}", style="cyan", indent="  ")
        else:
            screen.line(f"{moment(steering['replied_at'])}  you answered:", style="green", indent="  ")
            screen.paragraph(steering["reply"] or "", indent="    ")


def _guard(screen: Screen, guard: Json) -> None:
    if not (guard["findings"] or guard["held"]):
        return
    screen.heading("Guard rails")
    if guard["held"]:
        screen.line("These secrets hold its finished work:", style="yellow", indent="  ")
        for finding in guard["held"]["findings"]:
            screen.line(finding["said"], indent="    ")
    for finding in guard["findings"][-FINDINGS:]:
        screen.line(f"{moment(finding['at'])}  {finding['said']}", indent="  ")
    more = len(guard["findings"][:-FINDINGS]) + guard["not_kept"]
    if more:
        screen.line(f"({counted(more, 'more finding')})", style="dim", indent="  ")


def _decisions(screen: Screen, audit: list[Json]) -> None:
    if audit:
        screen.heading("Last decisions, newest first")
        screen.table(
            [(moment(entry["at"]), entry["decision"], entry["reason"]) for entry in audit[:DECISIONS]]
        )


def _handoff(screen: Screen, detail: Json) -> None:
    if not (detail["last_handoff"] or detail["patch"]):
        return
    screen.heading("Handoff")
    if detail["last_handoff"]:
        screen.line(detail["last_handoff"], indent="  ")
    if detail["patch"]:
        screen.command(f"git am {shlex.quote(detail['patch'])}")
    if receipt := detail["receipt"]:
        screen.line(f"Checks that the files {receipt['tree'][:COMMIT_SHOWN]} passed:", indent="  ")
        for run in receipt["checks"]:
            screen.line(str(CheckRun(**run)), indent="    ")


def _best(screen: Screen, best: Json | None) -> None:
    if best is None:
        return
    screen.heading("The best so far" + (", and the work has become worse since" if best["lost"] else ""))
    screen.line(best["text"], indent="  ")
    screen.command(best["command"])


def _safety(screen: Screen, saved: Json | None) -> None:
    if saved is None:
        return
    screen.heading("Saved from its workspace, the newest")
    screen.line(f"{moment(saved['at'])}  {saved['why']}", indent="  ")
    screen.line(f"{saved['ref']}, commit {saved['commit'][:COMMIT_SHOWN]}", indent="  ")
    screen.command(saved["command"])
