"""What the host knows of each workspace, kept where no guest can write: one JSON file per key.

A folder under `workspace.root` without a record here was not made by symphony, or not to its
end; what a folder itself says is never believed. Called by `workspaces`.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from symphony.core.ports import Workspace
from symphony.host.durable import write_durably
from symphony.workspace.errors import WorkspaceError, explain_disk


@dataclass(frozen=True, slots=True)
class Record:
    """One workspace.

    Attributes:
        root: the `workspace.root` under which it was made; it stays there when the setting changes.
        ready: False until `after_create` has passed; such a folder may be made again.
        packs: names of packs in its `.git` whose content the host has.
    """

    issue_id: str
    key: str
    root: str
    branch: str
    base: str
    base_commit: str
    ready: bool = False
    packs: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The workspace's folder."""
        return Path(self.root) / self.key

    def workspace(self, *, created: bool) -> Workspace:
        """Return the value that the port speaks of."""
        return Workspace(
            self.issue_id, self.key, self.path, self.branch, self.base, self.base_commit, created
        )

    def completed(self) -> "Record":
        """Return the record of the same workspace, ready."""
        return replace(self, ready=True)


class Records:
    """All records of an installation; every method blocks on the disk, so call them in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> Record | None:
        """Return the record of a key, or None.

        Raises:
            WorkspaceError: `workspace.record_unreadable`; a record is never guessed.
        """
        path = self._path(key)
        try:
            return Record(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError) as error:
            raise WorkspaceError(
                f"{path} cannot be read: {error}",
                code="workspace.record_unreadable",
                remedy="Restore it from a backup; without it symphony does not touch the workspace.",
            ) from error

    def known_keys(self) -> tuple[str, ...]:
        """Return the keys of all records, readable or not.

        Raises:
            WorkspaceError: the folder is there and cannot be read.
        """
        with explain_disk(f"look into {self._folder}"):
            try:
                names = sorted(path.name for path in self._folder.iterdir())
            except FileNotFoundError:
                return ()
        return tuple(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def write(self, record: Record) -> None:
        """Store a record durably; it replaces the one before."""
        path = self._path(record.key)
        with explain_disk(f"write {path}"):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(path, json.dumps(asdict(record), indent=1).encode())

    def delete(self, key: str) -> None:
        """Forget a record; repeating it does nothing."""
        with explain_disk(f"delete {self._path(key)}"):
            self._path(key).unlink(missing_ok=True)

    def owner_of_branch(self, branch: str, key: str) -> str | None:
        """Return the issue other than `key` whose workspace is on this branch, or on one in its way."""
        for each in self.known_keys():
            other = self.read(each)
            if other is not None and other.key != key and in_the_way(other.branch, branch):
                return other.issue_id
        return None

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def in_the_way(one: str, other: str) -> bool:
    """Say whether two branches cannot both exist: git keeps `a` and `a/b` as file and folder."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
