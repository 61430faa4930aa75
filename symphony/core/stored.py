"""What lies on the disk and may go one day, as values that rooms, engine and surfaces share."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from symphony.core.handoff import Handoff


class Kind(StrEnum):
    """What grows on the disk."""

    WORKSPACE = "workspace"
    IMAGE = "image"
    LOG = "log"
    PATCH = "patch"
    HISTORY = "history"
    """What is never removed: branches, and symphony's own memory."""

    @property
    def plural(self) -> str:
        """The word for several of it."""
        return {Kind.HISTORY: "history", Kind.PATCH: "patches"}.get(self, f"{self.value}s")


@dataclass(frozen=True, slots=True)
class Stored:
    """One thing on the disk.

    Attributes:
        name: what people call it.
        size_bytes: what it takes on the disk, at least.
        since: when it was last of use.
        key: of the issue that it belongs to; empty for what belongs to none.
        stays: why it stays whatever its age, as a clause; empty when nothing speaks against removing it.
    """

    kind: Kind
    name: str
    path: str
    size_bytes: int
    since: datetime
    key: str = ""
    stays: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The latest handoff of an issue.

    Attributes:
        attempt_id: whose `mark_done` it was for.
        at: when it was finished.
    """

    attempt_id: str
    at: datetime
    handoff: Handoff
