"""The tracker without a disk: for the engine's tests and the simulation.

It behaves as LocalTracker does for everything that is not about files themselves, uses no
thread, no real time and no disk, and can be told to fail. `drop`, `edit`, `remove` and
`move_file` change files behind the engine's back, as people do: a scan or a refresh shows it.
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from symphony.core.editing import IssueText, TextReading
from symphony.core.issue import Issue, IssueDraft, IssueSet
from symphony.core.states import StateTable, state_key
from symphony.tracker import errors
from symphony.tracker.catalog import Catalog, Reading, Unreadable
from symphony.tracker.issue_file import ISSUE_BYTES, IssueUnreadable, add_note, parse_issue, too_large
from symphony.tracker.names import SUFFIX, highest_number, is_issue_name
from symphony.tracker.placing import first_active, render_draft, state_folder
from symphony.tracker.text import checked_text, edited, issue_text

Operation: TypeAlias = Literal["scan", "refresh", "create", "move", "text", "save"]

DAWN = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryTracker:
    """Issues as texts in memory.

    Args:
        states: returns the states as they are configured now.
        root: where the files would lie.
        now: the time for `created_at`, aware; by default it stands still.
    """

    def __init__(
        self,
        states: Callable[[], StateTable],
        *,
        root: Path = Path("/issues"),
        now: Callable[[], datetime] = lambda: DAWN,
    ) -> None:
        self.root = root
        self._states = states
        self._now = now
        self._files: dict[Path, bytes] = {}
        self._seen: dict[Path, tuple[bytes, Reading]] = {}
        self._catalog = Catalog()
        self._failures: dict[Operation, deque[Exception]] = {}

    def drop(self, state: str, name: str, text: str | bytes = "") -> Path:
        """Put a file there, replacing one of the same name; return its path."""
        path = self.root / state / f"{name}{SUFFIX}"
        self._files[path] = text.encode() if isinstance(text, str) else text
        return path

    def edit(self, path: Path, text: str | bytes) -> None:
        """Change a file that is there."""
        if path not in self._files:
            raise FileNotFoundError(path)
        self._files[path] = text.encode() if isinstance(text, str) else text

    def remove(self, path: Path) -> None:
        """Delete a file that is there."""
        del self._files[path]

    def move_file(self, path: Path, to_state: str) -> Path:
        """Move a file into another state, over one of the same name if there is one."""
        target = self.root / to_state / path.name
        self._files[target] = self._files.pop(path)
        return target

    def read(self, path: Path) -> bytes:
        """Return a file's content."""
        return self._files[path]

    def paths(self) -> tuple[Path, ...]:
        """Return every file, sorted."""
        return tuple(sorted(self._files))

    def fail_next(self, operation: Operation, error: Exception) -> None:
        """Let the next call of a method raise, without any effect; several queue up."""
        self._failures.setdefault(operation, deque()).append(error)

    async def scan(self) -> IssueSet:
        """Look at every file."""
        self._fail_if_told("scan")
        return self._look(self._files.keys() | self._seen.keys())

    async def refresh(self, paths: Collection[Path]) -> IssueSet:
        """Look only at these files or folders."""
        self._fail_if_told("refresh")
        known = self._files.keys() | self._seen.keys()
        return self._look({file for file in known if not {file, *file.parents}.isdisjoint(paths)})

    async def create(self, draft: IssueDraft, *, extra: Mapping[str, Any] | None = None) -> Issue:
        """Write a new issue.

        Raises:
            TrackerError: as LocalTracker does.
        """
        self._fail_if_told("create")
        content = render_draft(draft, self._now(), extra)
        self._look(self._files.keys() | self._seen.keys())
        table = self._states()
        state = state_folder(draft.state or first_active(table), self._folders(), table)
        number = max(self._catalog.highest_number(), highest_number(path.name for path in self._files)) + 1
        issue_id = draft.id or str(number)
        path = self.root / state / f"{issue_id}{SUFFIX}"
        taken = self._catalog.holder(issue_id) or (path if path in self._files else None)
        if taken is not None:
            raise errors.id_taken(issue_id, taken)
        self._files[path] = content
        self._look({path})
        return self._catalog.the_one(issue_id, self.root)

    async def move(self, issue_id: str, to_state: str, *, note: str | None = None) -> Issue:
        """Move the issue's file into another state, a note added first.

        Raises:
            TrackerError: as LocalTracker does.
        """
        self._fail_if_told("move")
        self._look(self._files.keys() | self._seen.keys())
        issue = self._catalog.the_one(issue_id, self.root)
        state = state_folder(to_state, self._folders(), self._states())
        if note is not None:
            self._files[issue.path] = add_note(self._files[issue.path], note)
        target = issue.path
        if state_key(state) != state_key(issue.state):
            target = self.root / state / issue.path.name
            if target in self._files:
                raise errors.target_exists(issue.path, target)
            self._files[target] = self._files.pop(issue.path)
        self._look({issue.path, target})
        return self._catalog.the_one(issue_id, self.root)

    async def text(self, issue_id: str) -> IssueText:
        """Return the whole text of the issue's file, also of one that cannot be read as an issue.

        Raises:
            TrackerError: as LocalTracker does.
        """
        self._fail_if_told("text")
        return self._open(issue_id)[0]

    async def check(self, issue_id: str, text: str) -> TextReading:
        """Say what the issue would be with this text; nothing is written.

        Raises:
            TrackerError: as LocalTracker does.
        """
        opened, content = self._open(issue_id)
        return checked_text(opened, content, text, self._catalog)

    async def save(self, issue_id: str, text: str, revision: str) -> Issue:
        """Replace the text that had this revision; a repeat changes nothing.

        Raises:
            EditConflict, IssueTextRefused, TrackerError: as LocalTracker does.
        """
        self._fail_if_told("save")
        opened, content = self._open(issue_id)
        new = edited(opened, content, text, revision, self._catalog)
        self._files[opened.path] = new.content
        return new.issue

    def _open(self, issue_id: str) -> tuple[IssueText, bytes]:
        self._look(self._files.keys() | self._seen.keys())
        path = self._catalog.file_of(issue_id, self.root)
        content = self._files[path]
        if len(content) > ISSUE_BYTES:
            refusal = too_large(str(path), path.name.removesuffix(SUFFIX), len(content))
            raise errors.issue_unreadable(path, [each.message for each in refusal.problems])
        return issue_text(issue_id, path, content), content

    def _fail_if_told(self, operation: Operation) -> None:
        if failures := self._failures.get(operation):
            raise failures.popleft()

    def _folders(self) -> frozenset[str]:
        return frozenset(path.parent.name for path in self._files)

    def _look(self, paths: Collection[Path]) -> IssueSet:
        for path in sorted(path for path in paths if is_issue_name(path.name)):
            content = self._files.get(path)
            seen = self._seen.get(path)
            if seen is not None and seen[0] == content:
                continue
            old = None if seen is None else seen[1]
            if content is None:
                self._seen.pop(path, None)
                new = None
            else:
                new = self._parse(path, content, old)
                self._seen[path] = (content, new)
            self._catalog.replace(old, new)
        return self._catalog.publish()

    def _parse(self, path: Path, content: bytes, old: Reading | None) -> Reading:
        name_id = path.name.removesuffix(SUFFIX)
        try:
            return parse_issue(content, path, path.parent.name, name_id)
        except IssueUnreadable as refusal:
            return Unreadable.after(old, path, name_id, refusal.problems)
