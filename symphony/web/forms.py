"""Forms of the pages: plain HTML forms, with or without script, from this server's own pages only."""

from aiohttp import web

from symphony.web.errors import Refusal
from symphony.web.requests import BODY_LIMIT_BYTES, FORM_TYPE, BodyT, form_fields, parse_fields, read_body

BODY_BOUND_S = 15.0  # a local browser needs milliseconds for 1 MiB


async def read_form(request: web.Request, shape: type[BodyT], limit_bytes: int = BODY_LIMIT_BYTES) -> BodyT:
    """Return a form's fields as a value.

    Raises:
        Refusal: 415 for another type, 413 and 408 for size and time, 400 for its encoding and 422
            for its fields.
    """
    if request.content_type != FORM_TYPE:
        raise Refusal(415, "unsupported_media_type", f"The content type must be {FORM_TYPE}.")
    raw = await read_body(request, BODY_BOUND_S, limit_bytes)
    if len(raw) > limit_bytes:
        mib = limit_bytes >> 20
        most = f"{mib} MiB" if mib else f"{limit_bytes:,} bytes"
        raise Refusal(413, "body_too_large", f"The form is larger than {most}.")
    return parse_fields(form_fields(raw), shape, "form")


def is_htmx(request: web.BaseRequest) -> bool:
    """Say whether a script of the page asks, which takes fragments instead of pages."""
    return request.headers.get("HX-Request") == "true"
