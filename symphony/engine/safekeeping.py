"""What an earlier attempt left in a workspace, kept safe before anything else touches it."""

from symphony.core.ports import AttemptRow
from symphony.core.safety import SafetyRef
from symphony.engine.context import AttemptContext


async def keep_what_was_left(context: AttemptContext) -> SafetyRef | None:
    """Save what lies in the issue's workspace and in nothing that was imported.

    Returns:
        None when there is nothing of that kind.

    Raises:
        WorkspaceError: it could not be saved; the workspace is untouched.
    """
    workspaces, store, issue_id = context.ports.workspaces, context.ports.store, context.issue_id
    workspace = await workspaces.find(issue_id, context.settings)
    if workspace is None:
        return None
    before = await workspaces.newest_safety(issue_id)
    why = _why(context.start.number, await store.attempts_of(issue_id))
    saved = await workspaces.save(workspace, why, context.ports.clock.now())
    if saved is not None and saved != before:
        text = f"what lay in the workspace was saved first; `{saved.command}` gets it"
        context.progress.run_log.append("saved", text=text, ref=saved.name, commit=saved.commit)
    return saved


def _why(number: int, attempts: tuple[AttemptRow, ...]) -> str:
    begins = f"Attempt {number} begins"
    ended = [row for row in attempts if row.ended_at is not None]
    if not ended:
        return f"{begins}."
    outcome = (ended[-1].outcome or "unknown").replace("_", " ")
    return f"{begins}; attempt {ended[-1].number} had ended ({outcome})."
