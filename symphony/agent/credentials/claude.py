"""Claude Code's login: `.credentials.json` [seen in claude 2.1.185 of claude-agent-acp 0.49.0].

The program renews it 5 minutes before its end, under a lock that is a folder, and writes the file
through a temporary one. With CLAUDE_CODE_OAUTH_TOKEN set it renews nothing; when its model refuses
that token it looks whether the file has another. A login that the server refused is left there with
an empty refresh token. On macOS the login is in the keychain and not in this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symphony.agent.credentials.login import (
    Document,
    Endpoint,
    Grant,
    Login,
    NotALogin,
    file_of,
    from_ms,
    object_of,
    refreshing,
    text_of,
    to_ms,
)

OBJECT = "claudeAiOauth"
TOKEN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"  # noqa: S105  a name
TOLD = {
    "scopes": "CLAUDE_CODE_OAUTH_SCOPES",
    "subscriptionType": "CLAUDE_CODE_SUBSCRIPTION_TYPE",
    "rateLimitTier": "CLAUDE_CODE_RATE_LIMIT_TIER",
}
"""What the program wants to know of a token that it is given by variable."""


@dataclass(frozen=True, slots=True)
class ClaudeLogin:
    """The `LoginFormat` of Claude Code."""

    adapter: str = "claude"
    provider: str = ""
    endpoint: Endpoint | None = Endpoint(
        "https://platform.claude.com/v1/oauth/token", "9d1c250a-e61b-44d9-88ed-5944d1962f5e"
    )
    login: str = "Log in again: run `claude` and enter `/login`."
    lock: str = ".oauth_refresh.lock"
    write_lock: str = ".storage-write.lock"

    def path(self, environ: Mapping[str, str]) -> Path | None:
        """Return `$CLAUDE_CONFIG_DIR/.credentials.json`, by default below ~/.claude."""
        return file_of(environ, "CLAUDE_CONFIG_DIR", ".claude", ".credentials.json")

    def read(self, document: Document) -> Login | None:
        """Return the login of a claude.ai account.

        Raises:
            NotALogin: it is not what the program writes.
        """
        found = object_of(document, OBJECT)
        if found is None:
            return None
        access = text_of(found, "accessToken")
        if not access:
            raise NotALogin(f"`{OBJECT}` holds no `accessToken`")
        scopes = found.get("scopes")
        more = (
            {"scopes": " ".join(scope for scope in scopes if isinstance(scope, str))}
            if isinstance(scopes, list)
            else {}
        )
        more |= {key: value for key in (*TOLD, "clientId") if (value := text_of(found, key))}
        return Login(access, text_of(found, "refreshToken"), from_ms(found.get("expiresAt")), more=more)

    def request(self, login: Login) -> Mapping[str, str]:
        """Return the request for the scopes that the login has."""
        known = {"scope": login.more.get("scopes"), "client_id": login.more.get("clientId")}
        return refreshing(login, **{name: value for name, value in known.items() if value})

    def put(self, document: Document, grant: Grant, at: datetime) -> Document:
        """Return the file with the login renewed."""
        old = object_of(document, OBJECT) or {}
        until = grant.expires_at(at)
        new = {"accessToken": grant.access, "expiresAt": None if until is None else to_ms(until)}
        if grant.refresh:
            new["refreshToken"] = grant.refresh
        return {**document, OBJECT: {**old, **new}}


def variables_of(login: Login) -> Mapping[str, str]:
    """Return the variables by which the program takes a login that it must not renew."""
    told = {name: value for key, name in TOLD.items() if (value := login.more.get(key))}
    return {TOKEN_VARIABLE: login.access, **told}
