"""The failures of this room, in the same words for every forge."""

from dataclasses import dataclass

from symphony.core.errors import SymphonyError
from symphony.core.forge import ForgeRepo

UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, BROKEN = 401, 403, 404, 429, 500


class ForgeError(SymphonyError):
    """A forge did not do what was asked; codes are `forge.*`."""

    code = "forge.failed"


@dataclass(frozen=True, slots=True)
class Words:
    """What a forge and its program are called.

    Attributes:
        forge: its name.
        program: the command.
        package: how the program is had.
        login: the command that logs in; `{host}` is the forge's host.
        refresh: the command that gives the login more rights.
        tested: the oldest version of the program that is tested, as major and minor.
    """

    forge: str
    program: str
    package: str
    login: str
    refresh: str
    tested: tuple[int, int]

    def missing(self, host: str) -> ForgeError:
        """Return the error for a program that is not installed."""
        return ForgeError(
            f"`{self.program}` is not installed, and pull requests on {self.forge} are made with it.",
            code="forge.program_missing",
            remedy=f"Install it ({self.package}), then run `{self.login.format(host=host)}`.",
        )

    def not_logged_in(self, host: str) -> ForgeError:
        """Return the error for a login that is missing, or that the forge does not take any more."""
        return ForgeError(
            f"`{self.program}` is not logged in to {host}, or {host} does not take its login any more.",
            code="forge.not_logged_in",
            remedy=f"Run `{self.login.format(host=host)}` as the user that runs symphony.",
        )

    def silent(self, host: str, seconds: float) -> ForgeError:
        """Return the error for a forge that did not answer in time."""
        return ForgeError(
            f"{self.forge} at {host} did not answer `{self.program}` within {seconds:g} seconds.",
            code="forge.timeout",
            remedy="Look whether the network is slow; symphony tries again by itself.",
        )

    def unreachable(self, host: str, said: str) -> ForgeError:
        """Return the error for a forge that cannot be asked now."""
        return ForgeError(
            f"{self.forge} at {host} cannot be reached: {said or 'no answer'}.",
            code="forge.unreachable",
            remedy="Look at the network and the forge; symphony tries again by itself.",
        )

    def odd(self, host: str, asked: str) -> ForgeError:
        """Return the error for an answer that is not what the forge's API promises."""
        return ForgeError(
            f"{self.forge} at {host} gave an answer that symphony cannot read (asked to {asked}).",
            code="forge.odd_answer",
            remedy="Look whether something stands between symphony and the forge; it is tried again.",
        )

    def refused(self, repo: ForgeRepo, asked: str, status: int, said: str) -> ForgeError:
        """Return the error for a request that the forge refused; `asked` is like "open a pull request"."""
        host = repo.host
        if status == UNAUTHORIZED:
            return self.not_logged_in(host)
        if status == TOO_MANY or "rate limit" in said.lower():
            return ForgeError(
                f"{self.forge} at {host} has had too many requests: {said}.",
                code="forge.rate_limited",
                remedy="Wait; symphony tries again by itself.",
            )
        if status >= BROKEN:
            return self.unreachable(host, f"{said} (HTTP {status})")
        if status == NOT_FOUND:
            return ForgeError(
                f"{self.forge} at {host} knows no repository {repo.path}, or does not show it to this login"
                f" (asked to {asked}).",
                code="forge.repo_not_found",
                remedy=f"Correct handoff.repo, or run `{self.login.format(host=host)}` with an account that"
                " may see it.",
            )
        remedy = f"Give the login the right to it: `{self.refresh.format(host=host)}`."
        return ForgeError(
            f"{self.forge} at {host} refused to {asked} in {repo.path}: {said} (HTTP {status}).",
            code="forge.refused",
            remedy=remedy
            if status == FORBIDDEN
            else "Correct what it names; symphony tries again by itself.",
        )
