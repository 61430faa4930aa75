"""What an agent's program gets of the host's credentials: on the host by variable, in a guest by placeholder.

Called by the registry for each session, and for each machine before it boots. A login is taken only
where no key is set, as the programs themselves have it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from symphony.agent.adapters import CLAUDE, CODEX, OPENCODE, Adapter
from symphony.agent.credentials import claude, codex
from symphony.agent.credentials.found import missing
from symphony.agent.credentials.guest import (
    GuestLogin,
    StagedFile,
    claude_in_guest,
    codex_in_guest,
    opencode_in_guest,
)
from symphony.agent.credentials.login import Login, LoginFormat
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.sources import keys_of, sources_of
from symphony.agent.needs import guest_needs, needs_with
from symphony.core.machine import GuestNeeds
from symphony.core.ports import Clock
from symphony.core.settings import AcpSettings, SmolvmSettings

PLUGINS_ON = {"OPENCODE_DISABLE_DEFAULT_PLUGINS": "false"}
"""OpenCode's own plugins are what speaks to a model by a login; by a key it does without them."""


@dataclass(frozen=True, slots=True)
class Supply:
    """What one session's program is given.

    Attributes:
        environment: variables beside its keys.
        sources: the logins in it.
        since: when it was taken.
        file: what its guest is to write first.
    """

    since: datetime
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    sources: tuple[LoginFormat, ...] = ()
    file: StagedFile | None = None


class Supplies:
    """Takes from the logins what programs need."""

    def __init__(self, environ: Mapping[str, str], clock: Clock, logins: Logins) -> None:
        self._environ = environ
        self._clock = clock
        self.logins = logins

    async def for_host(self, adapter: Adapter, acp: AcpSettings) -> Supply:
        """Return what a program on the host is given, beside its keys.

        Claude Code gets a token that it cannot renew, and looks into its file when that is over. The
        others find their file, which is kept fresh while they run, and Codex is kept from renewing it. A
        command of the user's own finds what the user has.

        Raises:
            AgentError: `agent.login_*`; `agent.credential_missing`: its program was never set up here.
        """
        since = self._clock.now()
        if acp.command is not None or keys_of(adapter, self._environ):
            return Supply(since)
        logins = await self._logins(adapter, acp)
        if not logins:
            await asyncio.to_thread(self._check_set_up, adapter, acp)
            return Supply(since)
        environment: Mapping[str, str] = {}
        if adapter is CLAUDE:
            environment = claude.variables_of(next(iter(logins.values())))
        elif adapter is CODEX:
            environment = codex.NOT_ITSELF
        return Supply(since, {**environment, **_plugins(adapter, logins)}, tuple(logins))

    async def in_guest(self, adapter: Adapter, acp: AcpSettings) -> Supply:
        """Return what a program in a guest is given, beside what its machine has from `needs`.

        Raises:
            AgentError: `agent.login_*`.
        """
        since = self._clock.now()
        if keys_of(adapter, self._environ):
            return Supply(since)
        logins = await self._logins(adapter, acp)
        login = self._guest_login(adapter, logins)
        if login is None:
            return Supply(since)
        return Supply(since, _plugins(adapter, logins), tuple(logins), login.file)

    async def needs(self, adapter: Adapter, acp: AcpSettings, smolvm: SmolvmSettings) -> GuestNeeds:
        """Return what a machine needs for an adapter's program, the values of logins included.

        Raises:
            AgentError: `agent.credential_without_host`, `agent.login_*`; `agent.credential_missing`: the
                program would have nothing in a guest.
        """
        needs = guest_needs(adapter, smolvm.credentials, self._environ)
        if needs.credentials:
            return needs
        login = self._guest_login(adapter, await self._logins(adapter, acp))
        if login is not None:
            return needs_with(needs, login.credentials, login.environment)
        elsewhere = acp.command or smolvm.volumes or smolvm.forward_env or needs.environment
        if adapter.credentials and not elsewhere:
            raise missing(adapter, acp, self._environ)
        return needs

    def _guest_login(self, adapter: Adapter, logins: Mapping[LoginFormat, Login]) -> GuestLogin | None:
        if not logins:
            return None
        hosts = guest_needs(adapter, {}, self._environ).hosts
        if adapter is CLAUDE:
            return claude_in_guest(next(iter(logins.values())), hosts)
        if adapter is CODEX:
            return codex_in_guest(next(iter(logins.values())), hosts, self._clock.now())
        return opencode_in_guest(
            {source.provider: login for source, login in logins.items()}, self._clock.now()
        )

    async def _logins(self, adapter: Adapter, acp: AcpSettings) -> dict[LoginFormat, Login]:
        valid = timedelta(milliseconds=acp.prompt_timeout_ms)
        sources = await asyncio.to_thread(sources_of, adapter, acp, self._environ)
        found = {source: await self.logins.fresh(source, valid) for source in sources}
        return {source: login for source, login in found.items() if login is not None}

    def _check_set_up(self, adapter: Adapter, acp: AcpSettings) -> None:
        """Make sure that the user has ever used the program: it may know ways that are not known here."""
        places = [source.path(self._environ) for source in sources_of(adapter, acp, self._environ)]
        known = [place for place in places if place is not None]
        base_url = adapter.base_url and self._environ.get(adapter.base_url)
        if adapter.credentials and known and not base_url and not any(map(_is_set_up, known)):
            raise missing(adapter, acp, self._environ)


def _is_set_up(login: Path) -> bool:
    return login.parent.exists()


def _plugins(adapter: Adapter, logins: Mapping[LoginFormat, Login]) -> Mapping[str, str]:
    needed = adapter is OPENCODE and any(login.more.get("type") == "oauth" for login in logins.values())
    return PLUGINS_ON if needed else {}
