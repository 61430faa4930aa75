"""What an adapter's program is told when it is started, where that depends on more than which program it is.

Pure but for the password of opencode's own server. Everything is said on the command line and in the
environment: nothing is written into the user's configuration, and their login stays as it is.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from symphony.core.settings import AcpSettings


@dataclass(frozen=True, slots=True)
class Given:
    """What the host gives the program.

    Attributes:
        key: whether a key to its model is among it.
        base_url: another place for its model.
        in_guest: whether it runs in a machine, without the user's configuration.
    """

    key: bool = False
    base_url: str | None = None
    in_guest: bool = False


@dataclass(frozen=True, slots=True)
class Switches:
    """More arguments and variables."""

    argv: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


CODEX_KEYS = ("OPENAI_API_KEY", "CODEX_API_KEY")
GUEST_PROVIDER = "symphony"

Switching: TypeAlias = Callable[[AcpSettings, Given], Switches]


def no_switches(_: AcpSettings, __: Given) -> Switches:
    """Return nothing."""
    return Switches()


def codex_switches(_: AcpSettings, given: Given) -> Switches:
    """Return Codex's settings as arguments."""
    settings: dict[str, bool | str | list[str]] = {
        "check_for_update_on_startup": False,
        "analytics.enabled": False,
        "features.unified_exec": False,  # else a command that it was told to cancel runs on
    }
    if given.key:
        settings["cli_auth_credentials_store"] = "ephemeral"  # else the key replaces the user's login
    if given.base_url:
        settings["openai_base_url"] = given.base_url
    if given.in_guest:
        settings |= _codex_in_guest(given)
    words = (f"{name}={json.dumps(value)}" for name, value in settings.items())  # which TOML reads as well
    return Switches(tuple(word for setting in words for word in ("-c", setting)))


def _codex_in_guest(given: Given) -> Mapping[str, bool | str | list[str]]:
    """Return what keeps Codex on terms with the engine that puts its key into its requests.

    The engine refuses web sockets with a status on which Codex gives up, and every request whose body
    holds a placeholder, as it does once a command has printed its variables.
    """
    provider = f"model_providers.{GUEST_PROVIDER}"
    place = {f"{provider}.base_url": given.base_url} if given.base_url else {}
    return {
        "model_provider": GUEST_PROVIDER,
        f"{provider}.name": "OpenAI",  # by this name Codex knows what the provider can do
        f"{provider}.wire_api": "responses",
        f"{provider}.requires_openai_auth": True,
        f"{provider}.supports_websockets": False,
        **place,
        "shell_environment_policy.exclude": [*CODEX_KEYS],
        "shell_environment_policy.ignore_default_excludes": True,  # which would take *KEY*, and git's with it
        "features.shell_snapshot": False,  # else commands get the variables all the same
    }


def opencode_switches(acp: AcpSettings, _: Given) -> Switches:
    """Return opencode's settings as one variable, beside the user's own files."""
    asks = acp.permission != "allow" or acp.permission_rules
    config = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "ask" if asks else "allow"},
    }
    password = secrets.token_urlsafe(24)  # its HTTP API listens on loopback, open to every other program
    return Switches(
        environment={"OPENCODE_CONFIG_CONTENT": json.dumps(config), "OPENCODE_SERVER_PASSWORD": password}
    )
