"""The host's repository as files: its refs, its objects by GitPython, and its settings.

Everything here blocks on the disk, so call it in a thread. Called by `host_repository` and `patch`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import OBJECT_ID

if TYPE_CHECKING:
    import git

BUNDLES = (".symphony.bundle", ".symphony.bundle.lock")  # what an import that has crashed may leave
# not handed over unless the project's rules want it: the last is what agents leave for themselves
EXCLUDED = (*BUNDLES, ".claude/settings.local.json")

CONFIG = {
    "core": {
        "hooksPath": "/dev/null",
        "fsmonitor": "false",
        "logAllRefUpdates": "false",
        "fsync": "all",
        # bigger files are never held in memory
        "bigFileThreshold": "64m",
    },
    "transfer": {"fsckObjects": "true"},
    "fetch": {"fsckObjects": "true", "recurseSubmodules": "false", "writeCommitGraph": "false"},
    "receive": {"fsckObjects": "true", "autogc": "false"},
    "gc": {"auto": "0"},
    "maintenance": {"auto": "false"},
    "protocol": {"allow": "never"},
    'protocol "file"': {"allow": "always"},
}


MADE = ("HEAD", "config", "objects", "refs")


class RepositoryFiles:
    """One bare repository in which the host alone writes."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def objects(self) -> "Iterator[git.Repo]":
        """Open the repository with GitPython, for a thread; it is closed on leaving.

        Raises:
            WorkspaceError: `workspace.git_failed`, also from the block.
        """
        try:
            import git  # GitPython is slow to import, and no start should wait for it
        except ImportError as error:  # it runs `git version` then
            raise self._unread(error) from error
        try:
            # GitPython adds the daemon's environment to each of its processes
            with git.Repo(self._path, expand_vars=False) as repository:
                repository.git.update_environment(
                    GIT_DIR=str(self._path),
                    GIT_OBJECT_DIRECTORY=str(self._path / "objects"),
                    GIT_ALTERNATE_OBJECT_DIRECTORIES="",
                    GIT_CONFIG_NOSYSTEM="1",
                    GIT_CONFIG_GLOBAL="/dev/null",
                )
                yield repository
        except (ValueError, git.GitError) as error:  # its word for a git that ended early
            raise self._unread(error) from error

    def tip(self, ref: str) -> str | None:
        """Return the id that a ref holds, or None when there is no such ref, or an empty one.

        It is read here [gitrepository-layout(5)]: to GitPython a ref that cannot be read is none, and what
        it holds would be lost to whoever moves it then.

        Raises:
            WorkspaceError: `workspace.git_failed`: it cannot be known.
        """
        try:
            said = self._read(ref)
            if said is None:
                said = self._packed(ref)
        except OSError as error:
            raise self._unreadable(ref, error.strerror or type(error).__name__) from error
        if said is None and not self.is_whole():
            raise self._unreadable(ref, "there is no repository")
        if said and not OBJECT_ID.match(said):
            raise self._unreadable(ref, "it holds no object's id")
        return said or None

    def _read(self, name: str) -> str | None:
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return (self._path / name).read_text("utf-8", "surrogateescape").strip()
        return None

    def _packed(self, ref: str) -> str | None:
        for line in (self._read("packed-refs") or "").split("\n"):
            oid, _, name = line.partition(" ")
            if name == ref:
                return oid
        return None

    def is_whole(self) -> bool:
        """Say whether there is a repository; else a killed git was making it, or nobody has begun."""
        return all((self._path / name).exists() for name in MADE)

    def make_place(self) -> None:
        """Make the folder that it lies in.

        Raises:
            WorkspaceError: `workspace.disk_full`, `workspace.permission_denied`, and others.
        """
        with explain_disk(f"make {self._path}"):
            self._path.parent.mkdir(parents=True, exist_ok=True)

    def harden(self) -> None:
        """Write its settings: git runs no program that they, or what is in it, could name.

        Raises:
            WorkspaceError: as of `make_place`; `workspace.git_failed`.
        """
        with explain_disk(f"write the settings of {self._path}"):
            with self.objects() as repository, repository.config_writer() as config:
                for section, values in CONFIG.items():
                    for name, value in values.items():
                        config.set_value(section, name, value)
            exclude = self._path / "info" / "exclude"
            exclude.parent.mkdir(exist_ok=True)
            exclude.write_text("".join(f"{line}\n" for line in EXCLUDED))

    def _unreadable(self, ref: str, why: str) -> WorkspaceError:
        return WorkspaceError(
            f"The ref {ref} of {self._path} cannot be read: {why}.",
            code="workspace.git_failed",
            remedy="symphony tries again by itself.",
        )

    def _unread(self, error: Exception) -> WorkspaceError:
        # GitPython's own text may advise to trust a folder, which would mend nothing
        kind = type(error).__name__
        return WorkspaceError(
            f"git ended before it had answered what {self._path} holds ({kind}).",
            code="workspace.git_failed",
            remedy="symphony tries again by itself.",
        )
