"""Whether an agent program is of a version that symphony was tested with [ACP agentInfo].

Pure. The session asks it what the handshake brought, `doctor` what the program's package says.
"""

import re
from dataclasses import dataclass

from symphony.agent.errors import AgentError
from symphony.core.text import one_line

NUMBERS = re.compile(r"v?(\d{1,9}(?:\.\d{1,9})*)")
SHOWN = 80  # characters of a name or a version that a program gives itself


class AgentTooOld(AgentError):
    """It is of a version that lacks what symphony needs of it."""

    code = "agent.too_old"


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of a program symphony works with.

    Attributes:
        name: of the program, for people.
        package: what npm calls it.
        known_as: what it may call itself in the handshake.
        tested: the versions that the tests ran, oldest first.
        oldest: an older one does not work; None when no such is known.
    """

    name: str
    package: str
    known_as: tuple[str, ...]
    tested: tuple[str, ...]
    oldest: str | None = None

    @property
    def remedy(self) -> str:
        """How the newest tested version is had."""
        return f"The tested one comes with `npm install -g {self.package}@{self.tested[-1]}`."

    def is_known_as(self, name: str) -> bool:
        """Say whether a program that calls itself so is this one."""
        return name.casefold() in (known.casefold() for known in self.known_as)

    def too_old(self, version: str) -> str:
        """Return why this version cannot work; the empty text when it may."""
        if self.oldest is None or not NUMBERS.match(version) or not _is_before(version, self.oldest):
            return ""
        return f"{self.name} {_shown(version)} is too old: symphony needs {self.oldest} or later."

    def doubt(self, version: str) -> str:
        """Return what is to be said of a version that may work; the empty text when it was tested."""
        if not version or not NUMBERS.match(version):
            told = f"version {_shown(version)}" if version else "no version of itself"
            return f"{self.name} tells {told}; symphony was tested with {self.tested[-1]}."
        for word, limit, beyond in (
            ("older", self.tested[0], _is_before(version, self.tested[0])),
            ("newer", self.tested[-1], _is_before(self.tested[-1], version)),
        ):
            if beyond:
                end = "oldest" if word == "older" else "newest"
                return (
                    f"{self.name} {_shown(version)} is {word} than {limit},"
                    f" the {end} that symphony was tested with."
                )
        return ""


def _is_before(one: str, other: str) -> bool:
    return _numbers(one) < _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; what follows them, such as `-beta`, does not count."""
    found = NUMBERS.match(version[:SHOWN])
    numbers = [int(number) for number in found.group(1).split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _shown(version: str) -> str:
    return one_line(version, SHOWN)
