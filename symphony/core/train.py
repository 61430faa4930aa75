"""The merge train: finished branches merged one after another into a branch of the source repository.

Its truth is that branch alone: what is aboard is read from the commits by which it was merged.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from symphony.core.errors import SymphonyError
from symphony.core.text import first_of, one_line

DIGITS: Final = 12
NAMES_SHOWN: Final = 5
NAME_SHOWN: Final = 200
GUEST_REF: Final = "refs/remotes/symphony/train"
"""Where an agent finds the commit that its branch has to merge with, in its own repository."""


class TrainStopped(SymphonyError):
    """Nothing can board until a person has done something; codes are `train.*`."""

    code = "train.stopped"


@dataclass(frozen=True, slots=True)
class Boarded:
    """The place of a piece of work on the train.

    Attributes:
        branch: the train's.
        commit: by which it was merged.
        onto: the commit that it was merged onto, and checked on.
    """

    branch: str
    commit: str
    onto: str

    def __str__(self) -> str:
        """Return one sentence for people."""
        place = f"as {self.commit[:DIGITS]}, on top of {self.onto[:DIGITS]}"
        return f"Boarded the merge train {one_line(self.branch, NAME_SHOWN)} {place}."


@dataclass(frozen=True, slots=True)
class TrainMerge:
    """A branch merged onto the train's head; nothing of the train has changed.

    Attributes:
        branch: the train's.
        seen: where the train's branch stood; empty when there is none yet.
        onto: what the work was merged onto: the train's head, the base, or both of them merged.
        commit, tree: of the merge; empty with conflicts.
        ref: which holds the commit where checkouts are made from.
        conflicts: the files in conflict.
        theirs: what `onto` has in these files that the work does not, as text of bounded size.
        aboard: the work is on the train already, by the commit.
    """

    branch: str
    seen: str
    onto: str
    commit: str = ""
    tree: str = ""
    ref: str = ""
    conflicts: tuple[str, ...] = ()
    theirs: str = ""
    aboard: bool = False

    @property
    def place(self) -> Boarded:
        """Where the work is once it has boarded so."""
        return Boarded(self.branch, self.commit, self.onto)

    @property
    def in_conflict(self) -> str:
        """The files in conflict, as a list in a sentence."""
        return first_of(self.conflicts, NAMES_SHOWN)


@dataclass(frozen=True, slots=True)
class Passenger:
    """A piece of work that is aboard.

    Attributes:
        commit: by which it was merged.
    """

    issue_id: str
    title: str
    commit: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TrainView:
    """How a train stands.

    Attributes:
        branch: its branch; empty when there is no train.
        head: where the branch stands; empty when there is none yet.
        base: the base's name.
        base_commit: where that stands; empty when it cannot be read.
        passengers: what is aboard and not in the base yet, in the order in which it boarded.
        stopped: why nothing can board, with what to do; empty when the next one can.
    """

    branch: str
    head: str = ""
    base: str = ""
    base_commit: str = ""
    passengers: tuple[Passenger, ...] = ()
    stopped: str = ""


class TrainDesk(Protocol):
    """The train, for people who look at it or start it anew."""

    async def look(self) -> TrainView:
        """Return how the train stands; what keeps that from being known is why it is stopped.

        Raises:
            SymphonyError: `train.off`; `workspace.*`.
        """
        ...

    async def reset(self) -> TrainView:
        """Move the train's branch to its base; return the train as it was.

        Raises:
            SymphonyError: `train.*`, `workspace.*`: nothing was changed. What was changed and cannot be
                written down is said by the next start.
        """
        ...
