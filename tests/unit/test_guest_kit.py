"""The guest kit as files of the host."""

import io
import stat
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import symphony
from symphony.sandbox.guest import write_guest_kit
from symphony.sandbox.guest.kit import demo_archive, kit_files


def modes(folder: Path) -> dict[str, int]:
    return {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in folder.iterdir()}


def test_it_holds_the_four_programs_readable_and_runnable_for_everybody(tmp_path: Path) -> None:
    folder = write_guest_kit(tmp_path / "kits")
    assert modes(folder) == dict.fromkeys(("mcp", "launch", "end", "demo.pyz"), 0o555)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_writing_it_again_changes_nothing(tmp_path: Path) -> None:
    folder = write_guest_kit(tmp_path)
    before = {entry: entry.stat().st_ino for entry in folder.iterdir()}
    assert write_guest_kit(tmp_path) == folder
    assert {entry: entry.stat().st_ino for entry in folder.iterdir()} == before
    assert list(tmp_path.iterdir()) == [folder]


def test_another_content_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write_guest_kit(tmp_path)
    monkeypatch.setattr(symphony, "__version__", "9.9")
    second = write_guest_kit(tmp_path)
    assert {first, second} == set(tmp_path.iterdir())


@pytest.mark.parametrize("spoil", ["changed", "missing", "added", "writable"])
def test_a_kit_that_was_spoilt_on_the_disk_is_replaced(tmp_path: Path, spoil: str) -> None:
    folder = write_guest_kit(tmp_path)
    match spoil:
        case "changed":
            (folder / "mcp").chmod(0o755)
            (folder / "mcp").write_text("#!/bin/sh\n")
        case "missing":
            (folder / "end").unlink()
        case "added":
            (folder / "more").touch()
        case _:
            (folder / "launch").chmod(0o777)
    assert write_guest_kit(tmp_path) == folder
    assert {entry.name: entry.read_bytes() for entry in folder.iterdir()} == kit_files()
    assert set(modes(folder).values()) == {0o555}
    assert list(tmp_path.iterdir()) == [folder]


def test_several_may_write_it_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: write_guest_kit(tmp_path), range(24)))
    assert list(tmp_path.iterdir()) == [*folders]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        write_guest_kit(tmp_path / "file")


def test_the_demo_agents_file_is_the_same_each_time_and_brings_nothing_else() -> None:
    archive = demo_archive()
    assert archive == demo_archive()
    assert archive.startswith(b"#!/usr/bin/env python3\n")
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    assert {name.split("/demo/")[0] for name in names} == {
        "__main__.py",
        "symphony/__init__.py",
        "symphony/agent/__init__.py",
        "symphony/agent",
    }
