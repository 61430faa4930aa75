"""The running daemon, asked over its HTTP API [CONTRACT 7.1]; every wait is bounded."""

import http.client
import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from symphony.cli.errors import CommandError
from symphony.core.issue import IssueDraft
from symphony.core.text import one_line
from symphony.host.lock import DaemonFile

CONNECT_BOUND_S: Final = 5.0  # the daemon is on this machine; its loop is never held for so long
READ_BOUND_S: Final = 10.0  # a picture takes milliseconds; the files can be read instead
WRITE_BOUND_S: Final = 40.0  # it gives each request 30 s, and then says so itself
SWEEP_BOUND_S: Final = 310.0  # the daemon gives it 300 s
SHOWN: Final = 200  # characters of an answer that is not understood

Json = dict[str, Any]


class NotListening(Exception):
    """Nothing was sent: the daemon does not listen yet, or not any more."""


class DaemonDesk:
    """A daemon's operations as the command line needs them.

    Args:
        daemon: the one that listens; it has a URL.
        token_of: reads `server.token`; called only when the daemon asks for one.

    Raises:
        NotListening: from every method.
        CommandError: from every method, with the daemon's own code and words; `daemon_silent`,
            `daemon_unauthorized`, `not_symphony`.
    """

    live = True

    def __init__(self, daemon: DaemonFile, token_of: Callable[[], str | None]) -> None:
        self.daemon = daemon
        self._token_of = token_of
        self._token: str | None = None

    def state(self) -> Json:
        """Return the whole picture."""
        return self._ask("GET", "/api/v1/state")

    def detail(self, issue_id: str) -> Json:
        """Return all that is known of one issue."""
        return self._ask("GET", _path(issue_id))

    def explain(self, issue_id: str) -> Json:
        """Return where an issue stands and what happens next."""
        return self._ask("GET", f"{_path(issue_id)}/explain")

    def create(self, draft: IssueDraft) -> Json:
        """Write an issue and return it."""
        fields = {
            "title": draft.title,
            "body": draft.body,
            "priority": draft.priority,
            "labels": list(draft.labels),
            "blocked_by": list(draft.blocked_by),
            "state": draft.state,
            "id": draft.id,
        }
        created: Json = self._ask("POST", "/api/v1/issues", fields)["issue"]
        return created

    def reply(self, issue_id: str, text: str) -> None:
        """Answer the issue's open question."""
        self._ask("POST", f"{_path(issue_id)}/steering-reply", {"text": text})

    def move(self, issue_id: str, state: str) -> Json:
        """Move the issue's file and return the issue."""
        moved: Json = self._ask("POST", f"{_path(issue_id)}/move", {"state": state})["issue"]
        return moved

    def approve(self, issue_id: str) -> Json | None:
        """Move a proposed issue to where it is worked on, or let held work out; return the issue."""
        approved: Json | None = self._ask("POST", f"{_path(issue_id)}/approve", {})["issue"]
        return approved

    def reject(self, issue_id: str, text: str, to: str | None) -> Json:
        """Send delivered work back with a reviewer's words and return the issue."""
        rejected: Json = self._ask("POST", f"{_path(issue_id)}/reject", {"text": text, "to": to})["issue"]
        return rejected

    def access(self, issue_id: str, host: str, decision: str) -> Json:
        """Open or close a host and return what became of it."""
        return self._ask("POST", f"{_path(issue_id)}/access", {"host": host, "decision": decision})

    def permit(self, issue_id: str, request_id: str | None, answer: str) -> None:
        """Answer a request for permission."""
        self._ask("POST", f"{_path(issue_id)}/permission", {"answer": answer, "request": request_id})

    def budget(self, issue_id: str, given: Mapping[str, str]) -> Json:
        """Give an issue ceilings of its own and return where its budget stands."""
        return self._ask("POST", f"{_path(issue_id)}/budget", given)

    def sweep(self, *, dry_run: bool) -> Json:
        """Remove from the disk what may go, or only say what would, and return that."""
        return self._ask("POST", "/api/v1/gc", {"dry_run": dry_run}, SWEEP_BOUND_S)

    def train(self) -> Json:
        """Return how the merge train stands."""
        return self._ask("GET", "/api/v1/train")

    def reset_train(self) -> Json:
        """Move the merge train to its base and return what that left out."""
        return self._ask("POST", "/api/v1/train/reset", {})

    def restore(self, name: str) -> None:
        """Let the daemon begin to put the prepared copy in the store's place."""
        self._ask("POST", "/api/v1/restore", {"name": name})

    def command(self, name: str, issue_id: str | None) -> None:
        """Carry out `retry`, `cancel`, `pause`, `resume` or `discard`."""
        path = f"/api/v1/{name}" if issue_id is None else f"{_path(issue_id)}/{name}"
        self._ask("POST", path, {})

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        write_bound_s: float = WRITE_BOUND_S,
    ) -> Json:
        status, answer = self._exchange(method, path, body, write_bound_s)
        if status == http.HTTPStatus.UNAUTHORIZED and self._token is None:
            self._token = self._token_of()
            if self._token is not None:
                status, answer = self._exchange(method, path, body, write_bound_s)
        value = self._parsed(answer)
        if status < http.HTTPStatus.BAD_REQUEST:
            return value
        error = value.get("error")
        if not isinstance(error, dict):
            raise self._not_symphony(answer)
        if status == http.HTTPStatus.UNAUTHORIZED:
            raise CommandError(
                "The daemon asks for its token, and WORKFLOW.md has none or another one.",
                code="daemon_unauthorized",
                remedy="Set server.token, or the variable it names, as it was when the daemon started.",
            )
        raise CommandError(str(error.get("message")), code=str(error.get("code")))

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, write_bound_s: float
    ) -> tuple[int, bytes]:
        url = urlsplit(self.daemon.url or "")
        headers = {"Accept": "application/json", "Connection": "close"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            # a lone surrogate, as in an argument that is no UTF-8, stays an escape and is refused in words
            content = json.dumps(body).encode("ascii")
        # http.client and not urllib.request, which would send this to a proxy
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=CONNECT_BOUND_S)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise NotListening(str(error)) from error
            connection.sock.settimeout(READ_BOUND_S if body is None else write_bound_s)
            connection.request(method, path, content, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = one_line(str(error)) or "it hung up"
            raise CommandError(
                f"The daemon (process {self.daemon.pid}) did not answer: {reason}.",
                code="daemon_silent",
                remedy="Look at `symphony status` before you repeat this: it may have been done.",
            ) from error
        finally:
            connection.close()

    def _parsed(self, answer: bytes) -> Json:
        try:
            value = json.loads(answer)
        except ValueError as error:
            raise self._not_symphony(answer) from error
        if not isinstance(value, dict):
            raise self._not_symphony(answer)
        return value

    def _not_symphony(self, answer: bytes) -> CommandError:
        said = one_line(answer.decode("utf-8", "replace"), SHOWN)
        return CommandError(
            f"What answers at {self.daemon.url} is not this symphony: {said!r}.",
            code="not_symphony",
            remedy="Use the symphony that the daemon was started with.",
        )


def _path(issue_id: str) -> str:
    return f"/api/v1/issues/{quote(issue_id, safe='', errors='surrogateescape')}"
