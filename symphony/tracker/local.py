"""The tracker over real files [CONTRACT 3].

The engine calls it; every method does its disk work in a worker thread, one at a time, and
goes on to its end there when its caller is cancelled.
"""

import asyncio
import errno
import fcntl
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from symphony.core.editing import EditConflict, IssueText, TextReading
from symphony.core.issue import Issue, IssueDraft, IssueSet
from symphony.core.states import StateTable, state_key
from symphony.host.durable import rename_noreplace, sync_folder, write_durably, write_new
from symphony.tracker import errors
from symphony.tracker.errors import TrackerError
from symphony.tracker.index import Index
from symphony.tracker.issue_file import add_note, parse_issue
from symphony.tracker.names import SUFFIX, highest_number
from symphony.tracker.opened import Opened, open_issue
from symphony.tracker.placing import first_active, render_draft, state_folder
from symphony.tracker.reader import Mark, mark_of
from symphony.tracker.text import checked_text, edited

LOCK_WAIT_S = 10.0  # a writer holds the lock for one file's write; longer means that it is stuck
LOCK_POLL_S = 0.01
NOTE_TRIES = 10  # each lost try means that the author saved the file meanwhile
NUMBER_TRIES = 100  # each lost try means that another writer got a number


class LocalTracker:
    """Issues as Markdown files in one folder per state.

    Args:
        root: the folder of state folders; need not exist yet.
        states: returns the states as they are configured now.
        now: the time for `created_at`, aware.
    """

    def __init__(
        self, root: Path, states: Callable[[], StateTable], *, now: Callable[[], datetime] | None = None
    ) -> None:
        self._root = root
        self._states = states
        self._now = now or (lambda: datetime.now(UTC))
        self._index = Index(root)
        self._one_at_a_time = threading.Lock()

    async def scan(self) -> IssueSet:
        """Look at every file, re-read the changed ones, and return what there is now.

        The same object is returned as long as nothing has changed.
        """
        return await asyncio.to_thread(self._scan)

    async def refresh(self, paths: Collection[Path]) -> IssueSet:
        """Look only at these files or folders, as a watcher names them."""
        return await asyncio.to_thread(self._refresh, frozenset(paths))

    async def create(self, draft: IssueDraft, *, extra: Mapping[str, Any] | None = None) -> Issue:
        """Write a new issue file, with further front matter keys if given.

        Raises:
            TrackerError: `invalid_id`, `id_taken`, `unknown_state`, `invalid_title`,
                `issue_too_large`, `tracker_root_missing`, `tracker_busy`, `tracker_write_failed`.
        """
        return await asyncio.to_thread(self._create, draft, extra)

    async def move(self, issue_id: str, to_state: str, *, note: str | None = None) -> Issue:
        """Rename the issue's file into another state's folder, a note added first.

        Moving it to where it is changes nothing, except that a note which is not in it is added.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`, `target_exists`,
                `unknown_state`, `tracker_busy`, `tracker_write_failed`.
        """
        return await asyncio.to_thread(self._move, issue_id, to_state, note)

    async def text(self, issue_id: str) -> IssueText:
        """Return the whole text of the issue's file, also of one that cannot be read as an issue.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`.
        """
        return await asyncio.to_thread(self._text, issue_id)

    async def check(self, issue_id: str, text: str) -> TextReading:
        """Say what the issue would be with this text; nothing is written.

        Raises:
            TrackerError: as of `text`.
        """
        return await asyncio.to_thread(self._check, issue_id, text)

    async def save(self, issue_id: str, text: str, revision: str) -> Issue:
        """Replace the text that had this revision, durably; a repeat changes nothing.

        Raises:
            EditConflict: `edit_conflict`, with what the file says by now.
            IssueTextRefused: `invalid_issue_text`, with every fault.
            TrackerError: as of `text`, and `id_taken`, `tracker_busy`, `tracker_write_failed`.
        """
        return await asyncio.to_thread(self._save, issue_id, text, revision)

    def _scan(self) -> IssueSet:
        with self._one_at_a_time:
            return self._index.scan()

    def _refresh(self, paths: Collection[Path]) -> IssueSet:
        with self._one_at_a_time:
            return self._index.refresh(paths)

    def _create(self, draft: IssueDraft, extra: Mapping[str, Any] | None) -> Issue:
        content = render_draft(draft, self._now(), extra)
        with self._one_at_a_time, self._only_writer():
            self._index.scan()
            table = self._states()
            state = state_folder(draft.state or first_active(table), self._index.states(), table)
            try:
                return self._claim(draft.id, self._root / state, content)
            except OSError as error:
                what = f"The issue could not be written to {self._root / state}"
                raise errors.write_failed(what, error) from error

    def _claim(self, wanted: str | None, folder: Path, content: bytes) -> Issue:
        number = 0
        for _ in range(NUMBER_TRIES):
            number = max(number, self._highest_number()) + 1
            issue_id = wanted or str(number)
            path = folder / f"{issue_id}{SUFFIX}"
            taken = self._index.catalog.holder(issue_id)
            if taken is None:
                self._make_folder(folder)
                try:
                    write_new(path, content)
                except FileExistsError:
                    taken = path
            if taken is None:
                # a program that does not take the lock may have used the id in another state
                self._index.scan()
                others = (claim.path for claim in self._index.catalog.claims(issue_id) if claim.path != path)
                taken = next(others, None)
                if taken is None:
                    return parse_issue(content, path, folder.name, issue_id)
                path.unlink(missing_ok=True)
                self._index.refresh([path])
            if wanted is not None:
                raise errors.id_taken(wanted, taken)
        raise errors.tracker_busy(self._root)

    def _highest_number(self) -> int:
        return max(self._index.catalog.highest_number(), highest_number(self._index.names()))

    def _move(self, issue_id: str, to_state: str, note: str | None) -> Issue:
        with self._one_at_a_time, self._only_writer():
            self._index.scan()
            issue = self._index.catalog.the_one(issue_id, self._root)
            state = state_folder(to_state, self._index.states(), self._states())
            stays = state_key(state) == state_key(issue.state)
            target = issue.path if stays else self._root / state / issue.path.name
            try:
                if note is not None:
                    self._add_note(issue.path, note)
                if not stays:
                    self._rename(issue.path, target)
            except FileExistsError as error:
                raise errors.target_exists(issue.path, target) from error
            except FileNotFoundError as error:
                raise errors.issue_not_found(issue_id, self._root) from error
            except OSError as error:
                raise errors.write_failed(f"{issue.path} could not be moved to {state!r}", error) from error
            self._index.refresh([issue.path, target])
            with suppress(TrackerError):  # others may have acted on it since; it was moved all the same
                found = self._index.catalog.the_one(issue_id, self._root)
                if found.path == target:
                    return found
            return replace(issue, path=target, state=state)

    def _text(self, issue_id: str) -> IssueText:
        with self._one_at_a_time:
            return self._found(issue_id).text

    def _check(self, issue_id: str, text: str) -> TextReading:
        with self._one_at_a_time:
            opened = self._found(issue_id)
            return checked_text(opened.text, opened.content, text, self._index.catalog)

    def _save(self, issue_id: str, text: str, revision: str) -> Issue:
        with self._one_at_a_time, self._only_writer():
            self._index.scan()
            opened = self._open(issue_id)
            new = edited(opened.text, opened.content, text, revision, self._index.catalog)
            try:
                if new.content != opened.content and not self._replace(opened, new.content):
                    raise EditConflict(self._open(issue_id).text)
            except FileNotFoundError as error:
                raise errors.issue_not_found(issue_id, self._root) from error
            except OSError as error:
                raise errors.write_failed(f"{opened.text.path} could not be saved", error) from error
            return new.issue

    def _replace(self, opened: Opened, content: bytes) -> bool:
        """Write a file's new content unless its author saves it at this very moment."""
        return write_durably(opened.file, content, only_if=partial(same_mark, opened.file, opened.mark))

    def _found(self, issue_id: str) -> Opened:
        try:
            return self._open(issue_id)
        except TrackerError:
            self._index.scan()  # the file may be new, or elsewhere by now
            return self._open(issue_id)

    def _open(self, issue_id: str) -> Opened:
        return open_issue(issue_id, self._index.catalog, self._root)

    def _add_note(self, path: Path, note: str) -> None:
        file = path.resolve()
        for _ in range(NOTE_TRIES):
            before = mark_of(file.stat())
            content = file.read_bytes()
            noted = add_note(content, note)
            if noted == content:
                return
            unchanged = partial(same_mark, file, before)  # the author may save the file at any moment
            if write_durably(file, noted, only_if=unchanged):
                return
        raise errors.tracker_busy(self._root)

    def _rename(self, source: Path, target: Path) -> None:
        self._make_folder(target.parent)
        rename_noreplace(source, target)
        sync_folder(target.parent)
        sync_folder(source.parent)

    def _make_folder(self, folder: Path) -> None:
        try:
            mode = folder.lstat().st_mode
        except FileNotFoundError:
            folder.mkdir(exist_ok=True)
            sync_folder(self._root)
        else:
            if not stat.S_ISDIR(mode):  # a symlink too: what is written through it would not be seen
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))

    @contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Keep other symphony processes from creating and moving; the lock ends with its process."""
        try:
            descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise errors.root_missing(self._root) from error
        except OSError as error:
            raise errors.write_failed(f"The issues folder {self._root} cannot be used", error) from error
        try:
            wait_for_lock(descriptor, self._root)
            yield
        finally:
            os.close(descriptor)


def same_mark(file: Path, mark: Mark) -> bool:
    """Say whether a file is as it was."""
    return bool(mark_of(file.stat()) == mark)


def wait_for_lock(descriptor: int, root: Path) -> None:
    """Lock an open folder for this process.

    A file system without locks is used without one: each write by itself still replaces nothing.

    Raises:
        TrackerError: `tracker_busy` after LOCK_WAIT_S.
    """
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= deadline:
                raise errors.tracker_busy(root) from error
            time.sleep(LOCK_POLL_S)
        except OSError:
            return
        else:
            return
