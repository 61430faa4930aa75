"""How a login reaches a guest: placeholders by variable, and a file with placeholders in it.

A guest never holds a token: a variable holds what the engine replaces on the way to the login's own
hosts, and where a program wants a file, the guest itself writes one around that.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from symphony.agent.credentials import claude, codex, opencode
from symphony.agent.credentials.login import Login
from symphony.agent.errors import AgentError
from symphony.core.machine import Credential
from symphony.core.ports import Sandbox
from symphony.core.text import one_line

NEVER = timedelta(days=365)  # a guest cannot renew anything, so that it should not try
CODEX_VARIABLE = "SYMPHONY_CODEX_TOKEN"  # not CODEX_ACCESS_TOKEN, which means something else to Codex
STAGE_BOUND_S = 30.0  # for one small file in a guest that may be busy
SAID = 200  # characters of the guest's words in a message
STAGED = "SYMPHONY_STAGED"
SCRIPT = f"""
set -eu
umask 077
[ -n "${{HOME:-}}" ] || HOME=$(eval echo "~$(id -un)")
eval "folder=\\${{$1:-\\$HOME/$2}}"
file=$folder/$3
shift 3
[ ! -e "$file" ] || exit 0
mkdir -p "${{file%/*}}"
text=${STAGED}
for name; do
  eval "value=\\$$name"
  text=${{text%%"@$name@"*}}$value${{text#*"@$name@"}}
done
printf '%s' "$text" >"$file.new"
mv "$file.new" "$file"
"""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file that a guest writes at its start.

    Attributes:
        folder: the variable that names its folder in the guest.
        default: the folder below the guest's home when that is not set.
        name: below the folder.
        text: with `@NAME@` where the value of a variable of the guest goes.
        variables: their names.
    """

    folder: str
    default: str
    name: str
    text: str
    variables: tuple[str, ...]

    async def write(self, sandbox: Sandbox) -> None:
        """Let the guest write it, for its user alone, unless there is one.

        A volume may show the user's own folder there, which is not to be written over.

        Raises:
            AgentError: `agent.login_not_staged`.
            SandboxError: as of `Sandbox.run`.
        """
        argv = ("/bin/sh", "-c", SCRIPT, "sh", self.folder, self.default, self.name, *self.variables)
        ran = await sandbox.run(argv, environment={STAGED: self.text}, timeout_s=STAGE_BOUND_S)
        if ran.exit_status != 0:
            said = one_line(ran.stderr.decode("utf-8", "replace"), SAID) or "nothing was said"
            raise AgentError(
                f"The guest could not write {self.name}, its login: {said}.",
                code="agent.login_not_staged",
                remedy="The issue is tried again in a new machine; look at the image if it stays so.",
            )


@dataclass(frozen=True, slots=True)
class GuestLogin:
    """A login as a guest gets it.

    Attributes:
        credentials: with their values, which only the engine sees.
        environment: for the guest; no secrets.
        file: what the program wants to find.
    """

    credentials: tuple[Credential, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    file: StagedFile | None = None


def claude_in_guest(login: Login, hosts: tuple[str, ...]) -> GuestLogin:
    """Return Claude Code's login for a guest: by variable."""
    variables = dict(claude.variables_of(login))
    token = variables.pop(claude.TOKEN_VARIABLE)
    credential = Credential(claude.TOKEN_VARIABLE, claude.TOKEN_VARIABLE, hosts, token)
    return GuestLogin((credential,), variables)


def codex_in_guest(login: Login, hosts: tuple[str, ...], now: datetime) -> GuestLogin:
    """Return Codex's login for a guest: by file."""
    credential = Credential(CODEX_VARIABLE, CODEX_VARIABLE, hosts, login.access)
    text = json.dumps(codex.guest_file(login, f"@{CODEX_VARIABLE}@", now))
    return GuestLogin(
        (credential,), file=StagedFile("CODEX_HOME", ".codex", "auth.json", text, (CODEX_VARIABLE,))
    )


def opencode_in_guest(logins: Mapping[str, Login], now: datetime) -> GuestLogin | None:
    """Return OpenCode's logins for a guest, those whose hosts are known; None when there is none."""
    credentials, entries = [], {}
    for provider, login in logins.items():
        if (hosts := opencode.HOSTS.get(provider)) is None:
            continue
        name = f"SYMPHONY_{provider.upper().replace('-', '_')}_TOKEN"
        credentials.append(Credential(name, name, hosts, login.access))
        entries[provider] = opencode.guest_entry(login, f"@{name}@", now + NEVER)
    if not credentials:
        return None
    file = StagedFile(
        "XDG_DATA_HOME",
        ".local/share",
        "opencode/auth.json",
        json.dumps(entries),
        tuple(credential.name for credential in credentials),
    )
    return GuestLogin(tuple(credentials), file=file)
