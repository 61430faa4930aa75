"""The one owner of the logins that agents use: at any time one renewal of each, for all who wait.

Agents of a daemon ask here for a login before they start, and nobody else renews one; a lock on the
file keeps other daemons from it. While agents run, `keep_fresh` renews what they use well before their
programs would, so that no two of them can spend the same refresh token and log each other out.
"""

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from symphony.agent.credentials.errors import LoginUnreachable
from symphony.agent.credentials.exchange import Exchange, exchange
from symphony.agent.credentials.login import Login, LoginFormat
from symphony.agent.credentials.renewal import LoginFile, read_login, renew
from symphony.agent.errors import AgentError
from symphony.core.ports import Clock
from symphony.core.problem import Problem
from symphony.host.process import finish_first

MARGIN = timedelta(minutes=10)  # Claude Code renews 5 minutes before the end by itself
RETRIES = (timedelta(seconds=1), timedelta(seconds=4))  # then whoever asked waits for longer
FORCED_AGAIN = timedelta(minutes=10)  # a fresh token that is refused as well is no matter of time


@dataclass(slots=True)
class _Kept:
    """What is known of one login file.

    Attributes:
        lock: held by the renewal.
        lifetime: of a token, as far as it was seen.
        refused: the digest of a token that a model refused.
        forced_at: when a token was last renewed because a model had refused it.
        problem: why it could not be used the last time.
    """

    file: LoginFile
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    lifetime: timedelta | None = None
    refused: str = ""
    forced_at: datetime | None = None
    problem: AgentError | None = None


class Logins:
    """The logins of the user whose environment this is.

    Attributes:
        environ: the user's.
        clock: the time.
        hiders: told every value of a login before anybody else gets it.
    """

    def __init__(self, environ: Mapping[str, str], clock: Clock, ask: Exchange | None = None) -> None:
        """Take the user's environment, the time, and what asks a login server, by default for real."""
        self.hiders: list[Callable[[Collection[str]], None]] = []
        self.environ = environ
        self.clock = clock
        self._ask = ask or exchange
        self._hidden: frozenset[str] = frozenset()
        self._kept: dict[tuple[Path, str], _Kept] = {}

    async def fresh(self, source: LoginFormat, valid: timedelta = timedelta()) -> Login | None:
        """Return a login that is good for this long, if there is one at all.

        A token that lives shorter than that is renewed in the middle of its life. One that cannot be
        renewed for now is given as long as it is good.

        Raises:
            AgentError: `agent.login_*`.
        Cancellation: a renewal that has begun is finished first.
        """
        kept = self._of(source)
        if kept is None:
            return None
        try:
            login = await self._renewed(kept, valid + MARGIN)
        except AgentError as error:
            kept.problem = error
            raise
        kept.problem = None
        return login

    async def refused(self, source: LoginFormat, since: datetime) -> bool:
        """Take note that a model refused a login that was handed out then; say whether a fresh one may help.

        It may not when the token had just been renewed for the same reason, or when nothing renews it.
        """
        kept = self._of(source)
        if kept is None or source.endpoint is None:
            return False
        try:
            login = await self._in_thread(partial(read_login, kept.file))
        except AgentError:
            return False
        now = self.clock.now()
        if login is None or not login.refresh:
            return False
        if kept.forced_at is not None and since < kept.forced_at:
            return True
        if kept.forced_at is not None and now - kept.forced_at < FORCED_AGAIN:
            return False
        kept.refused = _digest(login.access)
        return True

    def problems(self) -> tuple[Problem, ...]:
        """Return for each login that agents use why it could not be renewed."""
        return tuple(
            Problem(kept.problem.code, str(kept.file.path), str(kept.problem))
            for kept in self._kept.values()
            if kept.problem is not None
        )

    async def learn(self, source: LoginFormat) -> None:
        """Tell the values of a login to be hidden, whether or not an agent is given them."""
        path = source.path(self.environ)
        if path is not None:
            with suppress(AgentError):  # what cannot be read is told by who needs it
                self._hide(await self._in_thread(partial(read_login, LoginFile(path, source))))

    async def keep_fresh(self) -> None:
        """Renew what agents have used, where that is due, before their programs do."""
        for kept in tuple(self._kept.values()):
            try:
                await self._renewed(kept, MARGIN)
                kept.problem = None
            except AgentError as error:
                kept.problem = error

    def _hide(self, login: Login | None) -> None:
        if login is not None and not login.secrets <= self._hidden:
            self._hidden |= login.secrets
            for hide in self.hiders:
                hide(login.secrets)

    def _of(self, source: LoginFormat) -> _Kept | None:
        path = source.path(self.environ)
        if path is None:
            return None
        return self._kept.setdefault((path, source.provider), _Kept(LoginFile(path, source)))

    async def _renewed(self, kept: _Kept, wanted: timedelta) -> Login | None:
        async with kept.lock:
            login = await self._in_time(kept, wanted)
            self._hide(login)
            return login

    async def _in_time(self, kept: _Kept, wanted: timedelta) -> Login | None:
        forced = kept.refused
        before = ""

        def due(login: Login) -> bool:
            nonlocal before
            before = login.access
            lifetime = login.lifetime or kept.lifetime
            least = wanted if lifetime is None else min(wanted, lifetime / 2)
            return _digest(login.access) == forced or not login.lasts(self.clock.now() + least)

        try:
            login = await self._tried(kept, due)
        except LoginUnreachable:
            login = await self._in_thread(partial(read_login, kept.file))
            if login is None or not login.lasts(self.clock.now()) or _digest(login.access) == forced:
                raise
            return login
        if login is not None and before and login.access != before:
            now = self.clock.now()
            kept.lifetime = None if login.expires_at is None else login.expires_at - now
            if forced:
                kept.refused, kept.forced_at = "", now
        return login

    async def _tried(self, kept: _Kept, due: Callable[[Login], bool]) -> Login | None:
        for pause in RETRIES:
            try:
                return await self._once(kept, due)
            except LoginUnreachable:
                await self.clock.sleep_until(self.clock.now() + pause)
        return await self._once(kept, due)

    async def _once(self, kept: _Kept, due: Callable[[Login], bool]) -> Login | None:
        return await self._in_thread(partial(renew, kept.file, due, self._ask, self.clock.now))

    async def _in_thread(self, work: Callable[[], Login | None]) -> Login | None:
        task = asyncio.create_task(asyncio.to_thread(work))
        await finish_first(task)
        return task.result()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
