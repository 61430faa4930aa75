"""What an adapter would use for its model, told without any value: for the daemon's start and `doctor`.

It looks and renews nothing; it blocks for the length of a few small files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symphony.agent.adapters import Adapter
from symphony.agent.credentials.errors import CredentialMissing, LoginExpired
from symphony.agent.credentials.login import Login, LoginFormat
from symphony.agent.credentials.renewal import LoginFile, read_login
from symphony.agent.credentials.sources import keys_of, sources_of
from symphony.agent.errors import AgentError
from symphony.core.settings import AcpSettings
from symphony.core.text import one_line


@dataclass(frozen=True, slots=True)
class Found:
    """What there is for one adapter.

    Attributes:
        says: which credential is used, from where and until when; empty when nothing is there.
        problem: why there is none, or none that can be used.
    """

    adapter: str
    says: str = ""
    problem: AgentError | None = None

    @property
    def absent(self) -> bool:
        """Say whether there is nothing at all, which a program may know better."""
        return isinstance(self.problem, CredentialMissing)


def look(adapter: Adapter, acp: AcpSettings, environ: Mapping[str, str], now: datetime) -> Found:
    """Return what an adapter's program would use now, on the host or by its placeholder in a guest."""
    if keys := keys_of(adapter, environ):
        verb = "is" if len(keys) == 1 else "are"
        return Found(adapter.name, f"{', '.join(keys)} {verb} set")
    told = []
    try:
        for source in sources_of(adapter, acp, environ):
            path = source.path(environ)
            login = None if path is None else read_login(LoginFile(path, source))
            if path is not None and login is not None:
                told.append(_told(source, path, login, now))
    except AgentError as error:
        return Found(adapter.name, problem=error)
    if told:
        return Found(adapter.name, "; ".join(told))
    return Found(adapter.name, problem=missing(adapter, acp, environ))


def missing(adapter: Adapter, acp: AcpSettings, environ: Mapping[str, str]) -> CredentialMissing:
    """Return what is said of an adapter that has nothing."""
    *names, last = adapter.credentials or ("",)
    listed = f"{', '.join(names)} and {last} are" if names else f"{last} is"
    unset = f"{listed} not set, and " if adapter.credentials else ""
    places = dict.fromkeys(source.path(environ) for source in _sources(adapter, acp, environ))
    where = " or ".join(str(place) for place in places if place is not None)
    fact = f"there is no login in {where}" if where else "there is no login"
    return CredentialMissing(
        f'The adapter "{adapter.name}" has no credential: {unset}{fact}.', remedy=adapter.login
    )


def _sources(adapter: Adapter, acp: AcpSettings, environ: Mapping[str, str]) -> tuple[LoginFormat, ...]:
    try:
        return sources_of(adapter, acp, environ)
    except AgentError:
        return ()


def _told(source: LoginFormat, path: Path, login: Login, now: datetime) -> str:
    if not login.refresh and not login.lasts(now):
        raise LoginExpired(path, login.expires_at, source.login)
    whose = f"the login for {one_line(source.provider, 40)}" if source.provider else "the login"
    if login.expires_at is None and not login.refresh:
        return f"{whose} in {path}"
    when = "" if login.expires_at is None else f", good until {login.expires_at:%Y-%m-%d %H:%M} UTC"
    if not login.lasts(now):
        when = f", over since {login.expires_at:%Y-%m-%d %H:%M} UTC"
    if not login.refresh:
        return f"{whose} in {path}{when} and not renewed"
    if source.endpoint is None:
        return f"{whose} in {path}{when}; the program renews it"
    return f"{whose} in {path}{when}; symphony renews it"
