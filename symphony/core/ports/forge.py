"""Where pull requests are opened [CONTRACT 9.2]."""

from typing import Protocol

from symphony.core.feedback import Feedback
from symphony.core.forge import ForgeRepo, Head, Proposal, PullRequest


class Forge(Protocol):
    """One kind of forge. Every call is bounded in time, and none needs a local repository."""

    async def look(self, repo: ForgeRepo) -> None:
        """Make sure that the forge takes the login, and shows it this repository.

        Raises:
            ForgeError: `forge.*`.
        """
        ...

    async def find_open(self, repo: ForgeRepo, head: Head, base: str) -> PullRequest | None:
        """Return the open pull request of this head into this base of `repo`; None without one.

        Raises:
            ForgeError: `forge.*`.
        """
        ...

    async def open(self, repo: ForgeRepo, head: Head, base: str, proposal: Proposal) -> PullRequest:
        """Open a pull request; if the forge says that it is open already, that one is updated.

        Raises:
            ForgeError: `forge.*`; none was opened, or the next call finds it.
        """
        ...

    async def update(self, repo: ForgeRepo, number: int, proposal: Proposal) -> PullRequest:
        """Give an open one another title and body, and add labels and reviewers.

        Raises:
            ForgeError: `forge.*`.
        """
        ...

    async def read(self, repo: ForgeRepo, number: int) -> PullRequest:
        """Return one pull request as it is now.

        Raises:
            ForgeError: `forge.*`.
        """
        ...

    async def feedback(self, repo: ForgeRepo, number: int) -> Feedback:
        """Return what checks and people say of one pull request; of each kind at most a thousand.

        Of one that is merged or closed only that is asked. The files in conflict are not known here.

        Raises:
            ForgeError: `forge.*`.
        """
        ...
