"""What every driver of the run log port promises [CONTRACT 1.4, 5.2; nothing gets out]."""

import asyncio
import json
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blockbuster import blockbuster_ctx

from symphony.core.ports import RunLog
from symphony.store import run_log as run_log_module
from symphony.store.memory_run_log import MemoryRunLogs
from symphony.store.run_log import FileRunLogs, run_log_path
from symphony.store.run_log_line import LINE_LIMIT
from symphony.store.run_log_reader import read_run_log

T0 = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
BOUND = 20.0  # seconds; only a hang takes as long


class Ticks:
    """A clock that is a second later each time it is asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> datetime:
        self.count += 1
        return T0 + timedelta(seconds=self.count)


class Desk:
    """Run logs with a way to read what they hold."""

    def __init__(
        self, logs: FileRunLogs | MemoryRunLogs, read: Callable[[str], list[dict[str, Any]]]
    ) -> None:
        self.logs = logs
        self.read = read

    @asynccontextmanager
    async def open(self, issue_id: str = "7", attempt: str = "a1", *secrets: str) -> AsyncIterator[RunLog]:
        async with self.logs.open_run_log(issue_id, attempt, secrets) as log:
            yield log


@pytest.fixture(params=["file", "memory"])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    if request.param == "memory":
        memory = MemoryRunLogs(Ticks())
        return Desk(memory, lambda issue_id: memory.lines[issue_id])
    folder = tmp_path / "logs"
    return Desk(
        FileRunLogs(folder, Ticks(), pytest.fail),
        lambda issue_id: [dict(line.fields) for line in read_run_log(run_log_path(folder, issue_id))],
    )


async def test_a_line_says_when_who_and_what(desk: Desk) -> None:
    async with desk.open() as log:
        log.append("frame_in", frame={"id": 1, "result": None}, n=1.5, ok=True)
        log.append("stderr", text="two\nlines")

    assert desk.read("7") == [
        {
            "at": "2026-05-17T09:30:01.000000+00:00",
            "attempt": "a1",
            "kind": "frame_in",
            "frame": {"id": 1, "result": None},
            "n": 1.5,
            "ok": True,
        },
        {
            "at": "2026-05-17T09:30:02.000000+00:00",
            "attempt": "a1",
            "kind": "stderr",
            "text": "two\nlines",
        },
    ]


async def test_attempts_follow_each_other_in_one_log_and_issues_have_their_own(desk: Desk) -> None:
    for issue_id, attempt in (("7", "a1"), ("8", "b1"), ("7", "a2")):
        async with desk.open(issue_id, attempt) as log:
            log.append("started")

    assert [line["attempt"] for line in desk.read("7")] == ["a1", "a2"]
    assert [line["attempt"] for line in desk.read("8")] == ["b1"]


async def test_secrets_never_reach_the_log_at_any_depth(desk: Desk) -> None:
    async with desk.open("7", "a1", "hunter2-secret") as log:
        log.append("hook", deep=[{"hunter2-secret": ("x hunter2-secret y", b"hunter2-secret")}])
        log.append("hunter2-secret", text="aHVudGVyMi1zZWNyZXQ= and sk-abcdefghijklmnopqrst")

    assert "hunter2" not in json.dumps(desk.read("7"))
    first, second = desk.read("7")
    assert first["deep"] == [{"[redacted]": ["x [redacted] y", "[redacted]"]}]
    assert (second["kind"], second["text"]) == ("[redacted]", "[redacted]= and [redacted]")


async def test_a_long_text_is_cut_and_says_so(desk: Desk) -> None:
    async with desk.open() as log:
        log.append("frame_in", frame={"before": 1, "text": "x" * 20_000_000, "after": "gone"})
        log.append("next")

    cut, following = desk.read("7")
    assert cut["frame"]["before"] == 1
    assert cut["frame"]["text"].endswith("… [cut: 20000000 characters]")
    assert 400_000 < len(json.dumps(cut)) < LINE_LIMIT
    assert following["kind"] == "next"


@pytest.mark.parametrize(
    "value",
    [
        "é" * 400_000,
        '"' * 500_000,
        "\x00" * 500_000,
        ["x"] * 100_000,
        {str(n): {} for n in range(90_000)},
        "🎻" * 500_000,
    ],
    ids=["wide", "quotes", "controls", "list", "mapping", "astral"],
)
async def test_no_line_is_longer_than_the_bound_and_each_is_json(desk: Desk, value: object) -> None:
    async with desk.open() as log:
        log.append("frame_in", value=value)

    (line,) = desk.read("7")
    assert len(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode()) <= LINE_LIMIT
    assert line["kind"] == "frame_in"


async def test_a_secret_across_the_cut_is_not_cut_in_two(desk: Desk) -> None:
    async with desk.open("7", "a1", "hunter2-secret") as log:
        for before in range(524_250, 524_300, 7):
            log.append("x", text="-" * before + "hunter2-secret" + "-" * 9000)

    assert "hunter2" not in json.dumps(desk.read("7"))
    assert len(desk.read("7")) == 8


async def test_any_value_can_be_appended(desk: Desk) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    endless: list[object] = []
    endless.append(endless)
    async with desk.open() as log:
        log.append("x", path=Path("/a"), at="mine", attempt=3, nan=float("nan"), lone="\ud800", huge=10**5000)
        log.append("x", endless=endless)
        log.append("x", value=Unprintable())

    first, second, third = desk.read("7")
    assert first["unwritable"].startswith("Exceeds the limit")
    assert json.dumps(second["endless"]).count("[") == 60
    assert third["unwritable"] == "RuntimeError('no words')"


async def test_the_lines_own_names_stay_its_own(desk: Desk) -> None:
    async with desk.open() as log:
        log.append("x", path=Path("/a"), at="mine", attempt=3, nan=float("nan"), lone="\ud800")

    (line,) = desk.read("7")
    assert (line["attempt"], line["attempt_"], line["at_"]) == ("a1", 3, "mine")
    assert (line["path"], line["nan"], line["lone"]) == ("/a", "nan", "\ud800")


async def test_a_line_keeps_what_was_said_when_it_was_appended(desk: Desk) -> None:
    frame = {"state": "before"}
    async with desk.open() as log:
        log.append("x", frame=frame)
        frame["state"] = "after"

    assert desk.read("7")[0]["frame"] == {"state": "before"}


async def test_a_closed_log_ignores_more(desk: Desk) -> None:
    async with desk.open() as log:
        log.append("x")
    log.append("late")

    assert [line["kind"] for line in desk.read("7")] == ["x"]


class Slow:
    """A disk that takes nothing until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = threading.Event()
        self.entered = threading.Event()
        self.written = threading.Event()
        write = run_log_module.LineFile.write

        def stuck(file: run_log_module.LineFile, lines: bytes) -> None:
            self.entered.set()
            assert self.free.wait(BOUND)
            write(file, lines)
            self.written.set()

        monkeypatch.setattr(run_log_module.LineFile, "write", stuck)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    disk = Slow(monkeypatch)
    yield disk
    disk.free.set()


async def test_lines_that_a_slow_disk_has_no_room_for_are_dropped_and_counted(
    slow: Slow, tmp_path: Path
) -> None:
    logs = FileRunLogs(tmp_path, Ticks(), pytest.fail)
    async with logs.open_run_log("7", "a1", ()) as log:
        log.append("first")
        assert await asyncio.to_thread(slow.entered.wait, BOUND)
        for _ in range(60):
            log.append("big", text="x" * 400_000)
        slow.free.set()
    lines = [line.fields for line in read_run_log(run_log_path(tmp_path, "7"))]

    kinds = [line["kind"] for line in lines]
    kept = kinds.count("big")
    assert kinds == ["first", *["big"] * kept, "dropped"]
    assert lines[-1]["lines"] == 60 - kept
    assert 30 < kept < 60


async def test_the_gap_is_told_of_where_it_was(slow: Slow, tmp_path: Path) -> None:
    logs = FileRunLogs(tmp_path, Ticks(), pytest.fail)
    async with logs.open_run_log("7", "a1", ()) as log:
        log.append("first")
        assert await asyncio.to_thread(slow.entered.wait, BOUND)
        for _ in range(60):
            log.append("big", text="x" * 400_000)
        log.append("small")
        log.append("smaller")
        slow.free.set()

    kinds = [line.fields["kind"] for line in read_run_log(run_log_path(tmp_path, "7"))]
    assert kinds[-4:] == ["big", "dropped", "small", "smaller"]
    assert kinds.count("dropped") == 1


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    slow: Slow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_log_module, "CLOSE_BOUND", 0.01)
    problems: list[str] = []
    async with FileRunLogs(tmp_path, Ticks(), problems.append).open_run_log("7", "a1", ()) as log:
        log.append("first")
    await asyncio.sleep(0)

    assert problems == [
        f"The run log {tmp_path}/7.jsonl cannot be written (the disk did not take it within 0.01 s); "
        "the work goes on without it. Check the disk and the folder."
    ]
    slow.free.set()


async def test_a_broken_disk_is_reported_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    problems: list[str] = []
    logs = FileRunLogs(tmp_path / "logs", Ticks(), problems.append)

    for attempt in ("a1", "a2"):
        async with logs.open_run_log("7", attempt, ()) as log:
            log.append("one")
            log.append("two")
    await asyncio.sleep(0)

    assert problems == [
        f"The run log {tmp_path}/logs/7.jsonl cannot be written (File exists); "
        "the work goes on without it. Check the disk and the folder."
    ]
    assert [problem.message for problem in logs.problems()] == problems

    (tmp_path / "logs").unlink()
    async with logs.open_run_log("7", "a3", ()) as log:
        log.append("three")
    assert [line.fields["kind"] for line in read_run_log(tmp_path / "logs" / "7.jsonl")] == ["three"]
    assert logs.problems() == ()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("link", "a symbolic link stands in its place"), ("pipe", "it is not a regular file")],
)
async def test_a_run_log_is_never_written_through_what_stands_in_its_place(
    tmp_path: Path, kind: str, reason: str
) -> None:
    path, target = tmp_path / "7.jsonl", tmp_path / "precious"
    target.write_text("precious")
    if kind == "link":
        path.symlink_to(target)
    else:
        os.mkfifo(path)
    problems: list[str] = []

    async with FileRunLogs(tmp_path, Ticks(), problems.append).open_run_log("7", "a1", ()) as log:
        log.append("one")
    await asyncio.sleep(0)

    assert target.read_text() == "precious"
    assert [f"({reason})" in problem for problem in problems] == [True]


async def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "7.jsonl"
    path.write_bytes(b'{"kind": "whole"}\n{"kind": "to')

    async with FileRunLogs(tmp_path, Ticks(), pytest.fail).open_run_log("7", "a1", ()) as log:
        log.append("next")

    assert [line.fields["kind"] for line in read_run_log(path)] == ["whole", "next"]


async def test_a_log_that_is_removed_while_open_is_begun_anew(tmp_path: Path, slow: Slow) -> None:
    folder = tmp_path / "logs"
    async with FileRunLogs(folder, Ticks(), pytest.fail).open_run_log("7", "a1", ()) as log:
        slow.free.set()
        log.append("one")
        path = run_log_path(folder, "7")
        assert await asyncio.to_thread(slow.written.wait, BOUND)
        path.unlink()
        folder.rmdir()
        log.append("two")

    assert [line.fields["kind"] for line in read_run_log(path)] == ["two"]


async def test_only_the_owner_can_read_a_run_log(tmp_path: Path) -> None:
    async with FileRunLogs(tmp_path, Ticks(), pytest.fail).open_run_log("7", "a1", ()) as log:
        log.append("one")

    assert stat.S_IMODE((tmp_path / "7.jsonl").stat().st_mode) == 0o600


async def test_an_id_that_is_no_file_name_still_has_one_log_in_the_folder(tmp_path: Path) -> None:
    for issue_id in ("../../x", "a b", "ü" * 300, "."):
        async with FileRunLogs(tmp_path, Ticks(), pytest.fail).open_run_log(issue_id, "a1", ()) as log:
            log.append("one")
        assert [line.fields["kind"] for line in read_run_log(run_log_path(tmp_path, issue_id))] == ["one"]

    assert len(list(tmp_path.iterdir())) == 4


async def test_the_event_loop_never_waits_for_the_disk(tmp_path: Path) -> None:
    with blockbuster_ctx("symphony"):
        async with FileRunLogs(tmp_path / "logs", Ticks(), pytest.fail).open_run_log("7", "a1", ()) as log:
            for _ in range(100):
                log.append("one", text="x" * 1000)

    assert len(list(read_run_log(run_log_path(tmp_path / "logs", "7")))) == 100


def lines_of(path: Path, **options: int) -> list[int]:
    return [line.fields["n"] for line in read_run_log(path, **options)]


@pytest.mark.parametrize("width", [1, 100, 70_000])
@pytest.mark.parametrize("last", [0, 1, 3, 10, 99])
def test_the_last_lines_are_found_from_the_end(tmp_path: Path, width: int, last: int) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("".join(json.dumps({"n": n, "pad": "é" * width}) + "\n" for n in range(10)))

    assert lines_of(path, last=last) == list(range(10))[10 - min(last, 10) :]


def test_a_reader_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n": 0}\n{"n": 1}\n{"n": 2')
    read = list(read_run_log(path))
    assert [(line.offset, line.next_offset) for line in read] == [(0, 9), (9, 18)]

    with path.open("a") as file:
        file.write('}\n{"n": 3}\n')

    assert lines_of(path, follow_from=read[-1].next_offset) == [2, 3]
    assert lines_of(path, follow_from=path.stat().st_size) == []


def test_a_reader_begins_anew_when_the_file_was_replaced_by_a_shorter_one(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"n": 5}\n')

    assert lines_of(path, follow_from=1000) == [5]


def test_what_is_no_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    junk = [b"", b"null", b"[1]", b"{", b"\xff\xfe", b"x" * (5 * LINE_LIMIT), b"[" * 100_000]
    path.write_bytes(b'{"n": 1}\n' + b"\n".join(junk) + b'\n{"n": 2}\n')

    assert lines_of(path) == [1, 2]


def test_a_log_that_is_not_there_or_not_a_file_has_no_lines(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")

    for name in ("none", "folder", "pipe"):
        assert lines_of(tmp_path / f"{name}.jsonl") == []
