"""WORKFLOW.md as a value: settings and prompt, and where they came from."""

from dataclasses import dataclass, field
from pathlib import Path

from symphony.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Workflow:
    """One valid reading of WORKFLOW.md.

    Attributes:
        path: the file; relative paths in it start at its folder.
        settings: paths absolute, `$VAR` resolved.
        prompt: the Liquid template; empty means the default prompt.
        prompt_line: the file's line on which the template starts, for error messages.
        revision: changes whenever the file's text does.
        warnings: one sentence each, such as an unknown top-level key.
        secrets: values that came from the environment, to be kept out of every log.
    """

    path: Path
    settings: Settings
    prompt: str = ""
    prompt_line: int = 1
    revision: str = ""
    warnings: tuple[str, ...] = ()
    secrets: frozenset[str] = field(default_factory=frozenset, repr=False)


@dataclass(frozen=True, slots=True)
class Installation:
    """Where symphony keeps what it owns: `.symphony` beside WORKFLOW.md."""

    root: Path

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
        """One mailbox per handed over issue."""
        return self.root / "patches"

    @property
    def host_repository(self) -> Path:
        """The bare repository that only the host writes."""
        return self.root / "host.git"

    @property
    def lock_file(self) -> Path:
        """Held by the one daemon of this installation."""
        return self.root / "daemon.lock"

    @property
    def daemon_file(self) -> Path:
        """Process id and URL of the running daemon, as JSON."""
        return self.root / "daemon.json"
