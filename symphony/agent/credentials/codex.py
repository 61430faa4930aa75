"""Codex's login: `auth.json` [seen in codex 0.137 of codex-acp 0.16.0].

The program looks again into the file before it renews, and renews a token that is over or whose
`last_refresh` is 8 days ago. It writes the file in place and without a lock, so that a reader may see half
of it. The expiry stands in the access token, which is a JWT.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from symphony.agent.credentials.login import (
    Document,
    Endpoint,
    Grant,
    Login,
    NotALogin,
    claims_of,
    file_of,
    from_ms,
    object_of,
    refreshing,
    text_of,
)

STALE = timedelta(days=8)  # when the program renews a token by itself
KEY = {"type": "api"}
NOT_ITSELF = {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": "unauthorized:"}
"""Keeps the program from renewing a login by itself: no request can be made to this. It still looks into its
file for a fresher token when its model refuses one; then its error names this, and so says what it is."""
CLAIMS = "https://api.openai.com/auth"  # of an identity token
TOLD = ("chatgpt_account_id", "chatgpt_plan_type", "chatgpt_user_id")
ENDPOINT = Endpoint("https://auth.openai.com/oauth/token", "app_EMoamEEZ73f0CkXaXp7hrann")


@dataclass(frozen=True, slots=True)
class CodexLogin:
    """The `LoginFormat` of Codex."""

    adapter: str = "codex"
    provider: str = ""
    endpoint: Endpoint | None = ENDPOINT
    login: str = "Log in again: run `codex login`."
    lock: str = ""
    write_lock: str = ""

    def path(self, environ: Mapping[str, str]) -> Path | None:
        """Return `$CODEX_HOME/auth.json`, by default below ~/.codex."""
        return file_of(environ, "CODEX_HOME", ".codex", "auth.json")

    def read(self, document: Document) -> Login | None:
        """Return the login of a ChatGPT account, else the API key that was logged in with.

        Raises:
            NotALogin: it is not what the program writes.
        """
        tokens = object_of(document, "tokens")
        if tokens is None:
            key = text_of(document, "OPENAI_API_KEY")
            return Login(key, more=KEY) if key else None
        access = text_of(tokens, "access_token")
        if not access:
            raise NotALogin("`tokens` holds no `access_token`")
        said = claims_of(access)
        until, since = (from_ms(_times_1000(said.get(name))) for name in ("exp", "iat"))
        stale = _time(document.get("last_refresh"))
        ends = [end for end in (until, None if stale is None else stale + STALE) if end is not None]
        identity = claims_of(text_of(tokens, "id_token"))
        told = identity.get(CLAIMS)
        more = {name: str(told[name]) for name in TOLD if told.get(name)} if isinstance(told, Mapping) else {}
        account = text_of(tokens, "account_id") or more.get("chatgpt_account_id", "")
        return Login(
            access,
            text_of(tokens, "refresh_token"),
            min(ends) if ends else None,
            until - since if until and since else None,
            account,
            more,
        )

    def request(self, login: Login) -> Mapping[str, str]:
        """Return the request."""
        return refreshing(login)

    def put(self, document: Document, grant: Grant, at: datetime) -> Document:
        """Return the file with the login renewed."""
        tokens = dict(object_of(document, "tokens") or {})
        new = {"access_token": grant.access, "refresh_token": grant.refresh, "id_token": grant.identity}
        tokens |= {name: value for name, value in new.items() if value}
        return {**document, "tokens": tokens, "last_refresh": at.isoformat().replace("+00:00", "Z")}


def guest_file(login: Login, token: str, now: datetime) -> Document:
    """Return the `auth.json` of a guest around this token or key, with nothing else that could be stolen.

    The identity token is made up: the program reads the account and the plan from it, and nobody checks
    its signature. There is no refresh token, so that the guest cannot end the host's login.
    """
    if login.more == KEY:
        return {"auth_mode": "apikey", "OPENAI_API_KEY": token, "tokens": None, "last_refresh": None}
    identity = _unsigned({CLAIMS: dict(login.more), "exp": int((now + STALE).timestamp())})
    tokens = {"id_token": identity, "access_token": token, "refresh_token": ""}
    if login.account:
        tokens["account_id"] = login.account
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": now.isoformat().replace("+00:00", "Z"),
    }


def _unsigned(claims: Document) -> str:
    parts = [
        json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)
    ]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"none"))


def _times_1000(seconds: object) -> object:
    return seconds * 1000 if isinstance(seconds, int | float) and not isinstance(seconds, bool) else None


def _time(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return when if when is None or when.tzinfo is not None else when.replace(tzinfo=UTC)
