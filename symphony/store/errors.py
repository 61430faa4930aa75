"""What can go wrong in the store, in the words a person reads."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

from symphony.core.errors import SymphonyError
from symphony.core.steering import SteeringRequest
from symphony.core.text import one_line


class StoreError(SymphonyError):
    """The store refused or could not do something.

    Codes of the file: `store_busy`, `store_closed`, `store_corrupt`, `store_failed`,
    `store_foreign`, `store_full`, `store_missing`, `store_not_copied`, `store_too_new`,
    `store_too_old`.
    Code of the logs beside it: `logs_unreadable`.
    Codes of what is in it: `already_answered`, `attempt_exists`, `attempt_unknown`,
    `completion_open`, `intent_unknown`, `no_open_question`, `steering_exists`,
    `steering_open`, `steering_unknown`.
    """

    code = "store_failed"


def store_closed(where: Path | str) -> StoreError:
    """Return the error for a call after the store was closed."""
    return StoreError(f"The store {where} is closed.", code="store_closed", remedy="Start symphony again.")


def store_missing(where: Path | str) -> StoreError:
    """Return the error for reading where symphony has not run yet."""
    return StoreError(
        f"There is no store at {where}.",
        code="store_missing",
        remedy="symphony makes it when it runs for the first time.",
    )


def store_full(where: Path | str) -> StoreError:
    """Return the error for a write that found no room."""
    return StoreError(
        f"There is no room left on the disk for the store {where}; nothing was written.",
        code="store_full",
        remedy="Free some space; symphony can go on then.",
    )


def store_busy(where: Path | str, seconds: float) -> StoreError:
    """Return the error for a lock that another program held for too long."""
    return StoreError(
        f"Another program has kept the store {where} locked for more than {seconds:g} s; "
        "nothing was written.",
        code="store_busy",
        remedy="Close the program that has the file open, such as a database browser, and try again.",
    )


def store_corrupt(where: Path | str, finding: str, copy: Path | None = None) -> StoreError:
    """Return the error for a damaged file, which is left as it is; `copy` is the newest one there is."""
    known = (
        "`symphony restore FILE` puts back a copy that `symphony backup` has made"
        if copy is None
        else f"`symphony restore {shlex.quote(str(copy))}` puts back the copy of {_day(copy)}, "
        "and `symphony restore FILE` one that `symphony backup` has made"
    )
    return StoreError(
        f"The store {where} is damaged ({one_line(finding, 300)}); the file was left as it is.",
        code="store_corrupt",
        remedy=(
            f"{known}. Without a copy, move the file and those beside it that begin with its name "
            "somewhere else and start again: issues, workspaces and patches are not in it, "
            "but retries, questions and the history of attempts are."
        ),
    )


def store_not_copied(where: Path | str, version: int, newest: int, why: str) -> StoreError:
    """Return the error for an older store of which no copy could be made."""
    return StoreError(
        f"The store {where} was left as it is: its tables have version {version} and this symphony "
        f"needs {newest}, and the copy that is made before could not be: {why}",
        code="store_not_copied",
        remedy="Free some space on its disk and start again.",
    )


def store_failed(where: Path | str, finding: str) -> StoreError:
    """Return the error for anything else that the file or the disk answered."""
    return StoreError(
        f"The store {where} cannot be used: {one_line(finding, 300)}.",
        code="store_failed",
        remedy="Check that the disk is not full or broken, and that you may write the file and its folder.",
    )


def steering_open(issue_id: str) -> StoreError:
    """Return the error for a second question while one is open."""
    return StoreError(
        f"Issue {one_line(issue_id)} already has an open question.",
        code="steering_open",
        remedy="Wait for the reply to it.",
    )


def no_open_question(issue_id: str) -> StoreError:
    """Return the error for a reply to an issue that asks nothing."""
    return StoreError(
        f"Issue {one_line(issue_id)} has no open question.",
        code="no_open_question",
        remedy="`symphony inbox` lists the questions that are open.",
    )


def already_answered(steering: SteeringRequest) -> StoreError:
    """Return the error for a second reply before the agent has had the first."""
    when = steering.replied_at
    return StoreError(
        f"The question of issue {one_line(steering.issue_id)} was already answered{_at(when)}.",
        code="already_answered",
        remedy="The first reply is kept; the agent gets it as its next prompt.",
    )


def attempt_exists(attempt_id: str) -> StoreError:
    """Return the error for an attempt that was started twice."""
    return StoreError(f"Attempt {one_line(attempt_id)} is already in the store.", code="attempt_exists")


def attempt_unknown(attempt_id: str) -> StoreError:
    """Return the error for an attempt that was never started."""
    return StoreError(f"Attempt {one_line(attempt_id)} is not in the store.", code="attempt_unknown")


def intent_unknown(intent_id: int) -> StoreError:
    """Return the error for a result without an intent."""
    return StoreError(f"Intent {intent_id} is not in the store.", code="intent_unknown")


def steering_exists(steering_id: str) -> StoreError:
    """Return the error for a question that was asked and answered under this id before."""
    return StoreError(f"Question {one_line(steering_id)} is already in the store.", code="steering_exists")


def steering_unknown(steering_id: str) -> StoreError:
    """Return the error for the use of a reply that is not there."""
    return StoreError(f"Question {one_line(steering_id)} has no reply in the store.", code="steering_unknown")


def completion_open(issue_id: str, attempt_id: str) -> StoreError:
    """Return the error for a `mark_done` while an earlier attempt's is not handed over."""
    return StoreError(
        f"The work of attempt {one_line(attempt_id)} on issue {one_line(issue_id)} is accepted "
        "and not handed over yet.",
        code="completion_open",
        remedy="Its handoff is repeated until it succeeds.",
    )


def _day(copy: Path) -> str:
    return f"{datetime.fromtimestamp(copy.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC"


def _at(when: datetime | None) -> str:
    return "" if when is None else f" at {when:%Y-%m-%d %H:%M:%S} UTC"
