"""The daemon's eye on the credentials of the adapters that the workflow names.

It says at start which are used and which are missing, keeps the problems for every surface, and has the
logins renewed while agents run. One task; it reads small files in a thread.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol

from symphony.agent.adapters import adapter_of
from symphony.agent.credentials.found import Found, look
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.sources import sources_of
from symphony.agent.errors import AgentError
from symphony.core.problem import Problem
from symphony.core.settings import AcpSettings, Settings

LOOK_EVERY = timedelta(minutes=1)


class Log(Protocol):
    """Where it is said."""

    def info(self, event: str, **fields: Any) -> None:
        """Note a credential that is used."""
        ...

    def warning(self, event: str, **fields: Any) -> None:
        """Note one that is missing or of no use."""
        ...


class CredentialWatch:
    """What is known of the credentials now."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        logins: Logins,
        log: Log,
        on_change: Callable[[], None],
    ) -> None:
        """Take what it looks at.

        Args:
            settings: those in force.
            logins: the owner of the user's logins.
            log: told when something changed.
            on_change: called when `problems` changed.
        """
        self._settings = settings
        self._logins = logins
        self._log = log
        self._on_change = on_change
        self._found: dict[str, Found] = {}

    def problems(self) -> tuple[Problem, ...]:
        """Return what a person has to do for agents to have a model."""
        own = {
            Problem(found.problem.code, f"adapter {name}", str(found.problem))
            for name, found in self._found.items()
            if found.problem is not None
        }
        told = {problem.message for problem in own}
        return (*sorted(own), *(each for each in self._logins.problems() if each.message not in told))

    async def look(self) -> None:
        """Look once, and say what is not as it was."""
        before = self.problems()
        found = {}
        for acp in agents_of(self._settings()):
            if (seen := await self._look_at(acp)) is not None:
                found[seen.adapter] = seen
        for name, seen in found.items():
            if str(self._found.get(name)) == str(seen):
                continue
            if seen.problem is None:
                self._log.info("credential.found", adapter=name, what=seen.says)
            else:
                self._log.warning("credential.missing", adapter=name, reason=str(seen.problem))
        self._found = found
        if self.problems() != before:
            self._on_change()

    async def run(self) -> None:
        """Look, and have what agents use renewed, until cancelled."""
        while True:
            await self.look()
            await self._logins.clock.sleep_until(self._logins.clock.now() + LOOK_EVERY)
            await self._logins.keep_fresh()

    async def _look_at(self, acp: AcpSettings) -> Found | None:
        """Return what there is; None for an agent of which nothing is known."""
        with suppress(AgentError):
            adapter = adapter_of(acp)
            if acp.command is not None or not adapter.login:
                return None
            for source in await asyncio.to_thread(sources_of, adapter, acp, self._logins.environ):
                await self._logins.learn(source)
            return await asyncio.to_thread(look, adapter, acp, self._logins.environ, self._logins.clock.now())
        return None


def agents_of(settings: Settings) -> tuple[AcpSettings, ...]:
    """Return how agents are started, once for each adapter that a state or the workflow names."""
    chosen = [settings.acp, *(settings.in_state(state).acp for state in settings.states or ())]
    return tuple({(acp.adapter, acp.command): acp for acp in chosen}.values())
