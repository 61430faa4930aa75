"""The OpenAPI 3.1 document of the JSON API, made from the bodies that requests are parsed into.

A test holds it to the listener both ways: every path, every answer, every code of an error.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from symphony.web.calls import CALLS, Call
from symphony.web.errors import INVALID_PREFIX, STATUS_BY_CODE
from symphony.web.schema import TEXT, Schema, record, ref
from symphony.web.shapes import SHAPES

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
OPEN: Final = (401, 429)  # what a path without a token never answers
ID: Final[Schema] = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "An issue's id, percent-encoded.",
    "schema": {**TEXT, "minLength": 1},
}


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
