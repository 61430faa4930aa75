"""Files that look as they did are not read again, and every change shows."""

import asyncio
import errno
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.ports import Workspace
from symphony.host.durable import exchange as exchange_names
from symphony.workspace.guest_files import GuestFolder
from symphony.workspace.listing import differences, lines_of, listing_of
from symphony.workspace.looks import Looks, look_over, name_of
from symphony.workspace.seen_files import Seen, SeenFiles, clock_of
from symphony.workspace.touched import SETTLED_NS, find_touched
from symphony.workspace.tree import GITLINK, PLAIN, TreeEntry
from symphony.workspace.walk import Walk
from tests.support.git_project import TODAY, GitWorld, git, write_files

OTHER = TreeEntry(PLAIN, b"1" * 40)
HOUR_NS = 3600 * 10**9
FILES = {"README.md": b"a project\n", "folder/one.txt": b"1\n", "two.txt": b"2\n"}


@pytest.fixture
def world(tmp_path: Path) -> GitWorld:
    return GitWorld(tmp_path, FILES)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """The names of the files that were read."""
    names: set[bytes] = set()
    run = Walk.run

    def watched(walk: Walk, some: Any) -> Any:
        names.update(some)
        return run(walk, some)

    monkeypatch.setattr(Walk, "run", watched)
    return names


@pytest.fixture
def remembered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what was read count as known, however new."""
    monkeypatch.setattr("symphony.workspace.touched.SETTLED_NS", -HOUR_NS)


def seen_of(world: GitWorld) -> SeenFiles:
    return SeenFiles(world.installation.root / "seen-files" / "12")


async def see_all(world: GitWorld, workspace: Workspace) -> None:
    """Let the host have seen every file as it is now, however new."""
    listed = git(workspace.path, "ls-files", "-z", "--stage").split("\0")[:-1]
    entries = {os.fsencode(line.split("\t")[1]): os.fsencode(line).rsplit(b" ", 1)[0] for line in listed}
    looks = lines_of((await look_over(workspace.path)).listing)
    seen = listing_of(line for line in looks if entries.pop(name_of(line), None))
    head = git(workspace.path, "rev-parse", "HEAD")
    seen_of(world).store(Seen(head, seen, entries))


async def test_files_that_look_the_same_are_not_read(world: GitWorld, read: set[bytes]) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)

    imported = await world.collect(workspace)

    assert (read, imported.head_commit) == (set(), workspace.base_commit)


async def test_what_the_agent_has_committed_or_left_is_read_and_no_more(
    world: GitWorld, read: set[bytes]
) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    world.commit(workspace, {"folder/one.txt": b"committed\n", "new.txt": b"new\n"})
    write_files(workspace.path, {"left.txt": b"left\n"})

    imported = await world.collect(workspace)

    assert read == {b"folder/one.txt", b"new.txt", b"left.txt"}
    assert world.host_file(imported.head_commit, "left.txt") == b"left\n"


async def test_a_commit_that_does_not_touch_the_file_itself_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    blob = git(workspace.path, "hash-object", "-w", "--stdin", stdin=b"of another hand\n")
    git(workspace.path, "update-index", "--cacheinfo", f"100644,{blob},two.txt")
    git(workspace.path, "rm", "--quiet", "--cached", "README.md")
    git(workspace.path, "commit", "--quiet", "-m", "Commit what is in no file")

    imported = await world.collect(workspace)

    assert imported.saved_uncommitted
    assert world.host_file(imported.head_commit, "two.txt") == b"2\n"
    assert world.host_files(imported.head_commit) == sorted(FILES)


async def test_files_that_git_ignores_are_left_out(world: GitWorld, read: set[bytes]) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    write_files(workspace.path, {".gitignore": b"build/\n", "build/out": b"", "kept.txt": b"kept\n"})

    imported = await world.collect(workspace)

    assert world.host_files(imported.head_commit) == [".gitignore", *sorted((*FILES, "kept.txt"))]
    assert b"build/out" not in read


async def test_what_is_ignored_no_more_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    world.commit(workspace, {".gitignore": b"build/\n", "build/out": b"out\n"})
    await see_all(world, workspace)
    (workspace.path / ".gitignore").unlink()

    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "build/out") == b"out\n"


async def test_a_link_in_the_place_of_a_file_that_was_seen_is_not_followed(
    world: GitWorld, tmp_path: Path
) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    write_files(tmp_path, {"outside": b"2\n", "out/one.txt": b"1\n"})
    (workspace.path / "two.txt").unlink()
    (workspace.path / "two.txt").symlink_to(tmp_path / "outside")
    (workspace.path / "folder").rename(workspace.path / "aside")
    (workspace.path / "folder").symlink_to(tmp_path / "out")

    imported = await world.collect(workspace)

    listed = git(world.host, "ls-tree", "-r", imported.head_commit).splitlines()
    assert [line.split()[0] for line in listed] == ["100644", "100644", "120000", "120000"]
    assert world.host_files(imported.head_commit) == ["README.md", "aside/one.txt", "folder", "two.txt"]


async def test_a_change_that_keeps_size_and_time_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    file = workspace.path / "folder/one.txt"
    before = file.stat()
    file.write_bytes(b"9\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    imported = await world.collect(workspace)

    assert imported.saved_uncommitted
    assert world.host_file(imported.head_commit, "folder/one.txt") == b"9\n"


async def test_an_exchanged_file_of_the_same_size_and_time_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    file = workspace.path / "two.txt"
    before = file.stat()
    (workspace.path / "new").write_bytes(b"9\n")
    os.utime(workspace.path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (workspace.path / "new").replace(file)

    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "two.txt") == b"9\n"


async def test_a_file_that_became_executable_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    (workspace.path / "two.txt").chmod(0o755)

    imported = await world.collect(workspace)

    assert git(world.host, "ls-tree", imported.head_commit, "two.txt").startswith("100755")


async def test_deleted_files_and_a_folder_in_the_place_of_a_file_are_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    (workspace.path / "folder/one.txt").unlink()
    (workspace.path / "two.txt").unlink()
    (workspace.path / "two.txt").mkdir()
    (workspace.path / "two.txt/inner.txt").write_bytes(b"inner\n")

    imported = await world.collect(workspace)

    assert world.host_files(imported.head_commit) == ["README.md", "two.txt/inner.txt"]


@pytest.mark.parametrize("named", [65_536, 0])
async def test_touched_files_with_names_that_mean_something_to_git_are_compared(
    tmp_path: Path, read: set[bytes], monkeypatch: pytest.MonkeyPatch, named: int
) -> None:
    monkeypatch.setattr("symphony.workspace.tree.NAMED", named)
    odd = {":x": b"1\n", ":(top)y": b"2\n", "*": b"3\n", "a[b]": b"4\n", "-z": b"5\n", "plain": b"6\n"}
    world = GitWorld(tmp_path, odd)
    workspace = await world.prepare()
    await see_all(world, workspace)
    for name in odd.keys() - {"plain"}:
        (workspace.path / name).touch()

    imported = await world.collect(workspace)

    assert read == {name.encode() for name in odd.keys() - {"plain"}}
    assert imported.head_commit == workspace.base_commit


async def test_a_file_in_the_place_of_a_folder_is_noticed(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    (workspace.path / "folder/one.txt").unlink()
    (workspace.path / "folder").rmdir()
    (workspace.path / "folder").write_bytes(b"a file\n")

    imported = await world.collect(workspace)

    assert world.host_files(imported.head_commit) == ["README.md", "folder", "two.txt"]


async def test_line_endings_of_a_new_clone_are_no_change(tmp_path: Path) -> None:
    world = GitWorld(tmp_path, {".gitattributes": b"*.txt text eol=crlf\n", "one.txt": b"1\n2\n"})
    workspace = await world.prepare()
    await see_all(world, workspace)
    assert (workspace.path / "one.txt").read_bytes() == b"1\r\n2\r\n"

    imported = await world.collect(workspace)

    assert (imported.saved_uncommitted, imported.head_commit) == (False, workspace.base_commit)


async def test_rules_that_nobody_touched_hold_for_a_new_file(tmp_path: Path) -> None:
    world = GitWorld(tmp_path, {".gitattributes": b"*.txt text\n", "one.txt": b"1\n"})
    workspace = await world.prepare()
    write_files(workspace.path, {"new.txt": b"1\r\n"})

    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "new.txt") == b"1\n"


async def test_of_a_new_clone_what_is_older_than_the_step_of_the_clock_counts_as_seen(tmp_path: Path) -> None:
    write_files(tmp_path, {"one.txt": b"1\n", ".gitattributes": b"", "sub/x": b""})
    changed = (tmp_path / "one.txt").stat().st_ctime_ns
    seen = SeenFiles(tmp_path.with_name("seen"))
    names = (b"one.txt", b".gitattributes", b"gone.txt")
    entries = {**dict.fromkeys(names, OTHER), b"sub": TreeEntry(GITLINK, b"2" * 40)}
    looks = await look_over(tmp_path)

    seen.note_clone("tree", entries, looks, changed)
    at_once = seen.load()
    seen.note_clone("tree", entries, looks, changed + 1)

    assert (at_once.looks, at_once.rest.keys()) == (b"", entries.keys())
    (line,) = (line for line in lines_of(looks.listing) if name_of(line) == b"one.txt")
    assert seen.load().looks == listing_of([line])
    assert seen.load().rest.keys() == entries.keys() - {b"one.txt"}


def test_the_clock_of_a_folder_gives_no_file_a_time_before_it(tmp_path: Path) -> None:
    (tmp_path / "before").touch()
    now = clock_of(tmp_path)
    (tmp_path / "after").touch()

    assert (tmp_path / "before").stat().st_ctime_ns <= now <= (tmp_path / "after").stat().st_ctime_ns
    assert sorted(tmp_path.iterdir()) == [tmp_path / "after", tmp_path / "before"]


async def test_of_a_clone_that_could_not_be_looked_at_nothing_counts_as_seen(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)

    seen_of(world).note_clone("tree", {}, Looks(), 0)

    assert seen_of(world).load() == Seen()


async def test_a_file_that_was_read_soon_after_its_change_is_read_again(
    world: GitWorld, read: set[bytes]
) -> None:
    workspace = await world.prepare()
    seen_of(world).forget()

    for _ in range(2):
        read.clear()
        await world.collect(workspace)
        assert read == {name.encode() for name in FILES}
    assert SETTLED_NS > 35 * 10**9  # Linux writes a mapped page after 30 s and looks every 5 s


@pytest.mark.usefixtures("remembered_at_once")
async def test_files_that_were_read_long_after_their_change_are_not_read_again(
    world: GitWorld, read: set[bytes]
) -> None:
    workspace = await world.prepare()
    seen_of(world).forget()
    await world.collect(workspace)
    world.commit(workspace, {"two.txt": b"changed\n"})

    read.clear()
    await world.collect(workspace)
    first = {*read}
    read.clear()
    imported = await world.collect(workspace)

    assert (first, read) == ({b"two.txt"}, set())
    assert world.host_file(imported.head_commit, "two.txt") == b"changed\n"


@pytest.mark.usefixtures("remembered_at_once")
async def test_a_file_that_could_not_be_read_is_not_known_for_it(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    seen_of(world).forget()
    (workspace.path / "two.txt").write_bytes(b"9\n")
    look_into = GuestFolder.read

    def refuse(folder: GuestFolder, path: bytes) -> Any:
        if path == b"two.txt":
            raise PermissionError(errno.EACCES, "Permission denied")
        return look_into(folder, path)

    with monkeypatch.context() as patch:
        patch.setattr(GuestFolder, "read", refuse)
        await world.workspaces.save(workspace, "before something touches it", TODAY)
    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "two.txt") == b"9\n"


@pytest.mark.usefixtures("remembered_at_once")
async def test_what_was_seen_as_part_of_an_older_tree_counts_no_more(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    git(workspace.path, "rm", "--quiet", "--cached", "two.txt")
    git(workspace.path, "commit", "--quiet", "-m", "Forget a file that lies there as it did")
    (workspace.path / "README.md").touch()  # so that there is something new to remember

    imported = [await world.collect(workspace) for _ in range(2)]

    assert seen_of(world).load().tree == git(workspace.path, "rev-parse", "HEAD^{tree}")
    assert [world.host_files(each.head_commit) for each in imported] == [sorted(FILES)] * 2


@pytest.mark.usefixtures("remembered_at_once")
async def test_a_file_of_a_folder_that_was_exchanged_meanwhile_is_not_known_for_another(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    seen_of(world).forget()
    write_files(workspace.path.parent, {"as-it-was/one.txt": b"1\n"})
    (workspace.path / "folder/one.txt").write_bytes(b"9\n")

    def exchange() -> None:
        refusal = exchange_names(
            os.fsencode(workspace.path / "folder"), os.fsencode(workspace.path.parent / "as-it-was")
        )
        assert refusal == 0

    run = Walk.run

    def exchanged(walk: Walk, some: Any) -> Any:
        exchange()
        try:
            return run(walk, some)
        finally:
            exchange()

    with monkeypatch.context() as patch:
        patch.setattr(Walk, "run", exchanged)
        meanwhile = await world.collect(workspace)
    imported = await world.collect(workspace)

    assert world.host_file(meanwhile.head_commit, "folder/one.txt") == b"1\n"
    assert world.host_file(imported.head_commit, "folder/one.txt") == b"9\n"


@pytest.mark.usefixtures("remembered_at_once")
async def test_a_new_file_that_was_listed_twice_while_it_was_replaced_is_read_again(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    (workspace.path / "README.md").touch()  # so that there is something new to remember
    write_files(workspace.path, {"left.txt": b"left\n"})

    async def twice(folder: Path, expected: int) -> Looks:
        found = await look_over(folder, expected)
        again = (line.replace(b" 5 ", b" 4 ") for line in lines_of(found.listing) if b"left" in line)
        return Looks(found.listing + listing_of(again), found.whole)

    with monkeypatch.context() as patch:
        patch.setattr("symphony.workspace.touched.look_over", twice)
        await world.collect(workspace)
    imported = await world.collect(workspace)

    assert b"left.txt" not in seen_of(world).load().looks
    assert world.host_file(imported.head_commit, "left.txt") == b"left\n"


async def test_what_an_agent_leaves_for_itself_is_taken_where_the_project_wants_it(tmp_path: Path) -> None:
    name = ".claude/settings.local.json"
    world = GitWorld(tmp_path, {".gitignore": f"!{name}\n".encode(), "one.txt": b"1\n"})
    workspace = await world.prepare()
    await see_all(world, workspace)
    write_files(workspace.path, {name: b"{}\n"})

    imported = await world.collect(workspace)

    assert world.host_files(imported.head_commit) == [name, ".gitignore", "one.txt"]


async def test_a_comparison_that_is_cancelled_leaves_no_thread(
    world: GitWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    entered, may_end, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(before: bytes, now: bytes) -> tuple[set[bytes], set[bytes]]:
        loop.call_soon_threadsafe(entered.set)
        may_end.wait(30)
        ended.set()
        return differences(before, now)

    monkeypatch.setattr("symphony.workspace.touched.differences", slow)
    looking = asyncio.create_task(find_touched(workspace.path, seen_of(world)))
    await asyncio.wait_for(entered.wait(), 30)
    looking.cancel()
    await asyncio.wait({looking}, timeout=0.05)
    left_alone = looking.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await looking
    assert (left_alone, ended.is_set()) == (False, True)


async def test_what_was_seen_of_a_tree_that_is_gone_counts_no_more(world: GitWorld, read: set[bytes]) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    seen_of(world).store(replace(seen_of(world).load(), tree="1" * 40))
    (workspace.path / "two.txt").write_bytes(b"9\n")

    imported = await world.collect(workspace)

    assert read == {name.encode() for name in FILES}
    assert seen_of(world).load() == Seen()
    assert world.host_file(imported.head_commit, "two.txt") == b"9\n"


@pytest.mark.parametrize("damage", [b"", b"nonsense", b"symphony seen files 2 tree 3 4\n", b"\xff" * 1000])
async def test_with_a_damaged_list_every_file_is_read(world: GitWorld, damage: bytes) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    list_ = world.installation.root / "seen-files" / "12"
    list_.write_bytes(damage)
    (workspace.path / "two.txt").write_bytes(b"9\n")

    imported = await world.collect(workspace)

    assert world.host_file(imported.head_commit, "two.txt") == b"9\n"


LINES = st.binary(min_size=1).filter(lambda value: b"\0" not in value)


@given(
    looks=st.builds(listing_of, st.lists(LINES, max_size=4)),
    rest=st.dictionaries(LINES, st.just(b" ".join(OTHER)), max_size=4),
)
def test_what_is_stored_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, looks: bytes, rest: Mapping[bytes, bytes]
) -> None:
    record = SeenFiles(tmp_path_factory.mktemp("seen") / "folder" / "seen")
    seen = Seen("a" * 40, looks, rest)

    assert record.load() == Seen()
    record.store(seen)
    assert record.load() == seen
    record.forget()
    assert record.load() == Seen()


async def test_the_list_goes_with_its_workspace(world: GitWorld) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    list_ = world.installation.root / "seen-files" / "12"
    assert list_.exists()

    await world.workspaces.remove(workspace, world.settings, {})

    assert not list_.exists()


async def test_a_workspace_that_cannot_be_looked_at_whole_is_read_whole(
    world: GitWorld, read: set[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = await world.prepare()
    await see_all(world, workspace)
    git(workspace.path, "init", "--quiet", "inner")
    monkeypatch.setattr("symphony.workspace.looks.SMALL", 0)
    monkeypatch.setattr("symphony.workspace.looks.FILES_LOOKED_AT", 0)
    monkeypatch.setattr("symphony.workspace.looks._find", nothing)

    imported = await world.collect(workspace)

    assert not (await find_touched(workspace.path, seen_of(world))).whole
    assert (read, imported.keep_workspace) == ({name.encode() for name in FILES}, True)


async def nothing(_: Path) -> None:
    return None
