"""From an accepted transition to the issue in its other state; every step may be repeated.

The workspace and its branch stay as they are: whoever works on the issue next goes on in them. What
was not committed has been imported before this, as before a handoff. [CONTRACT 3.4, 6.4]
"""

from symphony.core.errors import SymphonyError
from symphony.core.event import CompletionWithdrawn
from symphony.core.handoff import Completion
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.outcome import Transitioned
from symphony.core.states import state_key
from symphony.core.text import one_line
from symphony.engine.context import AttemptContext

REASON_SHOWN = 300  # characters of the notes in a sentence; the issue's file has all of them
UNKNOWN_STATE = "unknown_state"  # the tracker's code


class TransitionRefused(SymphonyError):
    """The issue cannot go where its agent has sent it."""

    code = "transition_refused"


def goes_on(context: AttemptContext, completion: Completion) -> bool:
    """Say whether others work on the issue after this completion, or it rests; else it is finished.

    A person who has finished it meanwhile has the last word.
    """
    states, issue = context.settings.state_table(), context.tracked_issue
    finished = issue is not None and states.is_terminal(issue.state)
    return bool(completion.to_state) and not states.is_terminal(completion.to_state) and not finished


def is_there(issue: Issue, completion: Completion) -> bool:
    """Say whether the issue is where a transition leads."""
    return state_key(issue.state) == state_key(completion.to_state)


async def note_of(context: AttemptContext, completion: Completion) -> str | None:
    """Return what is added to the issue's file, the same at each repeat; None without notes.

    The agent's words are quoted, so that nobody takes them for the author's.
    """
    if not completion.summary.strip():
        return None
    head = f"**{completion.from_state} → {completion.to_state}**, by {await _who(context, completion)}:"
    quoted = "\n".join(f"> {line}".rstrip() for line in completion.summary.strip().split("\n"))
    return f"{head}\n\n{quoted}"


async def carry_out(context: AttemptContext, completion: Completion) -> Transitioned:
    """Move the issue's file, with the notes in it, and record that.

    An issue that a person has moved elsewhere meanwhile gets the notes and stays there.

    Raises:
        TransitionRefused: there is no such state any more; the agent's word is taken back.
        SymphonyError: a step failed; the completion stays open and the whole is repeated.
    """
    issue, who = context.tracked_issue, await _who(context, completion)
    to_state = completion.to_state
    said = f"{who} moved it from {completion.from_state} to {to_state}"
    if issue is not None and state_key(issue.state) not in map(state_key, (completion.from_state, to_state)):
        said = f"{who} wanted it in {to_state}, and a person had moved it to {issue.state}"
        to_state = issue.state
    if completion.summary.strip():
        said = f"{said}: {one_line(completion.summary, REASON_SHOWN).rstrip('.')}"
    revision = await _move(context, completion, to_state)
    now = context.ports.clock.now()
    await context.ports.store.complete_transition(completion, said, revision, now)
    context.progress.run_log.append("transition", to=to_state, note=said)
    return Transitioned(said, revision)


async def _move(context: AttemptContext, completion: Completion, to_state: str) -> str:
    """Move the file and return its text's revision; empty when there is none to move."""
    try:
        return await move_file(context, context.tracked_issue, to_state, await note_of(context, completion))
    except SymphonyError as error:
        if error.code != UNKNOWN_STATE:
            raise
        await context.ports.store.withdraw_completion(completion.issue_id, completion.attempt_id)
        why = f"there is no state {one_line(to_state)} any more"
        await context.mailbox.put(CompletionWithdrawn(completion.issue_id, completion.attempt_id, why))
        raise TransitionRefused(f"The issue cannot go to {one_line(to_state)}: {error}") from error


async def move_file(context: AttemptContext, issue: Issue | None, to_state: str, note: str | None) -> str:
    """Move the issue's file, journaled, and return its text's revision; empty when there is none to move.

    Raises:
        TrackerError: see `Tracker.move`.
    """
    tracking = context.tracking
    if issue is None and not await tracking.is_there(context.issue_id):
        return ""
    async with context.journal.step(Action.MOVE_ISSUE, to=to_state):
        try:
            moved = await context.ports.tracker.move(context.issue_id, to_state, note=note)
        except SymphonyError:
            await tracking.scan()  # it may have been moved all the same, and no watcher tell of it
            raise
    await tracking.look_at([moved.path] if issue is None else [issue.path, moved.path], moved)
    return moved.revision


async def _who(context: AttemptContext, completion: Completion) -> str:
    rows = await context.ports.store.attempts_of(completion.issue_id)
    row = next((row for row in rows if row.id == completion.attempt_id), None)
    return "its agent" if row is None else f"attempt {row.number} ({row.adapter})"
