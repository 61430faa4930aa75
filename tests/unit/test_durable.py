"""Durable files: whole or not at all, never one over another by accident."""

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from symphony.host import durable
from symphony.host.durable import rename_noreplace, write_durably, write_new


@pytest.fixture(params=[True, False], ids=["exclusive rename", "link and unlink"])
def _one_step(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if not request.param:
        monkeypatch.setattr(durable, "exclusive_rename", lambda source, target: errno.EINVAL)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_write_replaces_the_content_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert write_durably(path, b"one")
    path.chmod(0o640)
    assert write_durably(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o7777 == 0o640
    assert names(tmp_path) == ["x"]


def test_a_write_that_is_called_off_at_the_last_moment_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_durably(path, b"one")
    assert not write_durably(path, b"two", only_if=lambda: False)
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["x"]


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "x", b"one")
    with pytest.raises(FileNotFoundError):
        write_durably(tmp_path / "missing" / "x", b"one")
    assert names(tmp_path) == ["x"]


@pytest.mark.usefixtures("_one_step")
def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    write_new(tmp_path / "x", b"one")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "x", b"two")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"
    assert names(tmp_path) == ["link", "x"]


@pytest.mark.usefixtures("_one_step")
def test_of_many_writers_of_one_name_exactly_one_wins(tmp_path: Path) -> None:
    def attempt(number: int) -> bool:
        try:
            write_new(tmp_path / "x", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(attempt, range(32)))
    assert won.count(True) == 1
    assert (tmp_path / "x").read_text() == str(won.index(True))
    assert names(tmp_path) == ["x"]


@pytest.mark.usefixtures("_one_step")
def test_a_rename_never_replaces_a_file_and_names_both(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_text("a")
    target.write_text("b")
    with pytest.raises(FileExistsError) as refusal:
        rename_noreplace(source, target)
    assert (refusal.value.filename, refusal.value.filename2) == (str(source), str(target))
    assert (source.read_text(), target.read_text()) == ("a", "b")
    target.unlink()
    rename_noreplace(source, target)
    assert names(tmp_path) == ["b"]


@pytest.mark.usefixtures("_one_step")
def test_a_rename_of_nothing_or_into_nothing_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        rename_noreplace(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a").write_text("a")
    with pytest.raises(FileNotFoundError):
        rename_noreplace(tmp_path / "a", tmp_path / "missing" / "a")
    assert names(tmp_path) == ["a"]


@pytest.mark.usefixtures("_one_step")
def test_a_rename_moves_a_symlink_itself(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to("real")
    rename_noreplace(tmp_path / "link", tmp_path / "other")
    assert (tmp_path / "other").readlink() == Path("real")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A folder that was made, and its final name."""
    made, target = tmp_path / ".making", tmp_path / "final"
    made.mkdir()
    (made / "one.txt").write_text("new")
    return made, target


def test_a_folder_gets_its_name_in_one_step(folders):
    made, target = folders
    durable.put_folder(made, target)
    assert [path.read_text() for path in target.iterdir()] == ["new"]
    assert not made.exists()


@pytest.mark.parametrize("refusal", [0, errno.ENOSYS])
def test_a_folder_that_had_the_name_has_the_other_one_then(folders, monkeypatch, refusal):
    made, target = folders
    target.mkdir()
    (target / "old.txt").write_text("old")
    if refusal:
        monkeypatch.setattr(durable, "exchange", lambda one, other: refusal)
    durable.put_folder(made, target)
    assert [path.name for path in target.iterdir()] == ["one.txt"]
    assert [path.name for path in made.iterdir()] == ["old.txt"]
    assert sorted(path.name for path in target.parent.iterdir()) == [".making", "final"]


def test_a_folder_that_may_not_be_put_there_changes_nothing(folders, monkeypatch):
    made, target = folders
    target.mkdir()
    (target / "old.txt").write_text("old")
    monkeypatch.setattr(durable, "exchange", lambda one, other: errno.EACCES)
    with pytest.raises(PermissionError):
        durable.put_folder(made, target)
    assert [path.name for path in target.iterdir()] == ["old.txt"]
