"""What the listener says when it cannot or will not: codes, statuses and one JSON shape [CONTRACT 7.1].

Statuses: 404 for what is not there; 409 for a command that does not fit how the issue stands now;
422 for a well-formed request whose values cannot be used; 503 for a daemon that is busy or
stopping; 504 for what takes too long; 500 for an expected failure of the daemon's own, such as a
full disk.
"""

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from symphony.core.errors import SymphonyError
from symphony.core.text import plain

STATUS_BY_CODE: Final[Mapping[str, int]] = {
    "issue_not_found": 404,
    "issue_gone": 404,
    "access_full": 409,
    "access_never": 422,
    "access_no_machine": 409,
    "already_answered": 409,
    "already_done": 409,
    "already_running": 409,
    "command_refused": 409,
    "completion_open": 409,
    "edit_conflict": 409,
    "id_taken": 409,
    "issue_ambiguous": 409,
    "issue_unreadable": 409,
    "no_ceiling": 409,
    "no_open_permission": 409,
    "no_open_question": 409,
    "several_permissions": 409,
    "not_proposed": 409,
    "not_running": 409,
    "not_waiting": 409,
    "not_delivered": 409,
    "nothing_said": 422,
    "nothing_to_discard": 409,
    "nothing_to_reject": 409,
    "nothing_to_restore": 409,
    "review_too_long": 422,
    "sandbox.egress_unavailable": 409,
    "sandbox.host_unresolvable": 422,
    "steering_open": 409,
    "target_exists": 409,
    "train.checked_out": 409,
    "train.git_too_old": 409,
    "train.is_base": 409,
    "train.moved": 409,
    "train.off": 409,
    "train.refused": 409,
    "train.source_is_remote": 409,
    "waiting_for_reply": 409,
    "workflow_not_editable": 409,
    "issue_too_large": 422,
    "unknown_state": 422,
    "busy": 503,
    "draining": 503,
    "store_busy": 503,
    "tracker_busy": 503,
}
MESSAGE_LIMIT: Final = 4_000  # characters; an error may quote what was sent
INVALID_PREFIX: Final = "invalid_"  # invalid_id, invalid_title and whatever a room adds


class WebError(SymphonyError):
    """The listener cannot be opened.

    Codes: `port_in_use`, `port_not_permitted`, `address_unavailable`, `token_required`.
    """

    code = "web_error"


class Refusal(SymphonyError):
    """A request that is not carried out.

    Attributes:
        status: of the response.
        headers: that the status calls for.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        remedy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code=code, remedy=remedy)
        self.status = status
        self.headers = headers or {}


def status_of(error: SymphonyError) -> int:
    """Return the HTTP status for an error of any room."""
    if isinstance(error, Refusal):
        return error.status
    if error.code.startswith(INVALID_PREFIX):
        return 422
    return STATUS_BY_CODE.get(error.code, 500)


def error_response(error: SymphonyError) -> web.Response:
    """Return the error as every endpoint gives it."""
    headers = error.headers if isinstance(error, Refusal) else {}
    message = plain(str(error), MESSAGE_LIMIT)
    return json_response({"error": {"code": error.code, "message": message}}, status_of(error), headers)


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a value as JSON in ASCII, which survives any text that a file name may hold."""
    body = json.dumps(value, allow_nan=False).encode("ascii")
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def method_not_allowed(method: str, path: str, allowed: str) -> Refusal:
    """Return the refusal of a method that a path does not have."""
    return Refusal(
        405,
        "method_not_allowed",
        f"{method} is not possible on {path}: use {allowed}.",
        headers={"Allow": allowed},
    )


def internal_error() -> Refusal:
    """Return what is said of a defect: nothing that belongs into the log."""
    return Refusal(
        500, "internal_error", "Something broke inside symphony.", remedy="Its log file has the details."
    )
