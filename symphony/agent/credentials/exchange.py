"""The call that renews a login: one bounded POST to a login server, in a thread of its own.

The servers are constants of the formats; no setting and no variable names another.
"""

import json
import time
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from symphony.agent.credentials.login import Endpoint, Grant, NotALogin
from symphony.core.text import one_line

SILENCE_S = 10.0  # without a byte; login servers answer within one or two
BOUND_S = 20.0  # for the whole answer
ANSWER_LIMIT = 65_536  # bytes; an answer has three tokens of a few thousand
CHUNK_BYTES = 8_192
CODE_SHOWN = 60  # characters of the server's word for a refusal
REASON_SHOWN = 160  # characters of why there was no answer
REFUSALS = frozenset({400, 401, 403})  # of the refresh token; all else may be different the next time

Exchange = Callable[[Endpoint, Mapping[str, str]], Grant]


class Refused(Exception):
    """The server does not take this refresh token; the text is its reason, which holds no token."""


class Unreachable(Exception):
    """There was no usable answer."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def exchange(endpoint: Endpoint, asked: Mapping[str, str]) -> Grant:
    """Return what the server gives for a refresh token; blocks, for `BOUND_S` and a silence at most.

    Raises:
        Refused: the token is of no use any more.
        Unreachable: anything else.
    """
    words = {"client_id": endpoint.client_id, **asked}
    body, kind = (
        (urlencode(words).encode(), "application/x-www-form-urlencoded")
        if endpoint.form
        else (json.dumps(words).encode(), "application/json")
    )
    headers = {"Content-Type": kind, "Accept": "application/json", "User-Agent": "symphony"}
    request = Request(endpoint.url, body, headers, method="POST")  # noqa: S310  the address is a constant
    opener: OpenerDirector = build_opener(_NoRedirects)
    until = time.monotonic() + BOUND_S
    try:
        with opener.open(request, timeout=SILENCE_S) as answer:
            return Grant.of(json.loads(_read(answer, until)))
    except HTTPError as error:
        with error:
            raise _refusal(error.code, _body(error, until)) from None
    except NotALogin as error:
        raise Unreachable(f"the login server answered something else: {error}") from None
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(
            f"the login server was not reached ({one_line(str(reason), REASON_SHOWN)})"
        ) from None


def _refusal(status: int, body: bytes) -> Exception:
    code = _code(body)
    if status in REFUSALS and code not in ("temporarily_unavailable", "server_error", "slow_down"):
        return Refused(f"the login server refused it with status {status}{f' ({code})' if code else ''}")
    return Unreachable(f"the login server answered with status {status}")


def _code(body: bytes) -> str:
    """Return the server's word for an error: RFC 6749 has it as a text, others as an object's code."""
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    code = error.get("code") or error.get("type") if isinstance(error, Mapping) else error
    if (
        isinstance(code, str)
        and len(code) <= CODE_SHOWN
        and code.replace("_", "").isalnum()
        and code.isascii()
    ):
        return code
    return ""


def _body(error: HTTPError, until: float) -> bytes:
    try:
        return _read(error, until)
    except (OSError, HTTPException, Unreachable):
        return b""


def _read(answer: Any, until: float) -> bytes:
    read = bytearray()
    while chunk := answer.read1(CHUNK_BYTES):
        read += chunk
        if len(read) > ANSWER_LIMIT or time.monotonic() > until:
            raise Unreachable("the login server's answer did not end")
    return bytes(read)
