"""All readings of files as one IssueSet, changed file by file [CONTRACT 3.2, 3.3].

The index and the in-memory tracker report what each file says; conflicts, problems and the
published set follow here, at a cost that depends on what changed. No I/O.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from symphony.core.issue import Issue, IssueSet
from symphony.core.problem import Problem
from symphony.tracker import errors
from symphony.tracker.names import shown


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that is there but is no issue at the moment.

    Attributes:
        name_id: the file name without its suffix.
        problems: why; empty when the folder's own problem says it.
        last_id: the id that it had when it could last be read.
    """

    path: Path
    name_id: str
    problems: tuple[Problem, ...] = ()
    last_id: str | None = None

    @classmethod
    def after(
        cls, old: "Reading | None", path: Path, name_id: str, problems: tuple[Problem, ...]
    ) -> "Unreadable":
        """Return a reading that keeps the id of an earlier one: a run on it is not to be taken for gone."""
        last_id = old.id if isinstance(old, Issue) else old.last_id if old is not None else None
        return cls(path, name_id, problems, last_id)


Reading: TypeAlias = Issue | Unreadable


class Catalog:
    """The readings of all files, and the set that they make."""

    def __init__(self) -> None:
        self._claims: dict[str, tuple[Issue, ...]] = {}
        self._unreadable: dict[str, Unreadable] = {}
        self._folder_problems: frozenset[Problem] = frozenset()
        self._touched: set[str] = set()
        self._problems_changed = False
        self._issues: dict[str, Issue] = {}  # never changed once it is published
        self._current = IssueSet()

    def claims(self, issue_id: str) -> tuple[Issue, ...]:
        """Return every readable file that has this id."""
        return self._claims.get(issue_id, ())

    def holder(self, issue_id: str) -> Path | None:
        """Return a file that has this id, readable or not."""
        if claims := self._claims.get(issue_id):
            return claims[0].path
        unreadable = self._unreadable_of(issue_id)
        return None if unreadable is None else unreadable.path

    def other_holder(self, issue_id: str, path: Path) -> Path | None:
        """Return another file than this one that has the id, readable or not."""
        paths = [claim.path for claim in self._claims.get(issue_id, ())]
        paths += [one.path for one in self._unreadable_with(issue_id)]
        return next((other for other in paths if other != path), None)

    def file_of(self, issue_id: str, root: Path) -> Path:
        """Return the only file with this id; an unreadable one if no readable file has it.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`.
        """
        if not self._claims.get(issue_id) and (unreadable := self._unreadable_of(issue_id)) is not None:
            return unreadable.path
        return self.the_one(issue_id, root).path

    def highest_number(self) -> int:
        """Return the highest id that is a number, else 0."""
        return max((int(found) for found in self._claims if found.isascii() and found.isdigit()), default=0)

    def the_one(self, issue_id: str, root: Path) -> Issue:
        """Return the only issue with this id.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`.
        """
        match self._claims.get(issue_id, ()):
            case (issue,):
                return issue
            case ():
                if (unreadable := self._unreadable_of(issue_id)) is None:
                    raise errors.issue_not_found(issue_id, root)
                reasons = [problem.message for problem in unreadable.problems]
                raise errors.issue_unreadable(unreadable.path, reasons or ["its folder cannot be read"])
            case claims:
                raise errors.issue_ambiguous(issue_id, sorted(claim.path for claim in claims))

    def replace(self, old: Reading | None, new: Reading | None) -> None:
        """Put what a file says now in the place of what it said before; None is no file."""
        if old == new:
            return
        if isinstance(old, Issue):
            left = tuple(claim for claim in self._claims[old.id] if claim.path != old.path)
            if left:
                self._claims[old.id] = left
            else:
                del self._claims[old.id]
            self._touched.add(old.id)
        elif old is not None:
            del self._unreadable[str(old.path)]
            self._problems_changed = True
        if isinstance(new, Issue):
            self._claims[new.id] = (*self._claims.get(new.id, ()), new)
            self._touched.add(new.id)
        elif new is not None:
            self._unreadable[str(new.path)] = new
            self._problems_changed = True

    def set_folder_problems(self, problems: Iterable[Problem]) -> None:
        """Replace the problems that belong to folders, not to files."""
        found = frozenset(problems)
        if found != self._folder_problems:
            self._folder_problems = found
            self._problems_changed = True

    def publish(self) -> IssueSet:
        """Return the set as it is now: the same object as before when nothing has changed."""
        if not self._touched and not self._problems_changed:
            return self._current
        issues = self._issues.copy()
        conflicts = dict(self._current.conflicts)
        for issue_id in self._touched:
            claims = self._claims.get(issue_id, ())
            issues.pop(issue_id, None)
            if conflicts.pop(issue_id, None) is not None or len(claims) > 1:
                self._problems_changed = True
            if len(claims) == 1:
                issues[issue_id] = claims[0]
            elif claims:
                conflicts[issue_id] = tuple(sorted(claim.path for claim in claims))
        problems, unreadable = self._current.problems, self._current.unreadable
        if self._problems_changed:
            problems, unreadable = self._all_problems(conflicts), self._unreadable_ids()
        self._touched.clear()
        self._problems_changed = False
        self._issues = issues
        self._current = IssueSet(MappingProxyType(issues), MappingProxyType(conflicts), problems, unreadable)
        return self._current

    def _unreadable_of(self, issue_id: str) -> Unreadable | None:
        return next(self._unreadable_with(issue_id), None)

    def _unreadable_with(self, issue_id: str) -> Iterator[Unreadable]:
        return (one for one in self._unreadable.values() if issue_id in (one.name_id, one.last_id))

    def _unreadable_ids(self) -> frozenset[str]:
        found = self._unreadable.values()
        return frozenset({one.name_id for one in found} | {one.last_id for one in found if one.last_id})

    def _all_problems(self, conflicts: dict[str, tuple[Path, ...]]) -> tuple[Problem, ...]:
        found = set(self._folder_problems)
        for reading in self._unreadable.values():
            found.update(reading.problems)
        found.update(conflict_problem(issue_id, paths) for issue_id, paths in conflicts.items())
        return tuple(sorted(found, key=lambda problem: (problem.where, problem.code, problem.message)))


def conflict_problem(issue_id: str, paths: tuple[Path, ...]) -> Problem:
    """Name every file that claims an id."""
    first, *others = (shown(str(path)) for path in paths)
    message = (
        f"the id {issue_id!r} is also that of {', '.join(others)}, so none of them runs; "
        "delete or rename all but one"
    )
    return Problem("issue_conflict", first, message, issue_id)
