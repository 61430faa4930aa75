"""A login as its file tells of it, and what all formats of such files share.

Pure. A format knows one program's file: where it is, what it says, how it is renewed, and how the
renewed one is put into it with all else as it was.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

Document = Mapping[str, Any]


class NotALogin(ValueError):
    """A file is not what its program writes; the text says what is amiss, without any value."""


@dataclass(frozen=True, slots=True)
class Login:
    """One account's login.

    Attributes:
        access: the token that a model takes, or an API key.
        refresh: renews it; empty when nothing does.
        expires_at: None when it does not expire, or does not say when.
        lifetime: how long one is good for; None when it does not say.
        account: the provider's name for the account, which is no secret.
        more: what else its program needs to know of it; no secrets.
    """

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    expires_at: datetime | None = None
    lifetime: timedelta | None = None
    account: str = ""
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def secrets(self) -> frozenset[str]:
        """Its values."""
        return frozenset(filter(None, (self.access, self.refresh)))

    def lasts(self, until: datetime) -> bool:
        """Say whether it is good until then, as far as it says."""
        return self.expires_at is None or self.expires_at > until


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login server answers to a refresh token.

    Attributes:
        refresh: the next one; empty when the old one stays good.
        identity: an OpenID token, if there is one.
        expires_in_s: seconds from the answer; None when it does not say.
    """

    access: str = field(repr=False)
    refresh: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)
    expires_in_s: float | None = None

    @classmethod
    def of(cls, answer: object) -> "Grant":
        """Return the grant in an answer's JSON [RFC 6749, 5.1].

        Raises:
            NotALogin: it holds no access token.
        """
        if not isinstance(answer, Mapping) or not is_token(answer.get("access_token")):
            raise NotALogin("the answer holds no access token")
        seconds = answer.get("expires_in")
        return cls(
            answer["access_token"],
            text_of(answer, "refresh_token"),
            text_of(answer, "id_token"),
            float(seconds) if isinstance(seconds, int | float) and 0 < seconds < 10**9 else None,
        )

    def answer(self) -> Document:
        """Return it as JSON again."""
        return {
            "access_token": self.access,
            "refresh_token": self.refresh,
            "id_token": self.identity,
            "expires_in": self.expires_in_s,
        }

    def expires_at(self, at: datetime) -> datetime | None:
        """Return when it expires, granted at that time."""
        return None if self.expires_in_s is None else at + timedelta(seconds=self.expires_in_s)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how a login is renewed.

    Attributes:
        form: whether the request is a form; else it is JSON.
    """

    url: str
    client_id: str
    form: bool = False


class LoginFormat(Protocol):
    """One program's login file, or one provider in it."""

    @property
    def adapter(self) -> str:
        """The adapter whose login it is."""
        ...

    @property
    def provider(self) -> str:
        """Whose login it is, if the file has several; else empty."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """Where it is renewed; None when only its program can."""
        ...

    @property
    def login(self) -> str:
        """What a person does to log in."""
        ...

    @property
    def lock(self) -> str:
        """The folder with which its program locks a renewal; empty when it has none."""
        ...

    @property
    def write_lock(self) -> str:
        """The folder with which its program locks a change of the file; empty when it has none."""
        ...

    def path(self, environ: Mapping[str, str]) -> Path | None:
        """Return where the file is, if it is there; None when nothing tells."""
        ...

    def read(self, document: Document) -> Login | None:
        """Return the login in the file; None when it holds none.

        Raises:
            NotALogin: it is not what the program writes.
        """
        ...

    def request(self, login: Login) -> Mapping[str, str]:
        """Return what is asked for a new one, beside the client's id."""
        ...

    def put(self, document: Document, grant: Grant, at: datetime) -> Document:
        """Return the file with the login renewed at that time and all else as it was."""
        ...


def file_of(environ: Mapping[str, str], variable: str, default: str, *names: str) -> Path | None:
    """Return a file in the folder that a variable names, by default one below the home; None without both."""
    if folder := environ.get(variable):
        return Path(folder, *names)
    home = environ.get("HOME")
    return Path(home, default, *names) if home else None


def refreshing(login: Login, **more: str) -> Mapping[str, str]:
    """Return the request for a new login by its refresh token [RFC 6749, 6]."""
    return {"grant_type": "refresh_token", "refresh_token": login.refresh, **more}


def is_token(value: object) -> bool:
    """Say whether a value can be sent as a token: a text of visible ASCII."""
    return (
        isinstance(value, str)
        and value.isascii()
        and value.isprintable()
        and " " not in value
        and value != ""
    )


def text_of(document: Document, key: str) -> str:
    """Return a token in a document; empty when there is none."""
    value = document.get(key)
    return value if isinstance(value, str) and is_token(value) else ""


def object_of(document: Document, key: str) -> Document | None:
    """Return an object in a document; None when there is none.

    Raises:
        NotALogin: there is something else.
    """
    value = document.get(key)
    if value is None or isinstance(value, Mapping):
        return value
    raise NotALogin(f"`{key}` is not an object")


def from_ms(value: object) -> datetime | None:
    """Return the time that milliseconds since 1970 stand for; None for what is no such time, and 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def to_ms(at: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def claims_of(token: str) -> Document:
    """Return what a JWT says, unchecked; empty when it is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, Mapping) else {}
