"""Following WORKFLOW.md on disk: cheap when nothing changed, and blind to no edit [CONTRACT 2.4]."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from symphony.workflow.file import READS, WorkflowFile

LONG_AGO_NS = 10_000_000_000

opened: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _count_openings() -> None:
    def note(event: str, args: tuple[object, ...]) -> None:
        # the loader opens by descriptor, without a mode; the tests' own writes have one
        if event == "open" and args[1] is None and str(args[0]).endswith("WORKFLOW.md"):
            opened.append(str(args[0]))

    sys.addaudithook(note)  # nothing takes a hook out again, so there is one for all tests


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "WORKFLOW.md"
    write(path, 1)
    opened.clear()
    yield path
    opened.clear()


def write(path: Path, count: int) -> None:
    path.write_text(f"---\nagent: {{max_turns: {count}}}\n---\n")


def reads(path: Path) -> int:
    return opened.count(str(path))


def later() -> int:
    """A clock by which every file on this disk was written long ago."""
    return time.time_ns() + LONG_AGO_NS


class Edits:
    """A clock that edits the file whenever it is asked, which is between the look and the read."""

    def __init__(self, path: Path, edits: int) -> None:
        self.path = path
        self.left = edits
        self.count = 1

    def __call__(self) -> int:
        if self.left:
            self.left -= 1
            self.count += 1
            write(self.path, 10**self.count)  # another length, so that no time stamp has to help
        return later()


def turns(file: WorkflowFile) -> int:
    assert file.current is not None
    return file.current.settings.agent.max_turns


async def test_an_unchanged_file_is_looked_at_but_not_opened(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=later)
    await file.start()
    assert reads(path) == 1
    for _ in range(5):
        assert await file.reload() is None
    assert reads(path) == 1


async def test_a_file_written_just_now_is_read_again_as_its_time_stamp_may_not_change(path: Path) -> None:
    file = WorkflowFile(path, {})
    await file.start()
    assert await file.reload() is None
    assert reads(path) == 2


async def test_a_touched_file_with_the_same_text_changes_nothing(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=later)
    workflow = await file.start()
    os.utime(path, (1, 1))
    assert await file.reload() is None
    assert file.current is workflow


async def test_an_edit_that_keeps_size_and_time_stamp_is_seen(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=later)
    await file.start()
    before = path.stat()
    other = path.with_name("other")
    write(other, 2)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert (path.stat().st_mtime_ns, path.stat().st_size) == (before.st_mtime_ns, before.st_size)
    assert await file.reload() is not None
    assert turns(file) == 2


async def test_an_edit_during_the_start_is_not_lost(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=Edits(path, 1))
    await file.start()
    assert turns(file) == 100
    assert await file.reload() is None


async def test_an_edit_during_a_reload_is_not_lost(path: Path) -> None:
    edits = Edits(path, 0)
    file = WorkflowFile(path, {}, now_ns=edits)
    await file.start()
    write(path, 5)
    edits.left = 2
    await file.reload()
    assert turns(file) == 1_000
    assert reads(path) == 4


async def test_a_file_that_never_rests_is_read_a_bounded_number_of_times_and_again_at_the_next_call(
    path: Path,
) -> None:
    file = WorkflowFile(path, {}, now_ns=Edits(path, READS))
    await file.start()
    assert reads(path) == READS
    write(path, 7)
    await file.reload()
    assert turns(file) == 7


async def test_a_file_that_becomes_unreadable_or_no_file_keeps_the_last_known_good(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=later)
    await file.start()
    changes: list[tuple[Callable[[], object], str]] = [
        (path.unlink, "it does not exist"),
        (path.mkdir, "it is a folder"),
        (path.rmdir, "it does not exist"),
        (lambda: os.mkfifo(path), "it is not a regular file"),
    ]
    for change, reason in changes:
        change()
        await file.reload()
        assert [str(problem) for problem in file.problems] == [
            f"{path}: the workflow cannot be read: {reason}."
        ]
        assert turns(file) == 1


async def test_a_cancelled_reload_loses_nothing(path: Path) -> None:
    file = WorkflowFile(path, {}, now_ns=later)
    await file.start()
    write(path, 9)
    reload = asyncio.create_task(file.reload())
    await asyncio.sleep(0)
    reload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reload
    assert await file.reload() is not None
    assert turns(file) == 9
