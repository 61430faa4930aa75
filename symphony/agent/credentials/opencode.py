"""OpenCode's logins: `auth.json`, one entry for each provider [seen in opencode 1.18.33].

An entry is a key (`type: api`), or a login (`type: oauth`) that the program renews once it is over, without a
lock. OPENCODE_AUTH_CONTENT holds such a file as a text and beats it. What renews a login is a part of
the program for each provider; of those only ChatGPT's is renewed here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from symphony.agent.credentials import codex
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

CONTENT_VARIABLE = "OPENCODE_AUTH_CONTENT"
HOSTS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("api.anthropic.com",),
    "deepseek": ("api.deepseek.com",),
    "github-copilot": ("api.githubcopilot.com", "api.github.com"),
    "google": ("generativelanguage.googleapis.com",),
    "groq": ("api.groq.com",),
    "mistral": ("api.mistral.ai",),
    "openai": ("api.openai.com", "chatgpt.com"),
    "opencode": ("opencode.ai",),
    "openrouter": ("openrouter.ai",),
    "xai": ("api.x.ai",),
}
"""Where a provider's login goes; of any other provider a guest gets nothing."""


@dataclass(frozen=True, slots=True)
class OpenCodeLogin:
    """The `LoginFormat` of one provider in OpenCode's file."""

    provider: str
    adapter: str = "opencode"
    lock: str = ""
    write_lock: str = ""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the login is renewed; None when only the program can."""
        return (
            Endpoint(codex.ENDPOINT.url, codex.ENDPOINT.client_id, form=True)
            if self.provider == "openai"
            else None
        )

    @property
    def login(self) -> str:
        """What a person does to log in."""
        return f"Log in again: run `opencode auth login` and choose {self.provider}."

    def path(self, environ: Mapping[str, str]) -> Path | None:
        """Return `$XDG_DATA_HOME/opencode/auth.json`, by default below ~/.local/share."""
        return file_of(environ, "XDG_DATA_HOME", ".local/share", "opencode", "auth.json")

    def read(self, document: Document) -> Login | None:
        """Return the provider's login or key.

        Raises:
            NotALogin: it is not what the program writes.
        """
        entry = object_of(document, self.provider)
        match None if entry is None else entry.get("type"):
            case "api" if entry is not None:
                if key := text_of(entry, "key"):
                    return Login(key, more={"type": "api"})
                raise NotALogin(f"`{self.provider}` holds no `key`")
            case "oauth" if entry is not None:
                if access := text_of(entry, "access"):
                    more = {"type": "oauth"}
                    until = from_ms(entry.get("expires"))
                    return Login(
                        access, text_of(entry, "refresh"), until, None, text_of(entry, "accountId"), more
                    )
                raise NotALogin(f"`{self.provider}` holds no `access`")
            case _:
                return None

    def request(self, login: Login) -> Mapping[str, str]:
        """Return the request."""
        return refreshing(login)

    def put(self, document: Document, grant: Grant, at: datetime) -> Document:
        """Return the file with the login renewed."""
        entry = object_of(document, self.provider) or {}
        until = grant.expires_at(at)
        new = {"access": grant.access, "expires": 0 if until is None else to_ms(until)}
        if grant.refresh:
            new["refresh"] = grant.refresh
        return {**document, self.provider: {**entry, **new}}


def providers_in(document: Document) -> tuple[str, ...]:
    """Return the providers that the file has an entry for."""
    return tuple(name for name, entry in document.items() if isinstance(entry, Mapping))


def guest_entry(login: Login, token: str, until: datetime) -> Document:
    """Return a provider's entry for a guest: with this token, good until then, and nothing to renew it."""
    if login.more.get("type") == "api":
        return {"type": "api", "key": token}
    account = {"accountId": login.account} if login.account else {}
    return {"type": "oauth", "refresh": "", "access": token, "expires": to_ms(until), **account}
