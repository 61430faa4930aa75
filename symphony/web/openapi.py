"""The OpenAPI 3.1 document of the JSON API, made from the bodies that requests are parsed into.

A test holds it to the listener both ways: every path, every answer, every code of an error.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from symphony.web.errors import INVALID_PREFIX, STATUS_BY_CODE
from symphony.web.requests import (
    AccessBody,
    Body,
    BudgetBody,
    CreateBody,
    MoveBody,
    NoFields,
    PermissionBody,
    ReplyBody,
    RestoreBody,
    SweepBody,
)
from symphony.web.shapes import SHAPES, TEXT, Schema, record, ref

LISTENER_CODES: Final[Mapping[int, tuple[str, ...]]] = {
    400: ("bad_request", "invalid_body", "invalid_form", "invalid_json"),
    401: ("unauthorized",),
    403: ("form_refused", "wrong_origin"),
    404: ("not_found",),
    405: ("method_not_allowed",),
    408: ("body_timeout",),
    413: ("body_too_large",),
    415: ("unsupported_media_type",),
    421: ("wrong_host",),
    429: ("too_many_tries",),
    500: ("internal_error",),
    504: ("timed_out",),
}
MEANING: Final[Mapping[int, str]] = {
    400: "The request or its body is broken.",
    401: "The token is missing or wrong.",
    403: "The request comes from another site's page, or is a form of none.",
    404: "There is no such issue or path.",
    405: "The path does not take this method; `Allow` names those it takes.",
    408: "The body did not arrive in time.",
    409: "The command does not fit how the issue stands now.",
    413: "The body is larger than 1 MiB.",
    415: "The body is no JSON.",
    421: "The Host header is no name of this server.",
    422: "The request is well formed, and its values cannot be used.",
    429: "Too many wrong tokens came from this address; `Retry-After` says how many seconds to wait.",
    500: "Something broke inside symphony, or around it: a full disk has a code of its own.",
    503: "symphony is stopping, or too busy.",
    504: "It takes too long and goes on; look before you repeat it.",
}
ALWAYS: Final = (400, 401, 403, 404, 405, 421, 429, 500)
WRITE: Final = (408, 409, 413, 415, 422, 503, 504)
ASKED: Final = (503, 504)
OPEN: Final = (401, 429)  # what a path without a token never answers
COMMAND: Final = "IssueAccepted"
ID: Final[Schema] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "An issue's id, percent-encoded.",
    "schema": {**TEXT, "minLength": 1},
}


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
        "Move a proposed issue into the first active state.",
        200,
        "OneIssue",
        NoFields,
        WRITE,
    ),
    Call(
        "post",
        "/api/v1/issues/{id}/discard",
        "Delete the issue's workspace with all undelivered work.",
        202,
        COMMAND,
        NoFields,
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
AGENT_PATH: Final = "/api/v1/issues/{id}/mcp"


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    bodies = {call.body for call in CALLS if call.body is not None}
    ordered = sorted(bodies, key=lambda body: body.__name__)
    template = "#/components/schemas/{model}"
    _, written = models_json_schema([(body, "validation") for body in ordered], ref_template=template)
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        paths.setdefault(call.path, _path_of(call.path))[call.method] = _operation(call)
    paths[AGENT_PATH] = {**_path_of(AGENT_PATH), "post": _agent_operation()}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "symphony",
            "version": version("symphony"),
            "description": "Writes take JSON. A path that answers GET answers HEAD too, without a body.",
        },
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The value of server.token, where one is set.",
                },
                "dispatch": {"type": "http", "scheme": "bearer", "description": "Minted for each attempt."},
            },
            "responses": {str(status): _error(status) for status in MEANING},
            "schemas": {**SHAPES, **written["$defs"]},
        },
    }


def codes_of(status: int) -> tuple[str, ...]:
    """Return the codes that errors of a status have; of 422 and 500 there are others too."""
    rooms = tuple(code for code, given in STATUS_BY_CODE.items() if given == status)
    return tuple(sorted((*LISTENER_CODES.get(status, ()), *rooms)))


def _path_of(path: str) -> dict[str, Any]:
    return {"parameters": [ID]} if "{id}" in path else {}


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _name_of(call),
        "summary": call.words,
        "responses": {str(call.status): _success(call), **dict(_errors(call))},
    }
    if call.path == "/healthz":
        operation["security"] = []
    if call.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": ref(call.body.__name__)}},
        }
    return operation


def _name_of(call: Call) -> str:
    words = [part.strip("{}").replace("-", "_").replace(".", "_") for part in call.path.split("/") if part]
    return "_".join([call.method, *(word for word in words if word not in {"api", "v1"})])


def _success(call: Call) -> dict[str, Any]:
    if call.path == "/metrics":
        return {"description": call.words, "content": {"text/plain": {"schema": TEXT}}}
    shape = ref(call.shape) if call.shape else {"type": "object"}
    success: dict[str, Any] = {"description": call.words, "content": {"application/json": {"schema": shape}}}
    if call.status == 201:
        success["headers"] = {"Location": {"description": "The new issue's path.", "schema": TEXT}}
    return success


def _errors(call: Call) -> Iterator[tuple[str, dict[str, str]]]:
    left_out = OPEN if call.path == "/healthz" else ()
    for status in sorted({*ALWAYS, *call.fails} - set(left_out)):
        yield str(status), {"$ref": f"#/components/responses/{status}"}


def _error(status: int) -> dict[str, Any]:
    codes = codes_of(status)
    code: Schema = {"type": "string", "enum": list(codes)}
    if status == 422:
        code = {"anyOf": [code, {"type": "string", "pattern": f"^{INVALID_PREFIX}"}]}
    elif status == 500:
        code = {"type": "string", "examples": list(codes)}
    shape = record(
        "Why not.", error=record("What happened, for programs and for people.", code=code, message=TEXT)
    )
    return {"description": MEANING[status], "content": {"application/json": {"schema": shape}}}


def _agent_operation() -> dict[str, Any]:
    """Return the agents' endpoint, whose messages are MCP's own."""
    json = {"application/json": {"schema": ref("Rpc")}}
    said = {
        200: "The answer.",
        202: "A notification was taken.",
        400: "The message is no JSON-RPC.",
        401: "There is no token.",
        404: "The token is wrong, or the issue has no attempt.",
        413: "The message is larger than 1 MiB.",
    }
    responses: dict[str, Any] = {
        str(status): {"description": words, **({} if status == 202 else {"content": json})}
        for status, words in said.items()
    }
    for status in (405, 408, 421, 500):
        responses[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return {
        "operationId": "post_issues_id_mcp",
        "summary": "Take a message of an agent by the Model Context Protocol, over streamable HTTP.",
        "security": [{"dispatch": []}],
        "requestBody": {"required": True, "content": json},
        "responses": responses,
    }
