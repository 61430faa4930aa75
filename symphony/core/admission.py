"""Whether the host's free memory would hold another machine; pure, `decide` and every surface ask it.

What is free was measured a moment ago; machines that are on their way have not touched theirs yet,
so what they will take is counted as taken. A guest may use all that the settings give it, so a
machine counts with its whole `smolvm.mem_mib` until its agent is at work; from then on what it
really uses is part of the measurement.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from symphony.core.claim import IssueRecord, Phase, Running, Waiting
from symphony.core.machine import MachineState
from symphony.core.settings import Settings

MIB = 1 << 20
RESERVE_BYTES = 512 * MIB  # git, hooks, the daemon and the machines' own overhead; less, and the host swaps
SMALLER = "lower smolvm.mem_mib"
STARTING = frozenset({Phase.WORKSPACE, Phase.BEFORE_RUN, Phase.SANDBOX, Phase.SESSION})


@dataclass(frozen=True, slots=True)
class HostMemory:
    """The host's memory at one moment.

    Attributes:
        free_bytes: what programs can get without swapping.
        total_bytes: all that there is.
    """

    free_bytes: int
    total_bytes: int


@dataclass
class Room:
    """What is left of the host's memory while one decision is being made.

    Attributes:
        needed: bytes of one machine.
        host: None where nothing is measured, and then everything fits.
        promised: bytes that machines on their way have not touched yet.
        alone: nothing of symphony's holds memory that could become free.
        refused: whether anything was kept waiting.
    """

    needed: int
    host: HostMemory | None
    promised: int = 0
    alone: bool = True
    refused: bool = False

    @classmethod
    def of(cls, settings: Settings, host: HostMemory | None, records: Iterable[IssueRecord]) -> "Room":
        """Return what is left beside the attempts that live; only microVMs are counted."""
        needed = settings.smolvm.mem_mib * MIB
        if settings.sandbox != "smolvm" or host is None:
            return cls(needed, None)
        room = cls(needed, host)
        for record in records:
            match record.claim:
                case Running() as attempt:
                    room.promised += _untouched(attempt, needed)
                    room.alone = False
                case Waiting(attempt=Running() as attempt) if not is_paused(attempt):
                    room.alone = False
                case _:
                    pass
        return room

    @property
    def never(self) -> bool:
        """Say whether a machine of this size fits not even beside nothing else."""
        return self.host is not None and self.needed + RESERVE_BYTES > self.host.total_bytes

    @property
    def lacking(self) -> str | None:
        """Why no machine gets memory now, as a clause with the numbers; None when one fits."""
        if self.host is None or self.needed + RESERVE_BYTES + self.promised <= self.host.free_bytes:
            return None
        return (
            f"waits for memory: a machine needs {_mib(self.needed)} and the host has {self._what_is_left()}"
        )

    def _what_is_left(self) -> str:
        if self.host is None:
            return ""
        if self.never:
            return f"{_mib(self.host.total_bytes)} in all{self._kept(self.host.total_bytes)}; {SMALLER}"
        free = self.host.free_bytes
        promised = ""
        if self.promised and self.needed <= free:
            promised = f", {_mib(self.promised)} of it promised to machines that are starting"
        remedy = f"; {SMALLER}, or end other programs" if self.alone else ""
        return f"{_mib(free)} free{promised}{self._kept(free - self.promised)}{remedy}"

    def _kept(self, left: int) -> str:
        return f", of which {_mib(RESERVE_BYTES)} stay free" if self.needed <= left else ""

    def take(self) -> bool:
        """Count one more machine on its way if it fits; say whether it does."""
        if self.lacking is not None:
            self.refused = True
            return False
        self.promised += self.needed
        self.alone = False
        return True


def is_paused(attempt: Running) -> bool:
    """Say whether the attempt's machine is on disk, so that going on with it takes memory again."""
    return attempt.machine is not None and attempt.machine.state is MachineState.PAUSED


def _untouched(attempt: Running, needed: int) -> int:
    if attempt.machine is None:
        return needed if attempt.phase in STARTING else 0
    if is_paused(attempt):
        return needed
    return max(0, needed - attempt.machine.memory_bytes) if attempt.phase in STARTING else 0


def _mib(size: int) -> str:
    return f"{size // MIB:,} MiB"
