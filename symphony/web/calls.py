"""What the JSON API answers: every call, as the OpenAPI document lists it."""

from dataclasses import dataclass
from typing import Final

from symphony.web.requests import (
    AccessBody,
    Body,
    BudgetBody,
    CreateBody,
    MoveBody,
    NoFields,
    PermissionBody,
    RejectBody,
    ReplyBody,
    RestoreBody,
    SweepBody,
)

WRITE: Final = (408, 409, 413, 415, 422, 503, 504)
ASKED: Final = (503, 504)
COMMAND: Final = "IssueAccepted"


@dataclass(frozen=True, slots=True)
class Call:
    """One method of one path.

    Attributes:
        body: what it is sent; None for no body.
        status: of success.
        shape: of success, by its name.
        fails: statuses of errors beside `ALWAYS`.
    """

    method: str
    path: str
    words: str
    status: int
    shape: str
    body: type[Body] | None = None
    fails: tuple[int, ...] = ()


CALLS: Final = (
    Call(
        "get",
        "/healthz",
        "Say that the listener answers; asks nothing of the daemon behind it.",
        200,
        "Health",
    ),
    Call("get", "/metrics", "Show the numbers in Prometheus' text format.", 200, ""),
    Call("get", "/api/v1/openapi.json", "Show this document.", 200, ""),
    Call("get", "/api/v1/state", "Show the latest picture.", 200, "State"),
    Call("post", "/api/v1/refresh", "Look at tracker and workflow now.", 202, "Accepted", NoFields, WRITE),
    Call("post", "/api/v1/pause", "Start no new attempt on any issue.", 202, "Accepted", NoFields, WRITE),
    Call("post", "/api/v1/resume", "Lift the pause on everything.", 202, "Accepted", NoFields, WRITE),
    Call(
        "post",
        "/api/v1/gc",
        "Remove from the disk what may go, or only say what would.",
        200,
        "Disk",
        SweepBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/restore",
        "End this run and go on with another store, which `symphony restore` has prepared.",
        202,
        "Accepted",
        RestoreBody,
        WRITE,
    ),
    Call("get", "/api/v1/train", "Show the merge train.", 200, "Train", fails=(409, *ASKED)),
    Call(
        "post",
        "/api/v1/train/reset",
        "Move the merge train to its base, and say what is not aboard any more.",
        200,
        "TrainReset",
        NoFields,
        WRITE,
    ),
    Call("get", "/api/v1/issues", "List every readable issue.", 200, "Issues", fails=ASKED),
    Call("post", "/api/v1/issues", "Write a new issue.", 201, "OneIssue", CreateBody, WRITE),
    Call("get", "/api/v1/issues/{id}", "Show one issue.", 200, "Detail", fails=ASKED),
    Call(
        "get",
        "/api/v1/issues/{id}/explain",
        "Say where one issue stands and what happens next.",
        200,
        "Explanation",
        fails=ASKED,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/steering-reply",
        "Answer the issue's open question.",
        202,
        COMMAND,
        ReplyBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/retry",
        "Forget the issue's failures and make it eligible.",
        202,
        COMMAND,
        NoFields,
        WRITE,
    ),
    Call("post", "/api/v1/issues/{id}/cancel", "End the issue's attempt.", 202, COMMAND, NoFields, WRITE),
    Call(
        "post",
        "/api/v1/issues/{id}/pause",
        "Start no new attempt on the issue.",
        202,
        COMMAND,
        NoFields,
        WRITE,
    ),
    Call("post", "/api/v1/issues/{id}/resume", "Lift the issue's pause.", 202, COMMAND, NoFields, WRITE),
    Call(
        "post",
        "/api/v1/issues/{id}/move",
        "Move the issue's file into another state.",
        200,
        "OneIssue",
        MoveBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/approve",
        "Move a proposed issue into the first active state, or let held work out.",
        200,
        "ApprovedIssue",
        NoFields,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/discard",
        "Delete the issue's workspace with all undelivered work; without one, its patch.",
        202,
        COMMAND,
        NoFields,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/reject",
        "Send the issue's delivered work back with a reviewer's words and the comments in its patch.",
        200,
        "OneIssue",
        RejectBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/access",
        "Let the issue's guest reach a host, or keep it from it.",
        200,
        "AccessAnswer",
        AccessBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/permission",
        "Answer an agent's request for permission.",
        202,
        COMMAND,
        PermissionBody,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/budget",
        "Give the issue ceilings of its own: `N`, `+N`, or `default` for those of the workflow.",
        200,
        "BudgetAnswer",
        BudgetBody,
        WRITE,
    ),
    Call("get", "/api/v1/{id}", "Show one issue whose id is no endpoint's name.", 200, "Detail", fails=ASKED),
)
