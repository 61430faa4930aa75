"""Commands that change something: each asks one thing and says in a line what was done."""

import sys

from symphony.cli.desk import Desk, Json, act
from symphony.cli.errors import CommandError, usage_error
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.core.issue import IssueDraft
from symphony.core.keys import workspace_key

STDIN = "-"
TEXT_LIMIT = 1_048_576  # bytes; as much as an issue file or a request may hold
DONE = {
    "retry": "{what} is tried again",
    "cancel": "{what} is cancelled; `symphony retry {id}` starts it again",
    "pause": "{what} is paused: no new attempt starts; `symphony resume{arg}` lifts that",
    "resume": "{what} may start again",
}
LATER = "when symphony runs"


def create_issue(place: Place, draft: IssueDraft) -> None:
    """Write an issue and print its path, alone."""
    text = text_of(draft.body)
    given = IssueDraft(
        draft.title, text, draft.priority, draft.labels, draft.blocked_by, draft.state, draft.id
    )
    issue = act(place, lambda desk: desk.create(given))
    Screen().line(issue["path"])


def reply_to_issue(place: Place, issue_id: str, text: str) -> None:
    """Answer an agent's question."""
    answer = text_of(text)
    if not answer.strip():
        raise CommandError(
            "The reply is empty.", code="invalid_reply", remedy="Write an answer for the agent."
        )

    def command(desk: Desk) -> bool:
        desk.reply(issue_id, answer)
        return desk.live

    heard = act(place, command)
    Screen().line(f"Answered issue {issue_id}; the agent goes on with it{'' if heard else ' ' + LATER}.")


def reject_work(place: Place, issue_id: str, text: str, to: str | None) -> None:
    """Send delivered work back with a reviewer's words."""
    words = text_of(text)

    def command(desk: Desk) -> tuple[bool, Json]:
        return desk.live, desk.reject(issue_id, words, to)

    heard, issue = act(place, command)
    goes_on = f"its agent goes on from the work it handed over{'' if heard else ' ' + LATER}"
    Screen().line(f"Issue {issue_id} is back in {issue['state']} with your words; {goes_on}.")


def discard_work(place: Place, issue_id: str) -> None:
    """Give up an issue's undelivered work; without a workspace, its patch and review folder."""
    key, host = workspace_key(issue_id), place.installation.host_repository
    patch, review = place.installation.patch(key), place.installation.review(key)
    had_patch, had_review = patch.exists(), review.exists()
    act(place, lambda desk: desk.command("discard", issue_id))
    if had_patch and not patch.exists():
        said = f"The patch of issue {issue_id} and its review folder are deleted; the commits are in {host}."
        Screen().line(said)
    elif had_review and not review.exists():
        Screen().line(f"The review folder of issue {issue_id} is deleted; the commits are in {host}.")
    else:
        Screen().line(f"The workspace of issue {issue_id} is deleted.")


def move_issue(place: Place, issue_id: str, state: str) -> None:
    """Move an issue's file into another state."""
    issue = act(place, lambda desk: desk.move(issue_id, state))
    Screen().line(f"Issue {issue_id} is in {issue['state']}: {issue['path']}")


def approve_issue(place: Place, issue_id: str) -> None:
    """Let a proposed issue be worked on, or held work out."""

    def approve(desk: Desk) -> tuple[bool, bool, Json | None]:
        held = any(view["issue_id"] == issue_id for view in desk.state()["held"])
        return held, desk.live, desk.approve(issue_id)

    held, live, issue = act(place, approve)
    if held or issue is None:
        Screen().line(
            f"The work of issue {issue_id} is let out and handed over{'' if live else f' {LATER}'}."
        )
        return
    Screen().line(f"Issue {issue_id} is in {issue['state']}: {issue['path']}")


def command_issue(place: Place, name: str, issue_id: str | None) -> None:
    """Carry out a command that has no answer but that it was done."""

    def command(desk: Desk) -> bool:
        desk.command(name, issue_id)
        return desk.live

    heard = act(place, command)
    what = "Everything" if issue_id is None else f"Issue {issue_id}"
    said = DONE[name].format(what=what, id=issue_id, arg="" if issue_id is None else f" {issue_id}")
    later = f" {LATER}" if name in {"retry", "resume"} and not heard else ""
    Screen().line(f"{said}{later}.")


def text_of(given: str) -> str:
    """Return a text from the command line, or what comes in on stdin for `-`."""
    if given != STDIN:
        return given
    raw = sys.stdin.buffer.read(TEXT_LIMIT + 1)
    if len(raw) > TEXT_LIMIT:
        raise usage_error("the text on stdin is larger than 1 MiB.")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise usage_error("the text on stdin is not valid UTF-8.") from error
