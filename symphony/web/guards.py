"""Who may talk to the listener: names, token and origin, checked before any endpoint [CONTRACT 7.2].

A page in the user's browser can make requests to a server on loopback. It cannot choose the Host
header (so a foreign name is refused: DNS rebinding), it cannot hide its Origin on a write, and it
cannot send JSON across origins without a preflight, which nobody answers here.
"""

import hashlib
import hmac
import ipaddress
import re
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from aiohttp import web

from symphony.core.text import one_line
from symphony.web.errors import Refusal
from symphony.web.patience import Patience

AUTHORITY = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::(?P<port>[0-9]{1,5}))?")
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"http": "80", "https": "443"}
SHOWN = 80  # characters of a refused header in the answer
COOKIE = "symphony_session"
CROSS_SITE = "cross-site"


def split_authority(authority: str) -> tuple[str, str] | None:
    """Return name and port of a Host header, in lower case and without brackets; None if it is none."""
    found = AUTHORITY.fullmatch(authority.strip())
    if found is None:
        return None
    return found["name"].strip("[]").rstrip(".").lower(), found["port"] or ""


def is_address(name: str) -> bool:
    """Say whether a name is a literal IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request must show.

    Attributes:
        names: host names, lower case, that the server answers to.
        any_address: also answer to every literal address; a rebinding attack needs a name.
        token: the bearer token of people's requests; None asks for none.
        patience: with those who guess it.
    """

    names: frozenset[str]
    any_address: bool = False
    token: str | None = field(default=None, repr=False)
    patience: Patience = field(default_factory=lambda: Patience(time.monotonic))

    @classmethod
    def of(cls, host: str, address: str, token: str | None, allowed_hosts: Collection[str]) -> "Guard":
        """Return the guard of a listener that was told `host` and is bound to `address`."""
        bound = ipaddress.ip_address(address)
        names = {host.strip("[]").lower(), address.lower()}
        if bound.is_loopback or bound.is_unspecified:
            names |= LOOPBACK_NAMES
        for allowed in allowed_hosts:
            if (authority := split_authority(allowed)) is not None:
                names.add(authority[0])
        return cls(frozenset(names), bound.is_unspecified, token)

    def check_host(self, request: web.BaseRequest) -> None:
        """Return if the Host header is a name of this server; its port does not matter.

        A forwarded port is a usual way to reach it, and another port is another origin anyway.

        Raises:
            Refusal: 421.
        """
        given = request.headers.getall("Host", [])
        authority = split_authority(given[0]) if len(given) == 1 else None
        if authority is not None:
            name, _ = authority
            if name in self.names or (self.any_address and is_address(name)):
                return
        raise Refusal(
            421,
            "wrong_host",
            f"This server does not answer to the host name {one_line(', '.join(given), SHOWN)!r}.",
            remedy="Use the address that symphony printed at its start.",
        )

    def check_token(self, request: web.BaseRequest) -> None:
        """Return if no token is asked for, or the right one or the cookie of a login is given.

        A cookie cannot be guessed, and is taken from an address that has guessed at the token too.

        Raises:
            Refusal: 401; 429 after too many wrong tokens.
        """
        if self.token is None or self._has_cookie(request, self.token):
            return
        scheme, _, given = request.headers.get("Authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer" and given.strip() and self.is_token(request, given.strip()):
            return
        raise Refusal(
            401,
            "unauthorized",
            "This server needs its token.",
            remedy="Send `Authorization: Bearer` with the value of server.token.",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def is_token(self, request: web.BaseRequest, given: str) -> bool:
        """Say whether this is the token.

        Raises:
            Refusal: 429 after too many wrong ones from the same address.
        """
        address = request.remote or ""
        self.patience.check(address)
        if self.token is not None and is_same(given, self.token):
            self.patience.right(address)
            return True
        self.patience.wrong(address)
        return False

    def _has_cookie(self, request: web.BaseRequest, token: str) -> bool:
        return is_same(request.cookies.get(cookie_name(COOKIE, request), ""), cookie_of(token))

    def check_names_origin(self, request: web.BaseRequest) -> None:
        """Return if a form says where it comes from, as a browser always does; `check_origin` judges that.

        Raises:
            Refusal: 403.
        """
        if "Origin" not in request.headers:
            raise Refusal(
                403,
                "form_refused",
                "A form is accepted from the dashboard only.",
                remedy="Programs use the JSON API under /api/v1.",
            )

    def check_origin(self, request: web.BaseRequest) -> None:
        """Return if the request names no origin, or this very server.

        Raises:
            Refusal: 403.
        """
        reading_a_page = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if request.headers.get("Sec-Fetch-Site") == CROSS_SITE and not reading_a_page:
            raise Refusal(
                403,
                "wrong_origin",
                "Another site's page may not use this server.",
                remedy="Use symphony's own pages, or a program.",
            )
        given = request.headers.getall("Origin", [])
        if not given:
            return
        scheme, separator, authority = given[0].lower().partition("://")
        default = DEFAULT_PORTS.get(scheme)
        origin, host = split_authority(authority), split_authority(request.headers.get("Host", ""))
        if len(given) == 1 and separator and default and origin and host:
            same_port = (origin[1] or default) == (host[1] or default)
            if origin[0] == host[0] and same_port:
                return
        raise Refusal(
            403,
            "wrong_origin",
            f"A page of {one_line(', '.join(given), SHOWN)!r} may not use this server.",
            remedy="Use symphony's own pages, or a program that sends no Origin header.",
        )


def cookie_of(token: str) -> str:
    """Return the value of a login's cookie: it proves the token and does not tell it."""
    return hmac.new(token.encode("utf-8"), b"symphony dashboard", hashlib.sha256).hexdigest()


def cookie_name(name: str, request: web.BaseRequest) -> str:
    """Return a cookie's name for this server: browsers keep one jar for all ports of a host."""
    authority = split_authority(request.headers.get("Host", ""))
    return f"{name}_{authority[1] if authority and authority[1] else 0}"


def is_same(given: str, right: str) -> bool:
    """Compare in constant time, as bytes."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode("utf-8"))
