"""Request bodies: bounded in size and time, then parsed into values [CONTRACT 7.2]."""

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import PayloadEncodingError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from symphony.core.budget import CeilingChange, parse_changes
from symphony.core.issue import IssueDraft
from symphony.core.settings.base import Number, Words
from symphony.core.text import one_line
from symphony.web.errors import Refusal

BODY_LIMIT_BYTES = 1_048_576
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
LARGEST = 2**53 - 1  # that every program reads in JSON as it was written
Priority = Annotated[Number, Field(ge=-LARGEST, le=LARGEST)]
FIELDS_LIMIT = 200  # of a form; more take the loop seconds
LISTS = frozenset({"labels", "blocked_by"})  # fields that a form may repeat


class Body(BaseModel):
    """What a write may carry; an unknown field is a mistake that someone should hear of."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NoFields(Body):
    """Nothing but the path counts."""


class ReplyBody(Body):
    """The answer to an agent's question; `question` names it, so that no other one gets the answer."""

    text: str
    question: str | None = None


class RejectBody(Body):
    """What a reviewer says; without words the comments in the patch count. `to` is an active state."""

    text: str = ""
    to: str | None = None


class MoveBody(Body):
    """Where an issue goes."""

    state: str


class RestoreBody(Body):
    """The name of the prepared copy."""

    name: str


class AccessBody(Body):
    """A host, and whether an issue's guest may reach it."""

    host: str
    decision: Literal["once", "issue", "workflow", "deny"]


class PermissionBody(Body):
    """A person's answer to a request for permission; without `request` to the issue's only open one."""

    answer: Literal["once", "always", "deny"]
    request: str | None = None


class BudgetBody(Body):
    """Ceilings for one issue: each `N`, `+N` on top of what it has, or `default` for the workflow's."""

    tokens: int | float | str | None = None
    usd: int | float | str | None = None
    minutes: int | float | str | None = None

    def changes(self) -> tuple[CeilingChange, ...]:
        """Return them as the core knows them.

        Raises:
            InvalidBudget: one is no amount, or there is none.
        """
        return parse_changes({"tokens": self.tokens, "usd": self.usd, "minutes": self.minutes})


class SweepBody(Body):
    """Whether the disk is only looked at."""

    dry_run: bool = False


class CreateBody(Body):
    """A new issue, field by field as `IssueDraft`."""

    title: str
    body: str = ""
    priority: Priority | None = None
    labels: Words = ()
    blocked_by: Words = ()
    state: str | None = None
    id: str | None = None

    def draft(self) -> IssueDraft:
        """Return it as the core knows it."""
        return IssueDraft(
            self.title, self.body, self.priority, self.labels, self.blocked_by, self.state, self.id
        )


BodyT = TypeVar("BodyT", bound=Body)


async def read_body(request: web.BaseRequest, bound_s: float, limit_bytes: int = BODY_LIMIT_BYTES) -> bytes:
    """Return the body, or its first bytes up to one more than the limit.

    Raises:
        Refusal: 408 when it does not arrive in time, 400 when it breaks off.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(bound_s):
            while len(body) <= limit_bytes and (chunk := await request.content.readany()):
                body += chunk
    except TimeoutError as error:
        raise Refusal(
            408,
            "body_timeout",
            f"The request's body did not arrive within {bound_s:g} s.",
            remedy="Send it again.",
        ) from error
    except (web.RequestPayloadError, PayloadEncodingError, ConnectionError) as error:
        raise Refusal(400, "invalid_body", "The request's body is broken off or badly encoded.") from error
    return bytes(body[: limit_bytes + 1])


async def parse_body(request: web.BaseRequest, shape: type[BodyT], bound_s: float) -> BodyT:
    """Return the body of a write.

    Raises:
        Refusal: 415 or 403 for its type, 413 and 408 for its size and time, 400 for its JSON and
            422 for its fields.
    """
    form = is_form(request)
    raw = await read_body(request, bound_s)
    if len(raw) > BODY_LIMIT_BYTES:
        raise Refusal(413, "body_too_large", "The request is larger than 1 MiB.")
    return parse_fields(form_fields(raw) if form else json_fields(raw), shape, "request")


def parse_fields(fields: Mapping[str, Any], shape: type[BodyT], what: str) -> BodyT:
    """Return the fields as a value.

    Raises:
        Refusal: 422 with every problem, of a request or whatever `what` calls it.
    """
    try:
        return shape.model_validate(fields)
    except ValidationError as error:
        problems = "; ".join(problem(each["type"], each["loc"], each["msg"]) for each in error.errors())
        raise Refusal(422, "invalid_body", f"The {what} cannot be used: {problems}.") from error


def is_form(request: web.BaseRequest) -> bool:
    """Say whether the body is a form of the dashboard rather than JSON.

    Raises:
        Refusal: 415 for any other type, 403 for a form from elsewhere.
    """
    if request.content_type == JSON_TYPE:
        return False
    if request.content_type != FORM_TYPE:
        raise Refusal(
            415,
            "unsupported_media_type",
            f"The content type must be {JSON_TYPE}.",
            remedy="Send `Content-Type: application/json`, and `{}` where there is nothing to say.",
        )
    # a foreign page can post a form, but cannot set HX-Request without a preflight
    if request.headers.get("HX-Request") != "true" or "Origin" not in request.headers:
        raise Refusal(
            403,
            "form_refused",
            "A form is accepted from the dashboard only.",
            remedy=f"Send {JSON_TYPE} instead.",
        )
    return True


def json_fields(raw: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a body; an empty body is an empty object.

    Raises:
        Refusal: 400.
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw, parse_constant=reject_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a character cannot be stored
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "invalid_json", "The request's body is not JSON in UTF-8.") from error
    if not isinstance(value, dict):
        raise Refusal(400, "invalid_json", "The request's body must be a JSON object.")
    return value


def form_fields(raw: bytes) -> Mapping[str, Any]:
    """Return a form's fields; those that may repeat as lists, an empty one as absent.

    Raises:
        Refusal: 400.
    """
    fields: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            raw.decode("utf-8"), keep_blank_values=False, errors="strict", max_num_fields=FIELDS_LIMIT
        )
    except ValueError as error:
        raise Refusal(400, "invalid_form", "The request's body is not a form in UTF-8.") from error
    for name, value in pairs:
        if name in LISTS:
            fields.setdefault(name, []).append(value)
        else:
            fields[name] = value
    return fields


def problem(kind: str, location: tuple[int | str, ...], message: str) -> str:
    """Return one fault of a body in words."""
    name = one_line(".".join(str(part) for part in location))
    match kind:
        case "missing":
            return f"{name} is missing"
        case "extra_forbidden":
            return f"there is no field {name}"
        case _:
            return f"{name}: {message[:1].lower()}{message[1:]}"


def reject_constant(name: str) -> NoReturn:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(name)
