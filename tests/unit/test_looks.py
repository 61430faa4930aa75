"""How files look: the same with find and without; nothing is followed, nor left out unsaid."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

import pytest

from symphony.workspace import looks
from symphony.workspace.errors import WorkspaceError
from symphony.workspace.guest_files import DEEPEST
from symphony.workspace.listing import lines_of
from symphony.workspace.looks import Looks, changed_before, look_over, name_of, nested_in
from tests.support.git_project import git, write_files

LARGE = looks.SMALL + 1


def names(found: Looks) -> set[bytes]:
    return {name_of(line) for line in lines_of(found.listing)}


async def lines(folder: Path, expected: int) -> set[bytes]:
    return {*lines_of((await look_over(folder, expected)).listing)}


def fill(folder: Path) -> None:
    """Put one of everything into a folder."""
    write_files(folder, {"one.txt": b"1\n", "folder/two.txt": b"2\n", "folder/deep/er/-name": b"3\n"})
    write_files(
        folder, {"-delete": b"", "!": b"", "new\nline": b"", " space ": b"", "(": b"", "folder/): b": b""}
    )
    (folder / os.fsdecode(b"no-utf8-\xff")).write_bytes(b"")
    (folder / "link").symlink_to("one.txt")
    (folder / "loop").symlink_to("..")
    os.mkfifo(folder / "pipe")
    (folder / "empty").mkdir()
    os.utime(folder / "one.txt", ns=(0, 1_234_567_890_000_000_007))


EVERYTHING = {
    *(b"one.txt", b"folder/two.txt", b"folder/deep/er/-name", b"-delete", b"!", b"new\nline", b" space "),
    *(b"(", b"folder/): b", b"no-utf8-\xff", b"link", b"loop", b"pipe"),
}


@pytest.mark.parametrize("expected", [0, LARGE])
async def test_every_file_has_a_look_and_no_link_is_followed(tmp_path: Path, expected: int) -> None:
    fill(tmp_path)

    found = await look_over(tmp_path, expected)

    assert (names(found), found.whole, nested_in(lines_of(found.listing))) == (EVERYTHING, True, ())


async def test_both_ways_say_the_same_of_every_file(tmp_path: Path) -> None:
    fill(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "init", "--quiet", "folder/inner")
    write_files(tmp_path, {"empty/.git": b"gitdir: elsewhere\n", "folder/inner/file": b""})

    assert await lines(tmp_path, LARGE) == await lines(tmp_path, 0)


@pytest.mark.parametrize("expected", [0, LARGE])
async def test_a_repository_inside_is_named_and_its_git_folder_not_looked_into(
    tmp_path: Path, expected: int
) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "init", "--quiet", "sub/inner")
    write_files(tmp_path, {"sub/inner/file": b"", "work/.git": b"gitdir: elsewhere\n"})

    found = await look_over(tmp_path, expected)

    assert nested_in(lines_of(found.listing)) == (b"sub/inner", b"work")
    assert names(found) == {b"sub/inner/file", b"sub/inner/.git", b"work/.git"}


@pytest.mark.parametrize("expected", [0, LARGE])
async def test_every_kind_of_change_changes_the_look(tmp_path: Path, expected: int) -> None:
    write_files(tmp_path, {"file": b"1\n", "other": b"1\n"})
    times = (tmp_path / "file").stat()
    seen = [(await look_over(tmp_path, expected)).listing]
    for change in (
        lambda: (tmp_path / "file").write_bytes(b"2\n"),
        lambda: (tmp_path / "file").chmod(0o755),
        lambda: os.utime(tmp_path / "file", ns=(times.st_atime_ns, times.st_mtime_ns)),
        lambda: (tmp_path / "other").replace(tmp_path / "file"),
    ):
        while (await look_over(tmp_path, expected)).listing == seen[
            -1
        ]:  # within one step of the kernel's clock
            change()
        seen.append((await look_over(tmp_path, expected)).listing)

    assert len({*seen}) == len(seen)


async def test_the_time_in_a_look_is_that_of_the_kernel(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1\n")

    (line,) = await lines(tmp_path, 0)

    kernels = (tmp_path / "file").stat().st_ctime_ns
    assert [*changed_before([line], kernels)] == []
    assert [*changed_before([line], kernels + 1)] == [(b"file", line)]


@pytest.mark.parametrize("expected", [0, LARGE])
async def test_without_gnu_find_large_folders_are_looked_through_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: int
) -> None:
    fill(tmp_path / "workspace")
    write_files(tmp_path, {"bin/find": b"#!/bin/sh\necho a find of another kind\n"})
    (tmp_path / "bin/find").chmod(0o755)
    for path in ("/nowhere", f"{tmp_path}/bin"):
        monkeypatch.setenv("PATH", path)

        found = await look_over(tmp_path / "workspace", expected)

        assert (names(found), found.whole) == (EVERYTHING, True)


@pytest.mark.parametrize("path", ["", ".", "bin", "/nowhere:"])
async def test_no_find_that_lies_in_the_workspace_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    script = f"#!/bin/sh\necho > {tmp_path}/started\n".encode()
    write_files(tmp_path / "workspace", {"find": script, "bin/find": script})
    for name in ("find", "bin/find"):
        (tmp_path / "workspace" / name).chmod(0o755)
    monkeypatch.setenv("PATH", path)

    found = await look_over(tmp_path / "workspace", LARGE)

    assert (names(found), found.whole) == ({b"find", b"bin/find"}, True)
    assert not (tmp_path / "started").exists()


async def test_a_small_folder_that_has_grown_large_is_left_to_find(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "SMALL", 5)
    fill(tmp_path)

    assert names(await look_over(tmp_path)) == EVERYTHING


async def test_a_folder_with_many_names_is_left_to_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "NAMES_AT_ONCE", 5)
    fill(tmp_path)
    git(tmp_path, "init", "--quiet")

    assert await lines(tmp_path, LARGE) == await lines(tmp_path, 0)


async def test_what_is_too_much_to_look_at_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(looks, "FILES_LOOKED_AT", 5)
    fill(tmp_path)

    assert await look_over(tmp_path, LARGE) == Looks()


async def test_what_several_processes_find_is_bounded_in_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    found = await look_over(tmp_path, LARGE)
    monkeypatch.setattr(looks, "OUTPUT_LIMIT", len(found.listing))
    monkeypatch.setattr(looks, "FILES_LOOKED_AT", 5)

    assert await look_over(tmp_path, LARGE) == Looks()


async def test_folders_too_deep_to_read_are_not_whole_without_find(tmp_path: Path) -> None:
    write_files(tmp_path, {"/".join(["d"] * (DEEPEST + 2)) + "/file": b"", "one.txt": b""})

    found = await look_over(tmp_path)

    assert (names(found), found.whole) == ({b"one.txt"}, False)


async def test_a_find_that_failed_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "workspace")
    find = f'#!/bin/sh\ncase "$*" in *link*) exit 1;; esac\nexec {shutil.which("find")} "$@"\n'
    write_files(tmp_path, {"bin/find": find.encode()})
    (tmp_path / "bin/find").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")

    found = await look_over(tmp_path / "workspace", LARGE)

    assert (names(found), found.whole) == (EVERYTHING, True)


async def test_a_folder_whose_names_the_disk_refuses_makes_it_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"damaged/file": b"", "one.txt": b""})
    damaged, list_names = (tmp_path / "damaged").stat().st_ino, os.listdir

    def refuse(descriptor: int) -> list[str]:
        if os.fstat(descriptor).st_ino == damaged:
            raise OSError(errno.EIO, "Input/output error")
        return list_names(descriptor)

    monkeypatch.setattr(os, "listdir", refuse)

    found = await look_over(tmp_path)

    assert (names(found), found.whole) == ({b"one.txt"}, False)


@pytest.mark.parametrize("expected", [0, LARGE])
async def test_a_folder_that_is_gone_is_an_error(tmp_path: Path, expected: int) -> None:
    with pytest.raises(WorkspaceError) as raised:
        await look_over(tmp_path / "gone", expected)

    assert str(tmp_path / "gone") in str(raised.value)


async def test_files_that_come_and_go_meanwhile_do_no_harm(tmp_path: Path) -> None:
    fill(tmp_path)

    def churn() -> None:
        for number in range(300):
            (tmp_path / f"folder/new{number}").write_bytes(b"")
            (tmp_path / f"folder/new{number}").unlink()

    churning = asyncio.create_task(asyncio.to_thread(churn))
    while not churning.done():
        for expected in (0, LARGE):
            found = await look_over(tmp_path, expected)
            assert found.whole
            assert names(found) >= EVERYTHING
    await churning
