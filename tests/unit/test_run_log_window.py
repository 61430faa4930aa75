"""A part of a run log is read without the rest of it, whatever is in it and however large it is."""

import json
from itertools import pairwise
from pathlib import Path

import pytest

from symphony.store import run_log_reader
from symphony.store.run_log_reader import read_window


def write(path: Path, count: int, pad: int = 0) -> list[int]:
    """Write lines and return where each begins."""
    starts, size = [], 0
    with path.open("wb") as file:
        for number in range(count):
            starts.append(size)
            size += file.write(json.dumps({"n": number, "pad": "x" * pad}).encode() + b"\n")
    return [*starts, size]


def numbers(path: Path, start: int, end: int | None = None) -> list[int]:
    return [line.fields["n"] for line in read_window(path, start, end).lines]


def test_every_line_is_in_exactly_one_of_the_windows_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    size = write(path, 50, pad=7)[-1]
    for step in (1, 10, 27, 28, 64, 1_000):
        edges = [*range(0, size, step), size]
        found = [number for start, end in pairwise(edges) for number in numbers(path, start, end)]
        assert found == list(range(50))


def test_a_window_that_begins_inside_a_line_begins_with_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    starts = write(path, 5)
    assert numbers(path, starts[2]) == [2, 3, 4]
    assert numbers(path, starts[2] + 1) == [3, 4]
    assert numbers(path, starts[2], starts[2] + 1) == [2]
    assert numbers(path, starts[-1]) == []


def test_reading_goes_on_where_the_window_ended(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, 3)
    with path.open("a") as file:
        file.write('not a line\n{"n": 3')
    window = read_window(path, 0)
    assert len(window.lines) == 3
    with path.open("a") as file:
        file.write('}\n{"n": 4}\n')
    assert numbers(path, window.next_offset) == [3, 4]


def test_what_is_no_line_never_stops_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log_reader, "LONGEST", 100)
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'{"n": 1}\n' + b"x" * 1_000 + b"\n" + b"[1]\n" * 50 + b'{"n": 2}\n')
    found, offset = [], 0
    for _ in range(200):
        window = read_window(path, offset, offset + 10)
        found += [line.fields["n"] for line in window.lines]
        offset = max(window.next_offset, offset)
        if offset >= window.size:
            break
    assert found == [1, 2]


def test_a_missing_file_is_empty_and_a_pipe_is_nothing(tmp_path: Path) -> None:
    assert read_window(tmp_path / "none", 0).lines == ()
    assert read_window(tmp_path / "none", 500).size == 0
    assert read_window(tmp_path, 0).lines == ()


def test_another_file_in_the_same_place_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    write(path, 2)
    before = read_window(path, 0).identity
    (tmp_path / "y").write_text('{"n": 9}\n')
    (tmp_path / "y").rename(path)
    assert read_window(path, 0).identity != before
    assert read_window(path, 10_000).lines == ()


def bytes_read() -> int:
    """Return how many bytes this process has read so far."""
    facts = Path("/proc/self/io").read_text().splitlines()
    return int(facts[0].removeprefix("rchar: "))


def test_the_end_of_200_megabytes_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    with path.open("wb") as file:
        file.truncate(200 << 20)
        file.seek(0, 2)
        file.write(b"\n" + b"".join(json.dumps({"n": number}).encode() + b"\n" for number in range(1_000)))
    size = path.stat().st_size
    before = bytes_read()

    found = numbers(path, size - 5_000)

    assert found[-1] == 999
    assert bytes_read() - before < 100_000
