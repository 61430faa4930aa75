"""How an adapter's program is started for one session: its arguments and its variables.

Pure but for the password of opencode's own server. Everything is said on the command line and in the
environment: nothing is written into the user's configuration, and their login stays as it is.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from symphony.agent.adapters import CODEX, OPENCODE, Adapter
from symphony.core.settings import AcpSettings


@dataclass(frozen=True, slots=True)
class Launch:
    """What the sandbox starts.

    Attributes:
        environment: switches; beside what the sandbox gives every program.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


def launch_of(
    adapter: Adapter, acp: AcpSettings, given: Mapping[str, str], *, in_guest: bool = False
) -> Launch:
    """Return how the program is started.

    Args:
        adapter: whose program it is.
        acp: with a command of its own, the program's arguments are the user's business.
        given: the host's variables for the program, by name: its credentials and its base URL.
        in_guest: whether it runs in a machine, where each program has one name.
    """
    switches = SWITCHES.get(adapter.name, _none)(acp, given)
    argv = adapter.launch(acp, in_guest=in_guest)
    if acp.command is None:
        argv = (*argv, *switches.argv)
    return Launch(argv, {**adapter.environment, **switches.environment})


def _none(_: AcpSettings, __: Mapping[str, str]) -> Launch:
    return Launch(())


def _codex(_: AcpSettings, given: Mapping[str, str]) -> Launch:
    settings: dict[str, bool | str] = {
        "check_for_update_on_startup": False,
        "analytics.enabled": False,
        "features.unified_exec": False,  # else a command that it was told to cancel runs on
    }
    if any(given.get(name) for name in CODEX.credentials):
        settings["cli_auth_credentials_store"] = "ephemeral"  # else the key replaces the user's login
    if CODEX.base_url and (url := given.get(CODEX.base_url)):
        settings["openai_base_url"] = url
    words = (f"{name}={json.dumps(value)}" for name, value in settings.items())  # which TOML reads as well
    return Launch(tuple(word for setting in words for word in ("-c", setting)))


def _opencode(acp: AcpSettings, _: Mapping[str, str]) -> Launch:
    asks = acp.permission != "allow" or acp.permission_rules
    config = {
        "autoupdate": False,
        "share": "disabled",
        "permission": {"*": "ask" if asks else "allow"},
    }
    password = secrets.token_urlsafe(24)  # its HTTP API listens on loopback, open to every other program
    return Launch((), {"OPENCODE_CONFIG_CONTENT": json.dumps(config), "OPENCODE_SERVER_PASSWORD": password})


SWITCHES: Mapping[str, Callable[[AcpSettings, Mapping[str, str]], Launch]] = {
    CODEX.name: _codex,
    OPENCODE.name: _opencode,
}
