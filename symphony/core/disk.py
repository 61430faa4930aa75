"""Whether the host's disks have room for new attempts; pure, `decide` and every surface ask it.

A disk that was too full has to be a little emptier than the setting asks before attempts start again,
so that one file more or less does not stop and start them in turn.
"""

from dataclasses import dataclass, replace

from symphony.core.problem import Problem
from symphony.core.settings import RetentionSettings

MIB = 1 << 20
MARGIN = 10  # a tenth of what must stay free
STEP_BYTES = 1 << 30  # a smaller change where there is room changes nothing that is shown
KEY = "retention.min_free_mib"
GC = "`symphony gc` shows what takes room"


@dataclass(frozen=True, slots=True)
class HostDisk:
    """The disk that has the least room of those that attempts write to, at one moment.

    Attributes:
        free_bytes: what symphony's user may still write.
        total_bytes: what that user could write to it when it were empty.
        place: a folder on it.
    """

    free_bytes: int
    total_bytes: int
    place: str


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """What the disk has left beside what must stay free.

    Attributes:
        disk: None where nothing is known or asked for, and then everything may start.
        least: bytes that must be free for attempts to start.
        was_low: they were not, when it was last looked at.
    """

    disk: HostDisk | None
    least: int
    was_low: bool = False

    @classmethod
    def of(cls, settings: RetentionSettings, disk: HostDisk | None, *, was_low: bool) -> "DiskRoom":
        """Return how the disk stands against the settings."""
        if settings.min_free_mib is None:
            return cls(None, 0)
        return cls(disk, settings.min_free_mib * MIB, was_low)

    @property
    def never(self) -> bool:
        """Say whether the disk is smaller than what must stay free."""
        return self.disk is not None and self.least > self.disk.total_bytes

    @property
    def wanted(self) -> int:
        """Bytes that must be free now for attempts to start."""
        return self.enough if self.was_low else self.least

    @property
    def enough(self) -> int:
        """Bytes that end a shortage."""
        above = max(0, self.disk.total_bytes - self.least) if self.disk else 0
        return self.least + min(self.least // MARGIN, above // 2) // MIB * MIB  # whole, as it is shown

    @property
    def low(self) -> bool:
        """Say whether nothing new may start."""
        return self.disk is not None and self.disk.free_bytes < self.wanted

    @property
    def shown(self) -> HostDisk | None:
        """The disk as it is remembered: roughly where there is room, since it changes all the time."""
        if self.disk is None or self.low:
            return self.disk
        roughly = max(self.wanted, self.disk.free_bytes // STEP_BYTES * STEP_BYTES)
        return replace(self.disk, free_bytes=roughly)

    @property
    def lacking(self) -> str | None:
        """Why nothing new starts, as a clause with the numbers; None when there is room."""
        if self.disk is None or not self.low:
            return None
        if self.never:
            return (
                f"{KEY} is {_mib(self.least)} and the disk of {self.disk.place} has "
                f"{_mib(self.disk.total_bytes)} in all; lower the setting"
            )
        return (
            f"waits for disk space: {self.disk.place} has {_mib(self.disk.free_bytes)} free and attempts "
            f"start at {_mib(self.enough)}; {GC}"
        )

    @property
    def problem(self) -> Problem | None:
        """The same as a standing fact, whose words hold as long as it does."""
        if self.disk is None or not self.low:
            return None
        if self.never:
            message = (
                f"the disk is smaller than {KEY}, {_mib(self.least)}: no attempt starts until it is lower."
            )
        else:
            message = f"the disk is nearly full: no attempt starts until {_mib(self.enough)} are free; {GC}."
        return Problem("low_disk", self.disk.place, message)


def _mib(size: int) -> str:
    return f"{size // MIB:,} MiB"
