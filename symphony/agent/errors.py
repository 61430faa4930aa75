"""How an agent can fail, each with a stable code and the sentence that a user reads.

Raised by the session and by the in-memory agents; the engine branches on `code` alone.
"""

from collections.abc import Iterable
from typing import Final

from symphony.core.agent import ModelResting
from symphony.core.errors import SymphonyError
from symphony.core.text import first_of, one_line, plain

TAIL_SHOWN = 600  # characters of stderr in a message: enough for a traceback's last lines
REASON_SHOWN = 600  # characters of an agent's own words in a message
NAMES_SHOWN = 40  # choices listed in a message; an agent may offer hundreds of models


def last_words(stderr: str) -> str:
    """Return the end of what was written to stderr as one line."""
    return " ".join(plain(stderr, len(stderr)).split())[-TAIL_SHOWN:]


class AgentError(SymphonyError):
    """An agent did not do its part of the protocol.

    Attributes:
        stderr: the last lines that it wrote there, empty when there are none.
    """

    code = "agent.failed"

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "", stderr: str = "") -> None:
        self.stderr = stderr
        words = last_words(stderr)
        said = f' Its last words on stderr: "{words}".' if words else ""
        super().__init__(f"{message}{said}", code=code, remedy=remedy)


class AgentNotFound(AgentError):
    """The program is not there."""

    code = "agent.not_found"


class AgentExited(AgentError):
    """The process ended while it was needed.

    Attributes:
        exit_status: negative is the signal that ended it.
    """

    code = "agent.exited"

    def __init__(self, agent: str, exit_status: int, doing: str, stderr: str = "") -> None:
        self.exit_status = exit_status
        how = (
            f"was ended by signal {-exit_status}" if exit_status < 0 else f"exited with status {exit_status}"
        )
        super().__init__(
            f"{agent} {how} while {doing}.",
            remedy="The run log has all that it said.",
            stderr=stderr,
        )


class AgentClosedPipe(AgentError):
    """The process lives but has closed its stdin or stdout."""

    code = "agent.closed_pipe"

    def __init__(self, agent: str, doing: str, stderr: str = "") -> None:
        super().__init__(
            f"{agent} closed its pipe to symphony without exiting while {doing}.",
            remedy="The run log has all that it said.",
            stderr=stderr,
        )


class AgentReadTimeout(AgentError):
    """It did not answer something other than a turn."""

    code = "agent.read_timeout"

    def __init__(self, agent: str, method: str, seconds: float, stderr: str = "") -> None:
        super().__init__(
            f"{agent} did not answer `{method}` within {seconds:g} s.",
            remedy="Run it by hand to see whether it starts, or raise `acp.read_timeout_ms`.",
            stderr=stderr,
        )


class AgentPromptTimeout(AgentError):
    """A turn took too long."""

    code = "agent.prompt_timeout"

    def __init__(self, agent: str, seconds: float, stderr: str = "") -> None:
        super().__init__(
            f"{agent} did not end its turn within {seconds:g} s.",
            remedy="Split the issue, or raise `acp.prompt_timeout_ms`.",
            stderr=stderr,
        )


class AgentIgnoredCancel(AgentError):
    """It was asked to end its turn, did not, and was killed."""

    code = "agent.ignored_cancel"

    def __init__(self, agent: str, seconds: float, stderr: str = "") -> None:
        super().__init__(
            f"{agent} did not end its turn within {seconds:g} s of being asked to, and was killed.",
            stderr=stderr,
        )


class AgentFrameTooLarge(AgentError):
    """One message was longer than is kept in memory."""

    code = "agent.frame_too_large"

    def __init__(self, agent: str, limit_bytes: int, stderr: str = "") -> None:
        super().__init__(
            f"{agent} sent a message of more than {limit_bytes / 2**20:g} MiB, and its session was ended.",
            remedy="Keep it from reading huge files or printing huge outputs in one piece.",
            stderr=stderr,
        )


class AgentProtocolError(AgentError):
    """It answered with something that is not ACP as symphony speaks it."""

    code = "agent.protocol_error"

    def __init__(self, agent: str, fact: str, stderr: str = "") -> None:
        super().__init__(
            f"{agent} {fact}.",
            remedy="Check that the program is an ACP agent of a version that symphony supports.",
            stderr=stderr,
        )


class AgentRequestFailed(AgentError):
    """It answered a request with an error."""

    code = "agent.request_failed"


class AgentAuthRequired(AgentError):
    """It has no valid credentials for its model."""

    code = "agent.auth_required"


class AgentRateLimited(AgentError, ModelResting):
    """Its model refuses for now: a rate limit, a quota, an overload.

    Attributes:
        retry_after_s: seconds from now until the adapter may be used again; None when it is not told.
    """

    code = "agent.rate_limited"

    def __init__(self, agent: str, reason: str, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        told = "" if retry_after_s is None else f" It may be used again in {retry_after_s:.0f} s."
        super().__init__(f"{agent} is refused by its model for now: {one_line(reason, REASON_SHOWN)}.{told}")


class AgentUnknownChoice(AgentError):
    """A model, an effort or a mode of this name is not offered."""

    codes: Final = {
        "model": "agent.unknown_model",
        "effort": "agent.unknown_effort",
        "mode": "agent.unknown_mode",
    }

    def __init__(self, agent: str, what: str, name: str, offered: Iterable[str]) -> None:
        names = list(offered)
        listed = first_of(names, NAMES_SHOWN, 80) or "none"
        super().__init__(
            f'{agent} offers no {what} "{one_line(name, 80)}"; it offers: {listed}.',
            code=self.codes[what],
            remedy=f"Set `acp.{what}` to one of these, or to null.",
        )
