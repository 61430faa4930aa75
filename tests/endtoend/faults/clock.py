"""The machine's clock as the daemon reads it, moved by a test; see `daemon.bend_time`."""

from pathlib import Path


class BentClock:
    """A clock that is wrong, and a machine that was asleep.

    It bends what symphony's own clock reads of the system: the machine's date, read at each start, and
    the seconds since boot, which count suspension. Agents, git, files and sockets live in true time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wrong = self._suspended = 0.0
        self._write()

    @property
    def variables(self) -> dict[str, str]:
        """What the daemon's environment has to have."""
        return {"SYMPHONY_FAULT_CLOCK": str(self._path)}

    def set_wrong(self, *, seconds: float) -> None:
        """Let the date be so many seconds ahead of the true one."""
        self._wrong = seconds
        self._write()

    def suspend(self, *, seconds: float) -> None:
        """Let the machine have slept for so long, once more."""
        self._suspended += seconds
        self._write()

    def _write(self) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{self._wrong} {self._suspended}")
        temporary.replace(self._path)
