"""What becomes of a session whose model refuses the login that it was given.

A token may be over in the middle of a turn, or have been ended elsewhere. If a fresh one may help, the
attempt is no failure: it is made again, with the fresh one.
"""

from dataclasses import dataclass

from symphony.agent.credentials.errors import LoginOverdue
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.supply import Supply
from symphony.agent.errors import AgentAuthRequired, AgentError
from symphony.core.agent import TurnEnd
from symphony.core.errors import SymphonyError
from symphony.core.ports import Session


@dataclass(frozen=True, slots=True)
class RenewingSession:
    """A `Session` around another."""

    session: Session
    logins: Logins
    supply: Supply

    @property
    def id(self) -> str:
        """The agent's name for it."""
        return self.session.id

    @property
    def model(self) -> str:
        """The model that it works with."""
        return self.session.model

    @property
    def resumed(self) -> bool:
        """Say whether it goes on with the session that was asked for."""
        return self.session.resumed

    @property
    def last_words(self) -> str:
        """The last of what it wrote to stderr."""
        return self.session.last_words

    async def lost(self) -> SymphonyError:
        """Return why nothing more can be said to the agent."""
        return await self.session.lost()

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn to its end.

        Raises:
            AgentError: as of the session; `agent.login_overdue` in place of `agent.auth_required`.
        """
        try:
            return await self.session.prompt(text)
        except AgentAuthRequired as error:
            raise await explain(error, self.logins, self.supply) from error

    async def cancel(self) -> None:
        """Ask the agent to end the running turn."""
        await self.session.cancel()


async def explain(error: AgentAuthRequired, logins: Logins, supply: Supply) -> AgentError:
    """Return what a refusal means: that the login is overdue, or what it says."""
    for source in supply.sources:
        if await logins.refused(source, supply.since):
            return LoginOverdue(error.message)
    return error
