"""Folders that others may have written are measured and emptied without being led out of them."""

import os
from pathlib import Path

import pytest

from symphony.host import tree
from symphony.host.tree import DEEPEST, delete_file, list_files, size_of_tree


class _Listed(list):
    """Entries as `os.scandir` gives them: to be closed when done."""

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()


def test_a_file_of_two_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 1_000_000)
    once = size_of_tree(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert size_of_tree(tmp_path) < once + 500_000


def test_links_are_not_followed_wherever_they_lead(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for folder in (inside, outside):
        folder.mkdir()
    (outside / "big").write_bytes(b"x" * 1_000_000)
    (inside / "folder").symlink_to(outside)
    (inside / "file").symlink_to(outside / "big")
    (inside / "itself").symlink_to(inside)
    (inside / "nowhere").symlink_to(tmp_path / "gone")
    assert size_of_tree(inside) < 100_000
    assert size_of_tree(inside / "folder") < 100_000


def test_a_folder_that_becomes_a_link_while_it_is_measured_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "big").write_bytes(b"x" * 1_000_000)
    looked = tree._entries

    def exchange(descriptor: int):
        found = looked(descriptor)
        if (inside / "a").is_dir() and not (inside / "a").is_symlink():
            (inside / "a").rmdir()
            (inside / "a").symlink_to(outside)
        return found

    monkeypatch.setattr(tree, "_entries", exchange)
    assert size_of_tree(inside) < 100_000


def test_folders_that_are_deeper_than_anything_end_nothing(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEEPEST + 200):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    assert size_of_tree(tmp_path) > 0
    assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_more_names_than_are_looked_at_are_a_lower_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (tmp_path / str(number)).write_bytes(b"x" * 10_000)
    everything = size_of_tree(tmp_path)
    monkeypatch.setattr(tree, "LOOKED_AT", 10)
    assert 0 < size_of_tree(tmp_path) < everything


def test_what_is_not_there_has_no_size_and_no_files(tmp_path: Path) -> None:
    assert size_of_tree(tmp_path / "gone") == 0
    assert list_files(tmp_path / "gone") == ()
    delete_file(tmp_path / "gone", "x")
    delete_file(tmp_path, "x")


def test_only_regular_files_are_listed_and_deleted(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert [file.name for file in list_files(tmp_path)] == ["file"]
    for name in ("folder", "link", "pipe"):
        with pytest.raises(OSError, match="is not a regular file"):
            delete_file(tmp_path, name)
    delete_file(tmp_path, "file")
    assert list_files(tmp_path) == ()


def test_a_file_that_is_deleted_while_the_folder_is_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("gone", "here"):
        (tmp_path / name).write_text("x")
    scan = os.scandir

    def racing(descriptor: int):
        found = list(scan(descriptor))
        (tmp_path / "gone").unlink()
        return _Listed(found)

    monkeypatch.setattr(os, "scandir", racing)
    assert [file.name for file in list_files(tmp_path)] == ["here"]


def test_a_file_in_place_of_the_folder_is_an_error_and_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        list_files(tmp_path / "file")
