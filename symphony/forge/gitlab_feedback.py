"""What GitLab's API says of a merge request, as values; called by the driver that asks for it."""

from collections.abc import Iterable, Mapping
from typing import Any

from symphony.core.feedback import FailedCheck, Remark

RUNNING = frozenset(
    {"created", "waiting_for_resource", "preparing", "pending", "running", "scheduled", "canceling"}
)
REQUESTED = "requested_changes"


def checks_of(jobs: Iterable[Mapping[str, Any]]) -> tuple[FailedCheck, ...]:
    """Return the failed ones of a pipeline's jobs; those that may fail are left out."""
    return tuple(
        FailedCheck(str(each["name"]), str(each.get("web_url") or ""))
        for each in jobs
        if each["status"] == "failed" and not each.get("allow_failure")
    )


def is_checking(pipeline: Mapping[str, Any]) -> bool:
    """Say whether a pipeline has not ended."""
    return pipeline.get("status") in RUNNING


def remarks_of(
    discussions: Iterable[Mapping[str, Any]], reviewers: Iterable[Mapping[str, Any]]
) -> tuple[Remark, ...]:
    """Return what people wrote and nobody has resolved, and who asks for changes."""
    notes = [note for each in discussions for note in each.get("notes") or ()]
    found = [
        Remark(
            f"note/{note['id']}",
            str((note.get("author") or {}).get("username") or ""),
            str(note.get("body") or ""),
            *_place(note.get("position") or {}),
        )
        for note in notes
        if not note.get("system") and not note.get("resolved")
    ]
    found += [
        Remark(f"reviewer/{each['user']['username']}", str(each["user"]["username"]), "", wants_changes=True)
        for each in reviewers
        if each.get("state") == REQUESTED
    ]
    return tuple(found)


def _place(position: Mapping[str, Any]) -> tuple[str, int]:
    file = position.get("new_path") or position.get("old_path") or ""
    return str(file), int(position.get("new_line") or position.get("old_line") or 0)
