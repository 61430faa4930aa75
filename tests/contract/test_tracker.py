"""Every tracker: what is an issue, what is a problem, what create and move promise [CONTRACT 3]."""

import asyncio
import fcntl
import os
import shutil
import socket
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.editing import EditConflict, IssueTextRefused
from symphony.core.errors import SymphonyError
from symphony.core.issue import IssueDraft, IssueSet
from symphony.core.ports import Tracker
from symphony.core.problem import Problem
from symphony.core.states import StateRole, StateTable
from symphony.host import durable
from symphony.tracker import local as local_module
from symphony.tracker.errors import TrackerError
from symphony.tracker.local import LocalTracker
from symphony.tracker.memory import MemoryTracker

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PROCESS_S = 60.0  # two interpreters that start on a loaded machine and write a few files
STATES = StateTable.of(
    [
        ("Todo", StateRole.ACTIVE),
        ("In Progress", StateRole.ACTIVE),
        ("Review", StateRole.HOLDING),
        ("Done", StateRole.TERMINAL),
    ]
)


NOBODY = 65534


class Room(ABC):
    """A tracker, and a person who changes files behind its back."""

    root: Path
    tracker: Tracker
    table = STATES

    @abstractmethod
    def drop(self, state: str, name: str, text: str = "") -> Path: ...

    @abstractmethod
    def edit(self, path: Path, text: str) -> None: ...

    @abstractmethod
    def remove(self, path: Path) -> None: ...

    @abstractmethod
    def move_file(self, path: Path, state: str) -> Path: ...

    @abstractmethod
    def read(self, path: Path) -> bytes: ...


class LocalRoom(Room):
    """Real files."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        self.tracker = LocalTracker(root, lambda: self.table, now=lambda: NOON)

    def drop(self, state: str, name: str, text: str = "") -> Path:
        path = self.root / state / f"{name}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
        return path

    def edit(self, path: Path, text: str) -> None:
        path.write_bytes(text.encode())

    def remove(self, path: Path) -> None:
        path.unlink()

    def move_file(self, path: Path, state: str) -> Path:
        (self.root / state).mkdir(exist_ok=True)
        return path.rename(self.root / state / path.name)

    def read(self, path: Path) -> bytes:
        return path.read_bytes()


class MemoryRoom(Room):
    """No files at all."""

    def __init__(self) -> None:
        self.memory = MemoryTracker(lambda: self.table, now=lambda: NOON)
        self.tracker = self.memory
        self.root = self.memory.root

    def drop(self, state: str, name: str, text: str = "") -> Path:
        return self.memory.drop(state, name, text)

    def edit(self, path: Path, text: str) -> None:
        self.memory.edit(path, text)

    def remove(self, path: Path) -> None:
        self.memory.remove(path)

    def move_file(self, path: Path, state: str) -> Path:
        return self.memory.move_file(path, state)

    def read(self, path: Path) -> bytes:
        return self.memory.read(path)


@pytest.fixture(params=["local", "memory"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    return LocalRoom(tmp_path / "issues") if request.param == "local" else MemoryRoom()


@pytest.fixture
def local(tmp_path: Path) -> LocalRoom:
    return LocalRoom(tmp_path / "issues")


@pytest.fixture
async def unprivileged() -> AsyncIterator[LocalRoom]:
    """A tracker of a user to whom permissions mean something, also when the tests run as root."""
    folder = Path(tempfile.mkdtemp())
    is_root = os.geteuid() == 0
    if is_root:
        os.chown(folder, NOBODY, -1)
        await asyncio.to_thread(os.seteuid, NOBODY)  # a thread first: its import needs the rights of before
    try:
        yield LocalRoom(folder / "issues")
    finally:
        if is_root:
            os.seteuid(0)
        shutil.rmtree(folder)


def problems(issues: IssueSet, root: Path) -> list[str]:
    return [f"{problem.code} {problem}".replace(f"{root}/", "") for problem in issues.problems]


async def refusal(room: Room, call: Callable[[], Awaitable[object]]) -> str:
    with pytest.raises(TrackerError) as error:
        await call()
    assert isinstance(error.value, SymphonyError)
    return f"{error.value.code}: {error.value}".replace(f"{room.root}/", "").replace(str(room.root), "ROOT")


async def test_an_empty_tracker_has_nothing_and_no_problem(room: Room) -> None:
    assert await room.tracker.scan() == IssueSet()


async def test_the_folder_is_the_state_as_it_is_written_and_the_name_is_the_id(room: Room) -> None:
    path = room.drop("In Progress", "two words", "---\ntitle: T\n---\nBody")
    issue = (await room.tracker.scan()).issues["two words"]
    assert (issue.id, issue.state, issue.title, issue.path) == ("two words", "In Progress", "T", path)


async def test_an_unchanged_tracker_gives_the_same_object(room: Room) -> None:
    room.drop("Todo", "1")
    first = await room.tracker.scan()
    assert await room.tracker.scan() is first
    assert await room.tracker.refresh([room.root / "Todo" / "1.md", room.root / "Todo"]) is first
    assert await room.tracker.refresh([]) is first


async def test_a_published_set_does_not_change_any_more(room: Room) -> None:
    path = room.drop("Todo", "1")
    first = await room.tracker.scan()
    room.remove(path)
    assert (await room.tracker.scan()).get("1") is None
    assert first.get("1") is not None


async def test_edits_moves_drops_and_deletions_are_seen_by_a_scan(room: Room) -> None:
    gone, edited, moved = (room.drop("Todo", name, "a") for name in ("gone", "edited", "moved"))
    before = await room.tracker.scan()
    room.remove(gone)
    room.edit(edited, "b")
    new_path = room.move_file(moved, "Done")
    room.drop("Review", "new")
    after = await room.tracker.scan()
    assert sorted(after.issues) == ["edited", "moved", "new"]
    assert after.issues["edited"].description == "b"
    assert after.issues["edited"].revision != before.issues["edited"].revision
    assert (after.issues["moved"].state, after.issues["moved"].path) == ("Done", new_path)
    assert after.issues["moved"].revision == before.issues["moved"].revision


async def test_a_refresh_touches_only_what_is_named(room: Room) -> None:
    named, other = room.drop("Todo", "named", "a"), room.drop("Todo", "other", "a")
    await room.tracker.scan()
    room.edit(named, "b")
    room.edit(other, "b")
    issues = (await room.tracker.refresh([named])).issues
    assert (issues["named"].description, issues["other"].description) == ("b", "a")
    issues = (await room.tracker.refresh([other.parent])).issues
    assert issues["other"].description == "b"


async def test_a_refresh_passes_over_what_is_elsewhere(room: Room) -> None:
    room.drop("Todo", "1")
    before = await room.tracker.scan()
    elsewhere = [room.root.parent / "x.md", room.root / "Todo" / "deep" / "x.md", room.root / ".git" / "x.md"]
    assert await room.tracker.refresh(elsewhere) is before


async def test_hidden_and_temporary_files_and_other_suffixes_are_ignored(room: Room) -> None:
    room.drop("Todo", ".hidden")
    room.drop("Todo", ".#lock")
    await room.tracker.scan()
    assert await room.tracker.scan() == IssueSet()


async def test_a_broken_file_is_a_problem_and_hurts_nothing_else(room: Room) -> None:
    room.drop("Todo", "good")
    room.drop("Todo", "bad", "---\ntitle: [\n---\n")
    issues = await room.tracker.scan()
    assert list(issues.issues) == ["good"]
    assert problems(issues, room.root) == [
        "broken_yaml Todo/bad.md:3: the front matter is not valid YAML: did not find expected node content; "
        "correct this line or put the value in quotes"
    ]
    assert issues.unreadable == {"bad"}
    assert issues.present("bad")
    assert issues.get("bad") is None


async def test_a_half_written_file_keeps_the_id_it_had_and_is_read_when_it_is_whole(room: Room) -> None:
    path = room.drop("Todo", "name", "---\nid: '7'\n---\n")
    await room.tracker.scan()
    room.edit(path, "---\nid: '7")
    half = await room.tracker.scan()
    assert half.get("7") is None
    assert half.present("7")
    room.edit(path, "---\nid: '7'\n---\nBody")
    whole = await room.tracker.scan()
    assert whole.issues["7"].description == "Body"
    assert whole.unreadable == frozenset()
    assert whole.problems == ()


async def test_an_id_in_two_states_runs_in_neither_and_both_files_are_named(room: Room) -> None:
    paths = [room.drop("Done", "7"), room.drop("Todo", "7")]
    issues = await room.tracker.scan()
    assert issues.issues == {}
    assert issues.conflicts == {"7": tuple(paths)}
    assert issues.problems == (
        Problem(
            "issue_conflict",
            str(paths[0]),
            f"the id '7' is also that of {paths[1]}, so none of them runs; delete or rename all but one",
            "7",
        ),
    )
    room.remove(paths[0])
    resolved = await room.tracker.scan()
    assert (list(resolved.issues), resolved.conflicts, resolved.problems) == (["7"], {}, ())


async def test_an_id_twice_under_different_names_is_a_conflict(room: Room) -> None:
    room.drop("Todo", "a", "---\nid: x\n---\n")
    room.drop("Todo", "b", "---\nid: x\n---\n")
    room.drop("Todo", "x")
    issues = await room.tracker.scan()
    assert problems(issues, room.root) == [
        "issue_conflict Todo/a.md: the id 'x' is also that of Todo/b.md, Todo/x.md, so none of them runs; "
        "delete or rename all but one"
    ]


async def test_create_takes_the_next_number_over_all_states_and_every_kind_of_name(room: Room) -> None:
    room.drop("Done", "3")
    room.drop("Todo", "x", "---\nid: 11\n---\n")
    room.drop("Todo", "12", "---\nbroken: [\n---\n")
    room.drop("Archive", ".14.md.swp")
    issue = await room.tracker.create(IssueDraft("Next", "Body"))
    assert (issue.id, issue.state, issue.title, issue.description) == ("15", "Todo", "Next", "Body")
    assert room.read(issue.path) == b"---\ntitle: Next\ncreated_at: 2026-01-31 12:00:00+00:00\n---\n\nBody\n"
    assert (await room.tracker.create(IssueDraft("More", state="done"))).path == room.root / "Done" / "16.md"
    assert (await room.tracker.scan()).issues["15"] == issue


async def test_create_keeps_further_front_matter(room: Room) -> None:
    tracker = room.tracker
    assert isinstance(tracker, LocalTracker | MemoryTracker)
    issue = await tracker.create(IssueDraft("Proposed", state="Review"), extra={"proposed_by": "7"})
    assert issue.extra == {"proposed_by": "7"}


@pytest.mark.parametrize(
    ("issue_id", "fault"),
    [
        (".", "starts with a dot"),
        ("..", "starts with a dot"),
        ("../x", "starts with a dot"),
        (".x", "starts with a dot"),
        ("a/b", "contains a slash"),
        ("a\0b", "contains a control character"),
        ("a\nb", "contains a control character"),
        ("a\u202eb", "contains a control character"),
        ("x~", "ends in `~`, as temporary files do"),
        ("", "is blank"),
        (" ", "is blank"),
        ("é" * 101, "is 202 bytes long, over 200"),
        ("x" * 300, "is 300 bytes long, over 200"),
        ("\udcff", "is not valid UTF-8"),
    ],
)
async def test_create_refuses_an_id_that_cannot_be_a_file_name(room: Room, issue_id: str, fault: str) -> None:
    assert await refusal(room, lambda: room.tracker.create(IssueDraft("T", id=issue_id))) == (
        f"invalid_id: {issue_id[:80]!r} cannot be an issue id: it {fault}. "
        "Choose another, or leave it out to get the next free number."
    )
    assert (await room.tracker.scan()).issues == {}


@pytest.mark.parametrize(
    ("title", "fault"),
    [
        ("", "is blank"),
        (" \t", "is blank"),
        ("a\nb", "has more than one line"),
        ("a\x1bb", "contains a control character"),
    ],
)
async def test_create_refuses_a_title_that_is_not_one_line(room: Room, title: str, fault: str) -> None:
    assert await refusal(room, lambda: room.tracker.create(IssueDraft(title))) == (
        f"invalid_title: The title {fault}. Write one line; the rest belongs in the body."
    )


async def test_create_refuses_a_taken_id_wherever_it_is(room: Room) -> None:
    room.drop("Done", "x", "---\nid: abc\n---\n")
    room.drop("Review", "broken", "---\n")
    assert await refusal(room, lambda: room.tracker.create(IssueDraft("T", id="abc"))) == (
        "id_taken: The id 'abc' is taken by Done/x.md. "
        "Choose another, or leave it out to get the next free number."
    )
    assert (await refusal(room, lambda: room.tracker.create(IssueDraft("T", id="broken")))).startswith(
        "id_taken: The id 'broken' is taken by Review/broken.md."
    )


async def test_an_unknown_state_is_refused_with_the_known_ones(room: Room) -> None:
    room.drop("Backlog", "1")
    told = "unknown_state: There is no state 'Tudu'. Use one of: Todo, In Progress, Review, Done, Backlog."
    assert await refusal(room, lambda: room.tracker.create(IssueDraft("T", state="Tudu"))) == told
    assert await refusal(room, lambda: room.tracker.move("1", "Tudu")) == told


async def test_states_follow_the_settings_as_they_are_now(room: Room) -> None:
    room.table = StateTable.of([("Open", StateRole.ACTIVE), ("Shut", StateRole.TERMINAL)])
    issue = await room.tracker.create(IssueDraft("T"))
    assert issue.state == "Open"
    assert (await room.tracker.move("1", "shut")).state == "Shut"


async def test_create_refuses_what_could_not_be_read_back(room: Room) -> None:
    draft = IssueDraft("T", "x" * 1_048_576)
    assert await refusal(room, lambda: room.tracker.create(draft)) == (
        "issue_too_large: The issue would be 1,048,633 bytes long; at most 1,048,576 can be read. "
        "Put long material into a file of its own and name it in the issue."
    )


async def test_move_adds_the_note_once_and_keeps_the_author_s_bytes(room: Room) -> None:
    text = "\ufeff---\r\ntitle: x  # mine\r\n---\r\nBody without an end"
    path = room.drop("Todo", "1", text)
    moved = await room.tracker.move("1", " done ", note="Done well.\nReally.")
    noted = (text + "\r\n\r\nDone well.\r\nReally.\r\n").encode()
    assert (moved.path, moved.state) == (room.root / "Done" / "1.md", "Done")
    assert room.read(moved.path) == noted
    assert await room.tracker.move("1", "Done", note="Done well.\nReally.") == moved
    assert await room.tracker.move("1", "Done") == moved
    assert room.read(moved.path) == noted
    assert (await room.tracker.scan()).issues == {"1": moved}
    assert path != moved.path


async def test_a_note_on_an_issue_that_stays_is_added_all_the_same(room: Room) -> None:
    room.drop("Done", "1", "Body\n")
    assert (await room.tracker.move("1", "Done", note="Late.")).description == "Body\n\nLate."


async def test_move_reuses_the_spelling_of_a_folder_that_is_there(room: Room) -> None:
    room.drop("DONE", "old")
    room.drop("Todo", "1")
    assert (await room.tracker.move("1", "Done")).path == room.root / "DONE" / "1.md"


async def test_move_to_a_folder_that_is_not_configured_is_possible(room: Room) -> None:
    room.drop("Backlog", "old")
    room.drop("Todo", "1")
    assert (await room.tracker.move("1", "backlog")).state == "Backlog"


async def test_move_never_replaces_a_file(room: Room) -> None:
    room.drop("Todo", "1", "mine\n")
    room.drop("Done", "1", "---\nid: other\n---\n")
    assert await refusal(room, lambda: room.tracker.move("1", "Done")) == (
        "target_exists: Todo/1.md was not moved: Done/1.md exists already. "
        "Rename or delete one of the two files, then repeat this."
    )
    assert sorted((await room.tracker.scan()).issues) == ["1", "other"]


async def test_move_refuses_an_issue_that_is_missing_ambiguous_or_broken(room: Room) -> None:
    room.drop("Todo", "two")
    room.drop("Review", "two")
    room.drop("Todo", "broken", "---\n- a\n---\n")
    assert await refusal(room, lambda: room.tracker.move("none", "Done")) == (
        "issue_not_found: No issue 'none' in ROOT. `symphony status` lists the issues there are."
    )
    assert await refusal(room, lambda: room.tracker.move("two", "Done")) == (
        "issue_ambiguous: Issue 'two' is in more than one file: Review/two.md, Todo/two.md. "
        "Delete or rename all but one of them."
    )
    assert await refusal(room, lambda: room.tracker.move("broken", "Done")) == (
        "issue_unreadable: Todo/broken.md cannot be read: the front matter is a list, not a map; "
        "write lines such as `priority: 1`. Mend the file, then repeat this."
    )


async def test_many_creations_at_once_get_a_number_each(room: Room) -> None:
    issues = await asyncio.gather(*(room.tracker.create(IssueDraft(f"T{n}")) for n in range(8)))
    assert sorted(int(issue.id) for issue in issues) == list(range(1, 9))


async def test_an_edit_is_kept_and_nothing_but_it_changes(room: Room) -> None:
    path = room.drop("Todo", "7", "---\ntitle: Old  # why\nodd: {a: 1}\n---\n\nBody\n")
    opened = await room.tracker.text("7")
    assert (opened.issue_id, opened.path, opened.state) == ("7", path, "Todo")
    saved = await room.tracker.save("7", opened.text.replace("Old", "New"), opened.revision)
    assert (saved.title, saved.path) == ("New", path)
    assert room.read(path) == b"---\ntitle: New  # why\nodd: {a: 1}\n---\n\nBody\n"
    assert (await room.tracker.scan()).issues["7"] == saved


async def test_an_edit_keeps_the_mark_and_the_line_ends_that_an_editor_does_not_know(room: Room) -> None:
    path = room.drop("Todo", "7", "\ufeff---\r\ntitle: A\r\n---\r\none\rtwo\nthree\r\nend")
    opened = await room.tracker.text("7")
    assert opened.text == "---\ntitle: A\n---\none\ntwo\nthree\nend"
    await room.tracker.save("7", opened.text.replace("\n", "\r\n"), opened.revision)
    assert room.read(path) == "\ufeff---\r\ntitle: A\r\n---\r\none\rtwo\nthree\r\nend".encode()
    await room.tracker.save("7", opened.text.replace("two", "2\n2.5") + "\nmore\n", opened.revision)
    assert room.read(path) == (
        "\ufeff---\r\ntitle: A\r\n---\r\none\r2\r\n2.5\r\nthree\r\nend\r\nmore\r\n".encode()
    )


async def test_a_repeated_save_changes_nothing_and_is_no_conflict(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    opened = await room.tracker.text("7")
    first = await room.tracker.save("7", "two\n", opened.revision)
    assert await room.tracker.save("7", "two\n", opened.revision) == first
    assert room.read(path) == b"two\n"


async def test_a_save_never_goes_over_a_newer_text_and_brings_it_along(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    opened = await room.tracker.text("7")
    room.edit(path, "theirs\n")
    with pytest.raises(EditConflict) as conflict:
        await room.tracker.save("7", "mine\n", opened.revision)
    assert conflict.value.code == "edit_conflict"
    assert str(conflict.value) == (
        f"{path} has changed since you opened it, so your text was not saved over it. "
        "Compare the two texts, then save again what is to stay."
    )
    assert conflict.value.now == await room.tracker.text("7")
    assert conflict.value.now.text == "theirs\n"
    assert room.read(path) == b"theirs\n"
    assert (await room.tracker.save("7", "both\n", conflict.value.now.revision)).description == "both"


async def test_a_file_that_was_moved_meanwhile_is_saved_where_it_is(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    opened = await room.tracker.text("7")
    moved = room.move_file(path, "Done")
    saved = await room.tracker.save("7", "two\n", opened.revision)
    assert (saved.state, saved.path) == ("Done", moved)
    assert room.read(moved) == b"two\n"
    assert (await room.tracker.text("7")).state == "Done"


async def test_an_unreadable_file_can_be_opened_and_mended(room: Room) -> None:
    path = room.drop("Todo", "7", "---\ntitle: [\n---\nBody\n")
    opened = await room.tracker.text("7")
    assert opened.text == "---\ntitle: [\n---\nBody\n"
    reading = await room.tracker.check("7", opened.text)
    assert reading.issue is None
    assert [str(fault) for fault in reading.faults] == [
        "line 3: the front matter is not valid YAML: did not find expected node content; "
        "correct this line or put the value in quotes"
    ]
    assert (await room.tracker.save("7", "---\ntitle: Mended\n---\n", opened.revision)).title == "Mended"
    assert room.read(path) == b"---\ntitle: Mended\n---\n"


async def test_a_text_that_could_not_be_read_again_is_refused_with_every_fault_by_line(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    opened = await room.tracker.text("7")
    with pytest.raises(IssueTextRefused) as refused:
        await room.tracker.save("7", "---\npriority: high\nlabels: bug\n---\n", opened.revision)
    assert refused.value.code == "invalid_issue_text"
    assert str(refused.value) == (
        "The issue was not saved, because it could not be read again: "
        "line 2: `priority` is text; allowed is a whole number such as 2, or nothing; "
        "line 3: `labels` is text; allowed is a list such as [one, two]. "
        "Correct this and save again."
    )
    with pytest.raises(IssueTextRefused, match="1,048,577 bytes long and the limit is 1,048,576"):
        await room.tracker.save("7", "x" * 1_048_577, opened.revision)
    assert room.read(path) == b"one\n"


async def test_an_id_that_another_file_has_is_refused_and_told_before(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    room.drop("Done", "8")
    room.drop("Done", "9", "---\n")
    opened = await room.tracker.text("7")
    for taken in ("8", "9"):
        words = (
            f"The id '{taken}' is taken by {room.root}/Done/{taken}.md. "
            "Choose another, or take the line out: the file's name is the id then."
        )
        text = f"---\ntitle: x\nid: {taken}\n---\n"
        with pytest.raises(TrackerError) as clash:
            await room.tracker.save("7", text, opened.revision)
        assert (clash.value.code, str(clash.value)) == ("id_taken", words)
        reading = await room.tracker.check("7", text)
        assert reading.issue is not None
        assert [str(fault) for fault in reading.faults] == [f"line 3: {words}"]
    assert room.read(path) == b"one\n"
    renamed = await room.tracker.save("7", "---\nid: new\n---\n", opened.revision)
    assert (renamed.id, renamed.path) == ("new", path)
    assert (await room.tracker.text("new")).text == "---\nid: new\n---\n"


async def test_a_check_tells_what_a_text_would_be_and_writes_nothing(room: Room) -> None:
    path = room.drop("Todo", "7", "one\n")
    reading = await room.tracker.check("7", "---\ntitle: Better\n---\nBody\n")
    assert reading.issue is not None
    assert (reading.issue.id, reading.issue.title, reading.issue.description) == ("7", "Better", "Body")
    assert reading.faults == ()
    assert room.read(path) == b"one\n"


async def test_what_is_missing_or_ambiguous_is_not_opened(room: Room) -> None:
    room.drop("Todo", "two")
    room.drop("Done", "two")
    room.drop("Todo", "huge", "x" * 1_048_577)
    for call in (
        room.tracker.text,
        lambda it: room.tracker.check(it, ""),
        lambda it: room.tracker.save(it, "", ""),
    ):
        assert await refusal(room, lambda call=call: call("none")) == (
            "issue_not_found: No issue 'none' in ROOT. `symphony status` lists the issues there are."
        )
        assert await refusal(room, lambda call=call: call("two")) == (
            "issue_ambiguous: Issue 'two' is in more than one file: Done/two.md, Todo/two.md. "
            "Delete or rename all but one of them."
        )
        assert (await refusal(room, lambda call=call: call("huge"))).startswith(
            "issue_unreadable: Todo/huge.md cannot be read: the file is 1,048,577 bytes long"
        )


async def test_the_memory_tracker_fails_when_told_and_only_then() -> None:
    tracker = MemoryTracker(lambda: STATES)
    path = tracker.drop("Todo", "1")
    tracker.fail_next("move", TrackerError("No room.", code="tracker_write_failed"))
    tracker.fail_next("scan", OSError("gone"))
    with pytest.raises(TrackerError, match=r"No room\."):
        await tracker.move("1", "Done")
    with pytest.raises(OSError, match="gone"):
        await tracker.scan()
    assert tracker.paths() == (path,)
    assert (await tracker.move("1", "Done")).state == "Done"


async def test_a_missing_root_is_a_problem_with_the_remedy(tmp_path: Path) -> None:
    tracker = LocalTracker(tmp_path / "issues", lambda: STATES)
    told = "the issues folder does not exist; run `symphony init` to make it, or set `tracker.root`"
    assert (await tracker.scan()).problems == (
        Problem("tracker_root_missing", str(tmp_path / "issues"), told),
    )
    with pytest.raises(TrackerError) as error:
        await tracker.create(IssueDraft("T"))
    assert str(error.value) == (
        f"The issues folder {tmp_path}/issues does not exist. "
        "Run `symphony init` to make it, or set `tracker.root` to the right folder."
    )
    (tmp_path / "issues").mkdir()
    assert (await tracker.scan()).problems == ()


async def test_a_root_that_goes_away_does_not_make_its_issues_gone(local: LocalRoom) -> None:
    local.drop("Todo", "1")
    before = await local.tracker.scan()
    away = local.root.rename(local.root.with_name("away"))
    missing = await local.tracker.scan()
    assert missing.get("1") is None
    assert missing.present("1")
    assert [problem.code for problem in missing.problems] == ["tracker_root_missing"]
    away.rename(local.root)
    assert await local.tracker.scan() == before


async def test_a_root_that_is_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "issues").write_text("")
    issues = await LocalTracker(tmp_path / "issues", lambda: STATES).scan()
    assert problems(issues, tmp_path) == [
        "tracker_root_unreadable issues: the issues folder cannot be read (Not a directory); "
        "run `symphony init` to make it, or set `tracker.root`"
    ]


async def test_what_is_no_plain_file_is_a_problem_and_is_never_opened(
    local: LocalRoom, tmp_path: Path
) -> None:
    todo = local.root / "Todo"
    (todo / "folder.md").mkdir(parents=True)
    os.mkfifo(todo / "pipe.md")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(todo / "socket.md"))
    (todo / "device.md").symlink_to("/dev/null")
    (todo / "inside.md").symlink_to("pipe.md")
    (todo / "nowhere.md").symlink_to("missing")
    (todo / "loop.md").symlink_to("loop.md")
    (tmp_path / "secret.md").write_text("secret")
    (todo / "outside.md").symlink_to(tmp_path / "secret.md")
    issues = await asyncio.wait_for(local.tracker.scan(), timeout=PROCESS_S)
    no_file = "not a file; remove it, or give it another name"
    leaves, mend = "the symlink leaves the issues folder", "put a real file in its place"
    assert problems(issues, local.root) == [
        f"symlink_leaves_root Todo/device.md: {leaves} (to /dev/null); {mend}",
        f"not_a_file Todo/folder.md: this is a folder, {no_file}",
        f"not_a_file Todo/inside.md: this is a named pipe, {no_file}",
        "dangling_symlink Todo/loop.md: the symlink leads nowhere (it says loop.md); mend or remove it",
        "dangling_symlink Todo/nowhere.md: the symlink leads nowhere (it says missing); mend or remove it",
        f"symlink_leaves_root Todo/outside.md: {leaves} (to {tmp_path}/secret.md); {mend}",
        f"not_a_file Todo/pipe.md: this is a named pipe, {no_file}",
        f"not_a_file Todo/socket.md: this is a socket, {no_file}",
    ]
    assert await local.tracker.scan() is issues


async def test_a_symlink_inside_the_root_is_read_and_noted_through(local: LocalRoom) -> None:
    (local.root / "Todo").mkdir()
    (local.root / ".shared").mkdir()
    (local.root / ".shared" / "real").write_text("Body\n")
    (local.root / "Todo" / "1.md").symlink_to("../.shared/real")
    assert (await local.tracker.scan()).issues["1"].description == "Body"
    (local.root / ".shared" / "real").write_text("Other\n")
    assert (await local.tracker.scan()).issues["1"].description == "Other"
    moved = await local.tracker.move("1", "Done", note="Noted.")
    assert moved.path.is_symlink()
    assert (local.root / ".shared" / "real").read_text() == "Other\n\nNoted.\n"


async def test_a_state_folder_that_is_a_symlink_is_a_problem(local: LocalRoom, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.md").write_text("")
    (local.root / "Todo").symlink_to(tmp_path / "elsewhere")
    told = (
        "symlinked_folder Todo: this is a symlink and state folders must be real ones; "
        "put a folder in its place"
    )
    assert problems(await local.tracker.scan(), local.root) == [told]
    assert problems(await local.tracker.refresh([local.root / "Todo" / "1.md"]), local.root) == [told]
    (local.root / "Todo").unlink()
    assert await local.tracker.refresh([local.root / "Todo"]) == IssueSet()


async def test_a_file_that_may_not_be_read_is_a_problem_until_it_may(unprivileged: LocalRoom) -> None:
    local = unprivileged
    path = local.drop("Todo", "1")
    path.chmod(0)
    issues = await local.tracker.scan()
    assert problems(issues, local.root) == [
        "unreadable Todo/1.md: the file cannot be read (Permission denied); make it readable, or remove it"
    ]
    path.chmod(0o600)
    assert list((await local.tracker.scan()).issues) == ["1"]


async def test_a_state_folder_that_may_not_be_read_does_not_make_its_issues_gone(
    unprivileged: LocalRoom,
) -> None:
    local = unprivileged
    folder = local.drop("Todo", "1").parent
    await local.tracker.scan()
    folder.chmod(0)
    issues = await local.tracker.scan()
    told = await refusal(local, lambda: local.tracker.move("1", "Done"))
    folder.chmod(0o700)
    assert told == (
        "issue_unreadable: Todo/1.md cannot be read: its folder cannot be read. "
        "Mend the file, then repeat this."
    )
    assert problems(issues, local.root) == [
        "state_folder_unreadable Todo: the state folder cannot be read (Permission denied); make it readable"
    ]
    assert issues.present("1")
    assert (await local.tracker.scan()).problems == ()


async def test_names_that_are_no_text_are_told_in_a_form_that_can_be_printed(local: LocalRoom) -> None:
    (local.root / "Todo").mkdir()
    for name in (b"\xff.md", b"a\nb.md"):
        (local.root / "Todo" / os.fsdecode(name)).touch()
    told = problems(await local.tracker.scan(), local.root)
    assert told == [
        "invalid_front_matter Todo/\\xff.md: the file name cannot be an issue id: it is not valid UTF-8; "
        "rename the file, or give it an `id`",
        "invalid_front_matter Todo/a\\x0ab.md: the file name cannot be an issue id: "
        "it contains a control character; rename the file, or give it an `id`",
    ]
    for text in told:
        text.encode()


async def test_what_lies_deeper_beside_or_under_a_temporary_name_is_no_issue(local: LocalRoom) -> None:
    todo = local.root / "Todo"
    (todo / "deep").mkdir(parents=True)
    for name in ("deep/x.md", "x.md~", "#x.md#", ".x.md", "x.txt", "x.MD", "../README.md"):
        (todo / name).write_text("")
    (local.root / ".git").mkdir()
    (local.root / ".git" / "x.md").write_text("")
    assert await local.tracker.scan() == IssueSet()
    named = [todo / "x.md~", todo / ".x.md", todo / "deep", todo / "deep" / "x.md"]
    assert await local.tracker.refresh(named) == IssueSet()


async def test_an_edit_that_keeps_size_and_modification_time_is_seen(local: LocalRoom) -> None:
    path = local.drop("Todo", "1", "aaa")
    await local.tracker.scan()
    before = path.stat()
    path.write_text("bbb")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (await local.tracker.scan()).issues["1"].description == "bbb"


async def test_a_target_in_the_way_is_refused_after_the_note_and_a_repeat_adds_no_second(
    local: LocalRoom,
) -> None:
    path = local.drop("Todo", "1", "Body\n")
    (local.root / "Done").mkdir()
    (local.root / "Done" / "1.md").mkdir()
    for _ in range(2):
        told = await refusal(local, lambda: local.tracker.move("1", "Done", note="Noted."))
        assert told.startswith("target_exists: ")
    assert path.read_bytes() == b"Body\n\nNoted.\n"


async def test_a_disk_that_refuses_is_told_with_the_reason(local: LocalRoom) -> None:
    local.drop("Todo", "1")
    (local.root / "Done").write_text("a file where the folder should be")
    assert await refusal(local, lambda: local.tracker.move("1", "Done")) == (
        "tracker_write_failed: Todo/1.md could not be moved to 'Done': Not a directory. "
        "Make room or set the permissions right, then repeat this; nothing was lost."
    )
    assert await refusal(local, lambda: local.tracker.create(IssueDraft("T", state="Done"))) == (
        "tracker_write_failed: The issue could not be written to Done: Not a directory. "
        "Make room or set the permissions right, then repeat this; nothing was lost."
    )
    assert sorted(path.name for path in (local.root / "Todo").iterdir()) == ["1.md"]


async def test_a_writer_that_never_ends_is_told_and_not_waited_for_without_end(
    local: LocalRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_module, "LOCK_WAIT_S", 0.0)
    other = os.open(local.root, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert await refusal(local, lambda: local.tracker.create(IssueDraft("T"))) == (
            "tracker_busy: Another program keeps writing to ROOT. "
            "Wait for it or end it, then repeat this; nothing was lost."
        )
    finally:
        os.close(other)
    assert (await local.tracker.create(IssueDraft("T"))).id == "1"


async def test_a_root_that_is_a_file_takes_no_issue(tmp_path: Path) -> None:
    (tmp_path / "issues").write_text("")
    with pytest.raises(TrackerError) as error:
        await LocalTracker(tmp_path / "issues", lambda: STATES).create(IssueDraft("T"))
    assert str(error.value) == (
        f"The issues folder {tmp_path}/issues cannot be used: Not a directory. "
        "Make room or set the permissions right, then repeat this; nothing was lost."
    )


async def test_an_edit_while_the_note_is_being_written_is_kept(
    local: LocalRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = local.drop("Todo", "1", "first\n")
    write_temporary = durable.write_temporary

    def edited_meanwhile(folder: Path, content: bytes, mode: int | None) -> Path:
        if path.read_text() == "first\n":
            path.write_text("second thoughts\n")
        return write_temporary(folder, content, mode)

    monkeypatch.setattr(durable, "write_temporary", edited_meanwhile)
    moved = await local.tracker.move("1", "Done", note="Noted.")
    assert moved.path.read_text() == "second thoughts\n\nNoted.\n"


async def test_a_save_at_the_moment_of_another_is_a_conflict(
    local: LocalRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = local.drop("Todo", "7", "one\n")
    opened = await local.tracker.text("7")
    write_temporary = durable.write_temporary

    def edited_meanwhile(folder: Path, content: bytes, mode: int | None) -> Path:
        path.write_text("theirs\n")
        return write_temporary(folder, content, mode)

    monkeypatch.setattr(durable, "write_temporary", edited_meanwhile)
    with pytest.raises(EditConflict) as conflict:
        await local.tracker.save("7", "mine\n", opened.revision)
    assert conflict.value.now.text == path.read_text() == "theirs\n"
    assert [file.name for file in path.parent.iterdir()] == ["7.md"]


async def test_a_save_keeps_the_file_s_mode_and_goes_through_a_symlink(local: LocalRoom) -> None:
    (local.root / "shared").mkdir()
    real = local.root / "shared" / "real.txt"
    real.write_text("one\n")
    real.chmod(0o640)
    (local.root / "Todo").mkdir()
    (local.root / "Todo" / "7.md").symlink_to(real)
    opened = await local.tracker.text("7")
    saved = await local.tracker.save("7", "two\n", opened.revision)
    assert saved.path == opened.path == local.root / "Todo" / "7.md"
    assert opened.path.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("two\n", 0o640)


async def test_what_is_no_plain_file_is_not_opened(local: LocalRoom) -> None:
    (local.root / "Todo" / "7.md").mkdir(parents=True)
    assert await refusal(local, lambda: local.tracker.text("7")) == (
        "issue_unreadable: Todo/7.md cannot be read: this is a folder, not a file; remove it, or give it "
        "another name. Mend the file, then repeat this."
    )


async def test_a_file_that_may_not_be_read_is_not_opened(unprivileged: LocalRoom) -> None:
    path = unprivileged.drop("Todo", "7")
    path.chmod(0)
    assert await refusal(unprivileged, lambda: unprivileged.tracker.text("7")) == (
        "issue_unreadable: Todo/7.md cannot be read: it cannot be opened (Permission denied). "
        "Mend the file, then repeat this."
    )


async def test_a_folder_that_refuses_a_save_is_told_and_the_text_stays(unprivileged: LocalRoom) -> None:
    path = unprivileged.drop("Todo", "7", "one\n")
    opened = await unprivileged.tracker.text("7")
    path.parent.chmod(0o500)
    try:
        assert await refusal(
            unprivileged, lambda: unprivileged.tracker.save("7", "two\n", opened.revision)
        ) == (
            "tracker_write_failed: Todo/7.md could not be saved: Permission denied. "
            "Make room or set the permissions right, then repeat this; nothing was lost."
        )
    finally:
        path.parent.chmod(0o700)
    assert path.read_text() == "one\n"


async def test_a_file_in_another_encoding_is_opened_as_it_was_meant_and_mended_by_a_save(
    local: LocalRoom,
) -> None:
    path = local.drop("Todo", "7")
    path.write_bytes("título: ümlaut\n".encode() + b"caf\xe9 \x93quoted\x94 \x81\n")
    opened = await local.tracker.text("7")
    assert opened.text == "título: ümlaut\ncafé “quoted” \x81\n"
    saved = await local.tracker.save("7", opened.text.replace(" \x81", ""), opened.revision)
    assert saved.description == "título: ümlaut\ncafé “quoted”"


WRITER = """
import asyncio, sys
from pathlib import Path
from symphony.core.issue import IssueDraft
from symphony.core.states import StateRole, StateTable
from symphony.tracker.local import LocalTracker

states = StateTable.of([("Todo", StateRole.ACTIVE), ("Done", StateRole.TERMINAL)])
tracker = LocalTracker(Path(sys.argv[1]), lambda: states)
sys.stdin.readline()
for _ in range(10):
    print(asyncio.run(tracker.create(IssueDraft("T", state=sys.argv[2]))).id)
"""


async def test_two_processes_never_get_the_same_id(local: LocalRoom) -> None:
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(local.root), state, stdin=-1, stdout=-1, stderr=-1
        )
        for state in ("Todo", "Done")
    ]
    try:
        async with asyncio.timeout(PROCESS_S):
            told = await asyncio.gather(*(writer.communicate(b"\n") for writer in writers))
    finally:
        for writer in writers:
            if writer.returncode is None:
                writer.kill()
                await writer.wait()
    assert [errors for _, errors in told] == [b"", b""]
    ids = [int(word) for output, _ in told for word in output.split()]
    assert sorted(ids) == list(range(1, 21))
    issues = await local.tracker.scan()
    assert (len(issues.issues), issues.conflicts, issues.problems) == (20, {}, ())
