"""What can be wrong with a credential, each with a stable code and what a person can do.

Raised by this package; no message holds a value.
"""

from datetime import datetime
from pathlib import Path

from symphony.agent.errors import AgentError
from symphony.core.agent import ModelResting

AGAIN_S = 60.0  # until a login server that was not reached is asked again for the issue
AT_ONCE_S = 1.0  # a fresh token is there, or will be once it is asked for


class CredentialMissing(AgentError):
    """An adapter has neither a key nor a login."""

    code = "agent.credential_missing"


class LoginUnreadable(AgentError):
    """A login file is there and cannot be used."""

    code = "agent.login_unreadable"

    def __init__(self, path: Path, reason: str, login: str) -> None:
        super().__init__(f"The login in {path} cannot be read: {reason}.", remedy=login)


class LoginNotWritable(AgentError):
    """A login cannot be renewed, since the new one could not be kept."""

    code = "agent.login_not_writable"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"The login in {path} cannot be renewed, since nothing can be written beside it: {reason}.",
            remedy=f"Make {path.parent} a folder that you may write to, with space left on its disk.",
        )


class LoginExpired(AgentError):
    """A login is over and has nothing to renew it with."""

    code = "agent.login_expired"

    def __init__(self, path: Path, at: datetime | None, login: str) -> None:
        when = f" at {at:%Y-%m-%d %H:%M} UTC" if at else ""
        super().__init__(
            f"The login in {path} expired{when} and has no refresh token to renew it with.", remedy=login
        )


class LoginRefused(AgentError):
    """The login server does not renew a login any more."""

    code = "agent.login_refused"

    def __init__(self, path: Path, reason: str, login: str) -> None:
        super().__init__(f"The login in {path} was not renewed: {reason}.", remedy=login)


class LoginUnreachable(AgentError, ModelResting):
    """The login server was not reached, or is not well; no fault of the issue."""

    code = "agent.login_unreachable"

    def __init__(self, path: Path, reason: str) -> None:
        self.retry_after_s = AGAIN_S
        super().__init__(
            f"The login in {path} is over and could not be renewed for now: {reason}.",
            remedy="It is tried again by itself; look at the network if it stays so.",
        )


class LoginOverdue(AgentError, ModelResting):
    """The model refused a token of a login that can be renewed; no fault of the issue."""

    code = "agent.login_overdue"

    def __init__(self, said: str) -> None:
        self.retry_after_s = AT_ONCE_S
        super().__init__(f"{said} The login is renewed, and the issue goes on with the new one.")
