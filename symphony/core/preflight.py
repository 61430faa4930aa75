"""Whether a delivered branch still merges with its base, which may have moved meanwhile."""

from dataclasses import dataclass
from typing import Final

from symphony.core.text import first_of, one_line

NAMES_SHOWN: Final = 5
NAME_SHOWN: Final = 200
DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a merge of a delivered branch into its base would give, tried without touching either.

    Attributes:
        base: the base's name, as people call it.
        base_commit: where it stands now; empty when that could not be read.
        moved: whether that is another commit than the one the work started from.
        conflicts: the files in conflict; empty for a clean merge.
        unknown: why it could not be tried; empty when it was.
    """

    base: str
    base_commit: str = ""
    moved: bool = False
    conflicts: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def clean(self) -> bool:
        """Say whether it was tried and nothing is in conflict."""
        return not self.conflicts and not self.unknown

    def __str__(self) -> str:
        """Return one sentence for people."""
        base = one_line(self.base, NAME_SHOWN)
        at = f"{base} ({self.base_commit[:DIGITS]})"
        if self.unknown:
            return f"Whether it merges into {base} is not known: {self.unknown}"
        if not self.moved:
            return f"{at} is where the work started."
        if self.conflicts:
            return f"In conflict with {at}: {first_of(self.conflicts, NAMES_SHOWN)}."
        return f"Merges cleanly into {at}."
