"""Changes made to the files of a workspace, checked as a whole before the first is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from symphony.agent.demo.instructions import Replacement, WholeFile


class DoesNotFit(Exception):
    """A change cannot be made here; the text says why."""


@dataclass(frozen=True)
class Edit:
    """One file's text before and after; None before is a new file."""

    path: str
    before: str | None
    after: str

    @property
    def changes_something(self) -> bool:
        """Say whether the file is not like that already."""
        return self.before != self.after


def plan_edits(cwd: Path, changes: tuple[WholeFile | Replacement, ...]) -> tuple[Edit, ...]:
    """Return what each file becomes, several changes to one file in their order.

    Raises:
        DoesNotFit: a path leads out of the workspace, or an old text is not there exactly once.
    """
    planned: dict[str, Edit] = {}
    for change in changes:
        file = inside(cwd, change.path)
        known = planned.get(change.path)
        before = known.before if known else _read(file, change.path)
        current = known.after if known else before
        if isinstance(change, WholeFile):
            planned[change.path] = Edit(change.path, before, change.content)
            continue
        if current is None:
            raise DoesNotFit(f"there is no file {change.path}")
        for old, new in change.hunks:
            current = _replaced(change.path, current, old, new)
        planned[change.path] = Edit(change.path, before, current)
    return tuple(planned.values())


def write_edit(cwd: Path, edit: Edit) -> None:
    """Write one file."""
    file = inside(cwd, edit.path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.write(edit.after)


def inside(cwd: Path, path: str) -> Path:
    """Return the file that a path of an issue names.

    Raises:
        DoesNotFit: it is not in the workspace, or it is git's own.
    """
    root = cwd.resolve()
    file = (root / path).resolve()
    if not file.is_relative_to(root) or file == root:
        raise DoesNotFit(f"the path {path} leads out of the workspace")
    if any(part.casefold() == ".git" for part in file.relative_to(root).parts):
        raise DoesNotFit(f"the path {path} is git's own")
    return file


def _replaced(path: str, text: str, old: str, new: str) -> str:
    found = text.count(old)
    if found == 1:
        return text.replace(old, new)
    if found == 0 and new.strip() and new in text:
        return text  # an earlier attempt has done it
    first = old.strip().splitlines()[0]
    times = "not there" if found == 0 else f"there {found} times"
    raise DoesNotFit(f"in {path} the old text that starts with {first!r} is {times}")


def _read(file: Path, path: str) -> str | None:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DoesNotFit(f"the file {path} cannot be read: {error}") from error
