"""Where an issue goes and whether a draft may become one; the same for every tracker [CONTRACT 3.5]."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from symphony.core.issue import IssueDraft
from symphony.core.states import StateRole, StateTable, state_key
from symphony.tracker import errors
from symphony.tracker.issue_file import ISSUE_BYTES, render_issue
from symphony.tracker.names import id_fault, title_fault


def first_active(table: StateTable) -> str:
    """Return the state of a draft that names none."""
    return table.with_role(StateRole.ACTIVE)[0]


def state_folder(state: str, folders: Collection[str], table: StateTable) -> str:
    """Return the folder of a state: spelled as on disk, else as in the workflow.

    Raises:
        TrackerError: `unknown_state`, with those that are known.
    """
    configured = table.canonical(state)
    existing = sorted(folder for folder in folders if state_key(folder) == state_key(state))
    if configured in existing:
        return configured
    if existing:
        return existing[0]
    if configured is not None:
        return configured
    more = sorted(folder for folder in folders if table.canonical(folder) is None)
    raise errors.unknown_state(state, (*table.names, *more))


def render_draft(draft: IssueDraft, created_at: datetime, extra: Mapping[str, Any] | None) -> bytes:
    """Return the new file's text.

    Raises:
        TrackerError: `invalid_title`, `invalid_id`, `issue_too_large`.
    """
    if (fault := title_fault(draft.title)) is not None:
        raise errors.invalid_title(fault)
    if draft.id is not None and (fault := id_fault(draft.id)) is not None:
        raise errors.invalid_id(draft.id, fault)
    content = render_issue(draft, created_at, extra)
    if len(content) > ISSUE_BYTES:
        raise errors.issue_too_large(len(content), ISSUE_BYTES)
    return content
