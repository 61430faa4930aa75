"""Issues' texts as people edit them; implements `core.editing.Editing`."""

from symphony.core.editing import IssueText, TextReading
from symphony.core.issue import Issue
from symphony.core.ports import Tracker
from symphony.engine.tracking import Tracking


class TrackedEditing:
    """The tracker's texts; the scheduler knows what was saved before the person is told."""

    def __init__(self, tracker: Tracker, tracking: Tracking) -> None:
        self._tracker = tracker
        self._tracking = tracking

    async def text(self, issue_id: str) -> IssueText:
        """Return the whole text of the issue's file, also of one that cannot be read as an issue.

        Raises:
            SymphonyError: as of `Tracker.text`.
        """
        return await self._tracker.text(issue_id)

    async def check(self, issue_id: str, text: str) -> TextReading:
        """Say what the issue would be with this text; nothing is written.

        Raises:
            SymphonyError: as of `Tracker.check`.
        """
        return await self._tracker.check(issue_id, text)

    async def save(self, issue_id: str, text: str, revision: str) -> Issue:
        """Replace the text that had this revision, durably; a repeat changes nothing.

        Raises:
            SymphonyError: as of `Tracker.save`.
        """
        issue = await self._tracker.save(issue_id, text, revision)
        await self._tracking.look_at_written(issue.path)
        return issue
