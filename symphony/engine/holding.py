"""Finished work with secrets in it: looked for before anything is handed over, and held for a person."""

from symphony.core.errors import SymphonyError
from symphony.core.guard.call import is_allowed
from symphony.core.guard.finding import Finding, FindingKind
from symphony.core.guard.ledger import HELD_KEPT, work_name
from symphony.core.guard.secrets import find_secrets
from symphony.core.handoff import Completion, Imported
from symphony.core.outcome import HeldBack, outcome_message
from symphony.engine.context import AttemptContext

NOT_WHOLE = "Its changes are too large to be looked through for secrets as a whole: only their beginning was."


class WorkHeld(SymphonyError):
    """The work waits for a person, as `outcome` says."""

    code = "held_back"

    def __init__(self, outcome: HeldBack) -> None:
        super().__init__(outcome_message(outcome))
        self.outcome = outcome


async def hold_secrets(context: AttemptContext, imported: Imported, completion: Completion) -> str:
    """Return what a person should know of the search for secrets, once nothing stands against the handoff.

    Raises:
        WorkHeld: there are secrets in the work, and nobody has said that they may go out.
        WorkspaceError: `workspace.*`: it could not be looked through.
    """
    guard = context.settings.guard
    if guard.mode == "off" or context.settings.handoff.mode == "none":
        return ""
    searched = await context.ports.workspaces.search(imported)
    said = f"{completion.title}\n{completion.summary}"
    matches = find_secrets(said)
    summary = (Finding.of(FindingKind.SECRET, match, "the summary") for match in matches)
    found = (*searched.findings, *summary)
    findings = tuple(each for each in dict.fromkeys(found) if not is_allowed(each, guard.allow))[:HELD_KEPT]
    if findings and context.released != (work := work_name(imported.head_tree, findings)):
        raise WorkHeld(HeldBack(work, findings))
    return "" if searched.whole else NOT_WHOLE
