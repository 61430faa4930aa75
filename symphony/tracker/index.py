"""The incremental index of a tracker's folders: what changed on disk is read, the rest is not.

Owned by LocalTracker, which calls it from one thread at a time. A scan of an unchanged tree
costs one `scandir` and one `stat` per file; that loop is measured by `benchmarks/tracker.py`.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from symphony.core.issue import IssueSet
from symphony.core.problem import Problem
from symphony.tracker.catalog import Catalog, Reading, Unreadable
from symphony.tracker.names import SUFFIX, is_issue_name, shown
from symphony.tracker.reader import Mark, mark_of, read_entry

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder:
    """What is known of one state folder.

    Attributes:
        path: `<root>/<state>`.
        marks: by file name, for files that need not be read again while their mark stays.
        readings: by file name, for every issue file; its keys include those of `marks`.
    """

    __slots__ = ("marks", "path", "readings")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.marks: dict[str, Mark] = {}
        self.readings: dict[str, Reading] = {}


class Index:
    """Every issue file under a root, as last seen."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.catalog = Catalog()
        self._folders: dict[str, Folder] = {}
        self._folder_problems: dict[str, Problem] = {}

    def states(self) -> tuple[str, ...]:
        """Return the names of the state folders, as last seen."""
        return tuple(self._folders)

    def names(self) -> tuple[str, ...]:
        """Return the name of every file in every state folder, hidden and temporary ones too."""
        found: list[str] = []
        for folder in self._folders.values():
            with suppress(OSError):
                found.extend(path.name for path in folder.path.iterdir())
        return tuple(found)

    def scan(self) -> IssueSet:
        """Look at every file and read the changed ones."""
        before = self.catalog.publish()
        after = self._scan_once()
        if after is not before and not before.issues.keys() <= after.issues.keys():
            # a file that moves while the folders are read can be missed in both, or met in both
            after = self._scan_once()
        return after

    def _scan_once(self) -> IssueSet:
        try:
            with os.scandir(self.root) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            self._lose_root(error)
            return self._publish()
        self._folder_problems.clear()
        names = {entry.name for entry in found if self._is_state(entry)}
        for name in self._folders.keys() - names:
            self._drop_folder(name)
        for name in sorted(names):
            self._scan_folder(name)
        return self._publish()

    def refresh(self, paths: Collection[Path]) -> IssueSet:
        """Look at these files and folders only; what lies elsewhere or deeper is passed over."""
        for path in paths:
            try:
                parts = path.relative_to(self.root).parts
            except ValueError:
                continue
            if not parts:
                return self.scan()
            if parts[0].startswith("."):
                continue
            if len(parts) == 1 or parts[0] not in self._folders:
                self._look_at_folder(parts[0])
            elif len(parts) == 2 and is_issue_name(parts[1]):
                self._look_at_file(self._folders[parts[0]], parts[1])
        return self._publish()

    def _publish(self) -> IssueSet:
        self.catalog.set_folder_problems(self._folder_problems.values())
        return self.catalog.publish()

    def _lose_root(self, error: OSError) -> None:
        # ids stay known as unreadable: a disk that is away for a moment must not end every run
        for folder in self._folders.values():
            self._lose_folder(folder)
        if isinstance(error, FileNotFoundError):
            code, found = "tracker_root_missing", "the issues folder does not exist"
        else:
            code, found = "tracker_root_unreadable", f"the issues folder cannot be read ({error.strerror})"
        remedy = "run `symphony init` to make it, or set `tracker.root`"
        self._folder_problems = {"": Problem(code, shown(str(self.root)), f"{found}; {remedy}")}

    def _is_state(self, entry: "os.DirEntry[str]") -> bool:
        try:
            if entry.is_dir(follow_symlinks=False):
                return True
            linked = entry.is_dir()
        except OSError:
            linked = False
        if linked:
            message = "this is a symlink and state folders must be real ones; put a folder in its place"
            where = shown(entry.path)
            self._folder_problems[entry.name] = Problem("symlinked_folder", where, message)
        return False

    def _look_at_folder(self, name: str) -> None:
        try:
            with os.scandir(self.root) as entries:
                entry = next((entry for entry in entries if entry.name == name), None)
        except OSError as error:
            self._lose_root(error)
            return
        self._folder_problems.pop(name, None)
        if entry is not None and self._is_state(entry):
            self._scan_folder(name)
            return
        if name in self._folders:
            self._drop_folder(name)

    def _drop_folder(self, name: str) -> None:
        folder = self._folders.pop(name)
        for reading in folder.readings.values():
            self.catalog.replace(reading, None)

    def _lose_folder(self, folder: Folder) -> None:
        folder.marks.clear()
        for name, old in folder.readings.items():
            lost = Unreadable.after(old, folder.path / name, name.removesuffix(SUFFIX), ())
            self.catalog.replace(old, lost)
            folder.readings[name] = lost

    def _scan_folder(self, name: str) -> None:
        folder = self._folders.get(name)
        if folder is None:
            folder = self._folders[name] = Folder(self.root / name)
        try:
            descriptor = os.open(folder.path, OPEN_FOLDER)
        except FileNotFoundError:
            self._drop_folder(name)
            return
        except OSError as error:
            self._lose_folder(folder)
            message = f"the state folder cannot be read ({error.strerror}); make it readable"
            where = shown(str(folder.path))
            self._folder_problems[name] = Problem("state_folder_unreadable", where, message)
            return
        try:
            if self._pass(folder, descriptor) != len(folder.readings):
                self._look_for_missing(folder, descriptor)
        finally:
            os.close(descriptor)

    def _pass(self, folder: Folder, descriptor: int) -> int:
        """Look at each file once; return how many of the known ones were met.

        This loop is the price of a tick: it looks a name up, takes its status and compares.
        """
        met = 0
        known = folder.marks.get
        with os.scandir(descriptor) as entries:
            for entry in entries:
                mark = known(entry.name)
                if mark is not None:
                    try:
                        if mark_of(entry.stat(follow_symlinks=False)) == mark:
                            met += 1
                            continue
                    except OSError:
                        pass  # gone since it was listed, or unreadable now: the reader says which
                elif not is_issue_name(entry.name):
                    continue
                if self._look_at_file(folder, entry.name):
                    met += 1
        return met

    def _look_for_missing(self, folder: Folder, descriptor: int) -> None:
        # a listing may leave out a file that is renamed meanwhile, so each absence is verified
        for name in folder.readings.keys() - set(os.listdir(descriptor)):
            self._look_at_file(folder, name)

    def _look_at_file(self, folder: Folder, name: str) -> bool:
        """Read one file; return whether it is there."""
        old = folder.readings.get(name)
        new, mark = read_entry(folder.path / name, self.root, old)
        if mark is None:
            folder.marks.pop(name, None)
        else:
            folder.marks[name] = mark
        self.catalog.replace(old, new)
        if new is None:
            folder.readings.pop(name, None)
        else:
            folder.readings[name] = new
        return new is not None
