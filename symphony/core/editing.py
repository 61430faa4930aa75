"""An issue's whole text as a person edits it, and why it may not be kept as it is.

A text is what an editor shows: no byte order mark, every line end a line feed. What the file had
instead is put back when the text is saved.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from symphony.core.errors import SymphonyError
from symphony.core.issue import Issue


@dataclass(frozen=True, slots=True)
class IssueText:
    """One issue's file at one moment.

    Attributes:
        issue_id: under which it was asked for.
        path: the file.
        state: the folder's name.
        text: as an editor shows it; what is not UTF-8 is shown as Windows-1252.
        revision: to be given back when the text is saved.
    """

    issue_id: str
    path: Path
    state: str
    text: str
    revision: str


@dataclass(frozen=True, slots=True)
class TextFault:
    """One thing that keeps a text from being an issue.

    Attributes:
        message: what was found and what to do.
        line: of the text, from 1; None when it is the text as a whole.
    """

    message: str
    line: int | None = None

    def __str__(self) -> str:
        return self.message if self.line is None else f"line {self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class TextReading:
    """What a text would be read as.

    Attributes:
        issue: None when the text cannot be read.
        faults: why it would not be kept; it may still be readable, when its id is taken.
    """

    issue: Issue | None
    faults: tuple[TextFault, ...] = ()


class IssueTextRefused(SymphonyError):
    """The text cannot be an issue; nothing was written.

    Attributes:
        faults: at least one.
    """

    code = "invalid_issue_text"

    def __init__(self, faults: tuple[TextFault, ...]) -> None:
        said = "; ".join(map(str, faults))
        super().__init__(
            f"The issue was not saved, because it could not be read again: {said}.",
            remedy="Correct this and save again.",
        )
        self.faults = faults


class EditConflict(SymphonyError):
    """The file has changed since its text was opened; nothing was written.

    Attributes:
        now: what the file says.
    """

    code = "edit_conflict"

    def __init__(self, now: IssueText) -> None:
        super().__init__(
            f"{now.path} has changed since you opened it, so your text was not saved over it.",
            remedy="Compare the two texts, then save again what is to stay.",
        )
        self.now = now


class Editing(Protocol):
    """Issues' texts, for people who edit them."""

    async def text(self, issue_id: str) -> IssueText:
        """Return the whole text of the issue's file, also of one that cannot be read as an issue.

        Raises:
            SymphonyError: `issue_not_found`, `issue_ambiguous`; `issue_unreadable` for what is no
                plain file, too large, or may not be opened.
        """
        ...

    async def check(self, issue_id: str, text: str) -> TextReading:
        """Say what the issue would be with this text; nothing is written.

        Raises:
            SymphonyError: `issue_not_found`, `issue_ambiguous`.
        """
        ...

    async def save(self, issue_id: str, text: str, revision: str) -> Issue:
        """Replace the text that had this revision, durably; a repeat changes nothing.

        Raises:
            EditConflict: the file says something else by now.
            IssueTextRefused: the text could not be read again.
            SymphonyError: as of `text`, and `id_taken`, `tracker_busy`, `tracker_write_failed`.
        """
        ...
