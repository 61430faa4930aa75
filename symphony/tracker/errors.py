"""What the tracker refuses, as errors with stable codes [CONTRACT 3]."""

from collections.abc import Iterable
from pathlib import Path

from symphony.core.errors import SymphonyError


class TrackerError(SymphonyError):
    """The tracker could not do what was asked; no file has changed unless the message says so."""

    code = "tracker_error"


def root_missing(root: Path) -> TrackerError:
    """There is no folder to keep issues in."""
    return TrackerError(
        f"The issues folder {root} does not exist.",
        code="tracker_root_missing",
        remedy="Run `symphony init` to make it, or set `tracker.root` to the right folder.",
    )


def unknown_state(state: str, known: Iterable[str]) -> TrackerError:
    """No folder and no setting has this state."""
    return TrackerError(
        f"There is no state {state!r}.",
        code="unknown_state",
        remedy=f"Use one of: {', '.join(known)}.",
    )


def issue_not_found(issue_id: str, where: Path) -> TrackerError:
    """No file has this id."""
    return TrackerError(
        f"No issue {issue_id!r} in {where}.",
        code="issue_not_found",
        remedy="`symphony status` lists the issues there are.",
    )


def issue_ambiguous(issue_id: str, paths: Iterable[Path]) -> TrackerError:
    """More than one file has this id."""
    return TrackerError(
        f"Issue {issue_id!r} is in more than one file: {', '.join(map(str, paths))}.",
        code="issue_ambiguous",
        remedy="Delete or rename all but one of them.",
    )


def issue_unreadable(path: Path, reasons: Iterable[str]) -> TrackerError:
    """The issue's file is there but broken."""
    return TrackerError(
        f"{path} cannot be read: {'; '.join(reasons)}.",
        code="issue_unreadable",
        remedy="Mend the file, then repeat this.",
    )


def target_exists(source: Path, target: Path) -> TrackerError:
    """A file with the same name is in the target state already."""
    return TrackerError(
        f"{source} was not moved: {target} exists already.",
        code="target_exists",
        remedy="Rename or delete one of the two files, then repeat this.",
    )


def invalid_id(issue_id: str, reason: str) -> TrackerError:
    """The id cannot be a file name."""
    return TrackerError(
        f"{issue_id[:80]!r} cannot be an issue id: it {reason}.",
        code="invalid_id",
        remedy="Choose another, or leave it out to get the next free number.",
    )


def id_taken(issue_id: str, path: Path) -> TrackerError:
    """Another file has the id."""
    return TrackerError(
        f"The id {issue_id!r} is taken by {path}.",
        code="id_taken",
        remedy="Choose another, or leave it out to get the next free number.",
    )


def id_clash(issue_id: str, path: Path) -> TrackerError:
    """An edited issue would have another file's id."""
    return TrackerError(
        f"The id {issue_id!r} is taken by {path}.",
        code="id_taken",
        remedy="Choose another, or take the line out: the file's name is the id then.",
    )


def invalid_title(reason: str) -> TrackerError:
    """The title is not one line of text."""
    return TrackerError(
        f"The title {reason}.", code="invalid_title", remedy="Write one line; the rest belongs in the body."
    )


def issue_too_large(size_bytes: int, limit_bytes: int) -> TrackerError:
    """The file would be refused when it is read."""
    return TrackerError(
        f"The issue would be {size_bytes:,} bytes long; at most {limit_bytes:,} can be read.",
        code="issue_too_large",
        remedy="Put long material into a file of its own and name it in the issue.",
    )


def write_failed(what: str, error: OSError) -> TrackerError:
    """The disk or the system refused."""
    return TrackerError(
        f"{what}: {error.strerror or error}.",
        code="tracker_write_failed",
        remedy="Make room or set the permissions right, then repeat this; nothing was lost.",
    )


def tracker_busy(root: Path) -> TrackerError:
    """Another program keeps writing where this one wants to."""
    return TrackerError(
        f"Another program keeps writing to {root}.",
        code="tracker_busy",
        remedy="Wait for it or end it, then repeat this; nothing was lost.",
    )
