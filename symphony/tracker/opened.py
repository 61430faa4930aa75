"""An issue's file, opened to be edited: only a plain one within the root, and only the one with the id."""

from dataclasses import dataclass
from pathlib import Path

from symphony.core.editing import IssueText
from symphony.tracker import errors
from symphony.tracker.catalog import Catalog
from symphony.tracker.issue_file import IssueUnreadable, too_large
from symphony.tracker.names import SUFFIX
from symphony.tracker.reader import Mark, mark_of, read_plain, resolved
from symphony.tracker.text import issue_text


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it was when it was opened.

    Attributes:
        file: where it really is, behind a symlink.
        mark: changes when the file does.
    """

    text: IssueText
    content: bytes
    file: Path
    mark: Mark


def open_issue(issue_id: str, catalog: Catalog, root: Path) -> Opened:
    """Open the only file with this id, readable as an issue or not.

    Raises:
        TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`.
    """
    path = catalog.file_of(issue_id, root)
    name_id = path.name.removesuffix(SUFFIX)
    try:
        file = resolved(path, root, name_id)
        content, status = read_plain(file, path, name_id)
        if content is None:
            raise too_large(str(path), name_id, status.st_size)
    except FileNotFoundError as error:
        raise errors.issue_not_found(issue_id, root) from error
    except IssueUnreadable as refusal:
        raise errors.issue_unreadable(path, [each.message for each in refusal.problems]) from refusal
    except OSError as error:
        raise errors.issue_unreadable(path, [f"it cannot be opened ({error.strerror})"]) from error
    return Opened(issue_text(issue_id, path, content), content, file, mark_of(status))
