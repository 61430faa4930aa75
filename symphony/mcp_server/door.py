"""What stands before the tools: who is admitted, and which requests are refused and how [CONTRACT 6.1].

The order of the checks is part of the promise: nobody without the token of a running dispatch
learns whether an issue exists or what is wrong with a body.
"""

import hmac
import json
import secrets
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

from symphony.core.operations import DoorReply

BODY_LIMIT_BYTES: Final = 1_048_576
IN_FLIGHT_LIMIT: Final = 256  # no agent needs so many at once, and each may be held for the whole bound
SCHEME: Final = "bearer"
GONE: Final = "No agent is running on this issue with this token."
NO_MESSAGE: Final = "The request body is not a JSON-RPC message."


class Admitted(Protocol):
    """What the table holds for a running dispatch."""

    @property
    def token(self) -> str:
        """The secret of this dispatch."""
        ...


AdmittedT = TypeVar("AdmittedT", bound=Admitted)


class Refused(Exception):
    """A request that goes no further; carries what to answer.

    Attributes:
        status: as HTTP numbers it.
        code, message: as every surface of symphony words it [CONTRACT 7.1].
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message

    @property
    def reply(self) -> DoorReply:
        """The answer over HTTP."""
        error = {"code": self.code, "message": self.message}
        return DoorReply(self.status, json.dumps({"error": error}).encode("ascii"))


class Admissions(Generic[AdmittedT]):
    """The running dispatches by issue."""

    def __init__(self) -> None:
        self._by_issue: dict[str, AdmittedT] = {}
        self._nobody = secrets.token_urlsafe(32)  # compared with when there is no such issue

    def enter(self, issue_id: str, admitted: AdmittedT) -> None:
        """Let a dispatch in; an older one of the same issue is out from now on."""
        self._by_issue[issue_id] = admitted

    def leave(self, issue_id: str, admitted: AdmittedT) -> None:
        """Let a dispatch out; a newer one of the same issue stays."""
        if self._by_issue.get(issue_id) is admitted:
            del self._by_issue[issue_id]

    def find(self, issue_id: str, authorization: str | None) -> AdmittedT:
        """Return the dispatch that this token belongs to.

        Raises:
            Refused: 401 without a bearer token; 404, always the same, for anything else.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != SCHEME or not token:
            raise Refused(
                401, "unauthorized", "This endpoint needs the bearer token that symphony gave to the agent."
            )
        admitted = self._by_issue.get(issue_id)
        expected = self._nobody if admitted is None else admitted.token
        matches = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), expected.encode("utf-8"))
        if admitted is None or not matches:
            raise gone()
        return admitted


def gone() -> Refused:
    """Return the one refusal of whoever has no running dispatch here."""
    return Refused(404, "not_found", GONE)


def not_a_message() -> Refused:
    """Return the refusal of JSON that is no JSON-RPC message."""
    return Refused(400, "invalid_request", NO_MESSAGE)


def too_large() -> Refused:
    """Return the refusal of more than anybody has to say."""
    return Refused(413, "body_too_large", "The request is larger than 1 MiB.")


def too_many() -> Refused:
    """Return the refusal of an agent that does not wait for its answers."""
    return Refused(
        429,
        "too_many_requests",
        "Too many requests at once from this agent: wait for answers before sending more.",
    )


def parse_message(body: bytes) -> dict[str, Any]:
    """Return the one JSON object in a body.

    Raises:
        Refused: 413 or 400.
    """
    if len(body) > BODY_LIMIT_BYTES:
        raise too_large()
    try:
        message = json.loads(body, parse_constant=reject_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "invalid_json", "The request body is not JSON.") from error
    if isinstance(message, list):
        raise Refused(
            400, "batch_not_supported", "JSON-RPC batches are not accepted: send one message per request."
        )
    if not isinstance(message, dict):
        raise not_a_message()
    return message


def reject_constant(name: str) -> NoReturn:
    """Refuse NaN and infinities, which JSON does not have."""
    raise ValueError(name)
