"""The issues' branches as people look at them; implements `core.branch.Branches`."""

from symphony.core.branch import BranchDiff, BranchReader
from symphony.engine.orchestrator import Orchestrator


class TrackedBranches:
    """Branches by issue, under the name that the issue's file asks for."""

    def __init__(self, orchestrator: Orchestrator, reader: BranchReader) -> None:
        self._orchestrator = orchestrator
        self._reader = reader

    async def diff(self, issue_id: str) -> BranchDiff | None:
        """Return what the issue's branch changed when it was last imported; None when it never was.

        Raises:
            SymphonyError: `workspace.*`.
        """
        issue = self._orchestrator.state.issues.get(issue_id)
        return await self._reader.branch_diff(issue_id, issue.branch_name if issue else None)
