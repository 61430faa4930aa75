"""What GitHub's API says of a pull request, as values; called by the driver that asks for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from symphony.core.feedback import FailedCheck, Remark

FAILED = frozenset({"failure", "timed_out", "action_required", "startup_failure"})
FAILED_STATUS = frozenset({"failure", "error"})
REQUESTED, COMMENTED = "CHANGES_REQUESTED", "COMMENTED"


def checks_of(
    runs: Iterable[Mapping[str, Any]], statuses: Iterable[Mapping[str, Any]]
) -> tuple[FailedCheck, ...]:
    """Return the failed ones of a commit's check runs and of its statuses."""
    failed = {each["name"]: each.get("html_url") for each in runs if each.get("conclusion") in FAILED}
    failed |= {each["context"]: each.get("target_url") for each in statuses if each["state"] in FAILED_STATUS}
    return tuple(FailedCheck(str(name), str(url or "")) for name, url in sorted(failed.items()))


def is_checking(runs: Iterable[Mapping[str, Any]], statuses: Iterable[Mapping[str, Any]]) -> bool:
    """Say whether one of them has not ended."""
    return any(each.get("status") != "completed" for each in runs) or any(
        each["state"] == "pending" for each in statuses
    )


def remarks_of(
    reviews: Iterable[Mapping[str, Any]],
    comments: Iterable[Mapping[str, Any]],
    talk: Iterable[Mapping[str, Any]],
) -> tuple[Remark, ...]:
    """Return reviews, comments in the diff, and the comments below the pull request."""
    found = [
        Remark(f"review/{each['id']}", _login(each), str(each.get("body") or ""), wants_changes=wanted)
        for each in reviews
        if (wanted := each["state"] == REQUESTED) or each["state"] == COMMENTED
    ]
    found += [
        Remark(
            f"comment/{each['id']}",
            _login(each),
            str(each.get("body") or ""),
            str(each.get("path") or ""),
            int(each.get("line") or each.get("original_line") or 0),
        )
        for each in comments
    ]
    found += [Remark(f"talk/{each['id']}", _login(each), str(each.get("body") or "")) for each in talk]
    return tuple(found)


def _login(value: Mapping[str, Any]) -> str:
    return str((value.get("user") or {}).get("login") or "")
