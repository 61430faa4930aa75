"""Where symphony keeps what it owns."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = ".symphony"


@dataclass(frozen=True, slots=True)
class Installation:
    """Where symphony keeps what it owns: `.symphony` beside WORKFLOW.md."""

    root: Path

    @classmethod
    def beside(cls, workflow: Path) -> "Installation":
        """Return the installation of a WORKFLOW.md."""
        return cls(workflow.parent / FOLDER)

    @property
    def database(self) -> Path:
        """The store."""
        return self.root / "symphony.db"

    @property
    def log_file(self) -> Path:
        """The daemon's structured log."""
        return self.root / "logs" / "symphony.log"

    @property
    def run_logs(self) -> Path:
        """One `<key>.jsonl` per issue."""
        return self.root / "logs"

    @property
    def patches(self) -> Path:
        """One mailbox per handed over issue, and a folder for its reviewer."""
        return self.root / "patches"

    def patch(self, key: str) -> Path:
        """The mailbox of an issue's work, which may not exist."""
        return self.patches / f"agent_{key}.patch"

    def review(self, key: str) -> Path:
        """The folder with what a reviewer of an issue's work should know, which may not exist."""
        return self.patches / f"agent_{key}"

    @property
    def host_repository(self) -> Path:
        """The bare repository that only the host writes."""
        return self.root / "host.git"

    @property
    def guest_kit(self) -> Path:
        """What is shown inside every guest."""
        return self.root / "guest-kit"

    @property
    def adapters_file(self) -> Path:
        """What each adapter's program offered when a session was last opened with it, as JSON."""
        return self.root / "adapters.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one daemon of this installation."""
        return self.root / "daemon.lock"

    @property
    def daemon_file(self) -> Path:
        """Process id and URL of the running daemon, as JSON."""
        return self.root / "daemon.json"
