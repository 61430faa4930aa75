"""The daemon's log: one event a line, that nothing can forge, break or stop [CONTRACT 1.4]."""

import logging
import os
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from blockbuster import blockbuster_ctx
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.redaction import Redactor
from symphony.host import logging as daemon_log
from symphony.host.line_file import LineFile
from symphony.host.logfmt import render_line
from symphony.host.logging import DaemonLog, open_log

T0 = datetime(2026, 5, 17, 9, 30, 0, 123456, tzinfo=UTC)
HEAD = "ts=2026-05-17T09:30:00.123Z level=info msg="
BOUND = 20.0  # seconds; only a hang takes as long


def line(event: str = "x", **fields: object) -> str:
    return render_line(T0, "info", event, fields, Redactor(["hunter2-secret"]))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("done", "done"),
        ("https://h:1/a?b&c", "https://h:1/a?b&c"),
        (3, "3"),
        (0.5, "0.5"),
        (True, "true"),
        (False, "false"),
        (None, ""),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("C:\\x", '"C:\\\\x"'),
        ("one\ntwo\r\tx", '"one\\ntwo\\r\\tx"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("a\x7f\x85\u2028\u202eb", '"a\\u007f\\u0085\\u2028\\u202eb"'),
        ("\ud800", '"\\ud800"'),
        ("日本 ünd 🎻", '"日本 ünd 🎻"'),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (Path("/a b"), '"/a b"'),
        (["x", 1], "\"['x', 1]\""),
        ("the hunter2-secret", '"the [redacted]"'),
    ],
)
def test_a_value_is_written_so_that_it_can_be_read_back(value: object, expected: str) -> None:
    assert line("attempt.finished", key=value) == f"{HEAD}attempt.finished key={expected}"


def test_a_title_cannot_forge_a_line() -> None:
    title = "x\nts=2026-05-17T09:30:00.123Z level=error msg=daemon.broken"

    written = line("issue.seen", title=title)

    assert (
        written == f'{HEAD}issue.seen title="x\\nts=2026-05-17T09:30:00.123Z level=error msg=daemon.broken"'
    )
    assert written.splitlines() == [written]


def test_a_key_cannot_forge_a_field() -> None:
    assert line(**{"a b=c\n": 1, "": 2, "ts": 3, "level": 4, "msg": 5, "hunter2-secret": 6}) == (
        f"{HEAD}x a_b_c_=1 _=2 ts_=3 level_=4 msg_=5 _redacted_=6"
    )


def test_a_long_value_is_cut_and_says_so() -> None:
    written = line(text="y" * 1_000_000)

    assert len(written) < 17_000
    assert written.endswith('… [cut: 1000000 characters]"')


@given(st.text(), st.text(), st.text())
def test_no_text_ends_a_line(event: str, key: str, value: str) -> None:
    written = line(event, **{key: value})

    assert written.isprintable()
    assert len(written.splitlines()) == 1


def raised(message: str) -> ValueError:
    def fail() -> None:
        raise ValueError(message)

    with pytest.raises(ValueError) as caught:
        fail()
    return caught.value


@asynccontextmanager
async def logging_to(path: Path, *secrets: str, verbose: bool = False) -> AsyncIterator[DaemonLog]:
    async with open_log(path, verbose=verbose, secrets=secrets, now=lambda: T0) as log:
        yield log


async def test_events_are_written_to_the_file_in_order(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "symphony.log"
    async with logging_to(path) as log:
        log.info("attempt.started", issue="7", n=1)
        log.warning("run_log.broken", reason="disk full")
        log.error("attempt.crashed")
        log.debug("detail")

    assert path.read_text() == (
        f"{HEAD}attempt.started issue=7 n=1\n"
        'ts=2026-05-17T09:30:00.123Z level=warning msg=run_log.broken reason="disk full"\n'
        "ts=2026-05-17T09:30:00.123Z level=error msg=attempt.crashed\n"
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_every_logger_of_structlog_writes_to_the_daemons_log(tmp_path: Path) -> None:
    path = tmp_path / "symphony.log"
    early = structlog.get_logger("symphony.web")
    async with logging_to(path, "hunter2-secret") as log:
        early.bind(issue="7").info("web.asked", header="hunter2-secret")
        log.hide(["other-secret"])
        early.info("web.asked", header="other-secret")

    assert path.read_text() == (
        f"{HEAD}web.asked issue=7 header=[redacted]\n{HEAD}web.asked header=[redacted]\n"
    )


async def test_an_exception_comes_with_its_traceback_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "symphony.log"
    async with logging_to(path) as log:
        log.error("attempt.crashed", issue="7", exc_info=raised("line one\nline two"))

    (written,) = path.read_text().splitlines()
    assert 'issue=7 exception="Traceback (most recent call last):\\n' in written
    assert written.endswith('ValueError: line one\\nline two"')


async def test_what_libraries_say_at_warning_and_above_comes_in(tmp_path: Path) -> None:
    path = tmp_path / "symphony.log"
    async with logging_to(path, "hunter2-secret"):
        library = logging.getLogger("aiohttp.server")
        library.info("not this")
        library.warning("slow %s with hunter2-secret", "request")
        wrong = logging.LogRecord("acp", logging.WARNING, "", 0, "wrong %d", ("format",), None)
        logging.getLogger().handlers[-1].handle(wrong)
        library.error("Error handling request", exc_info=raised("gone"))
    before, unformatted, broken = path.read_text().splitlines()

    assert before == (
        "ts=2026-05-17T09:30:00.123Z level=warning msg=library.said "
        'library=aiohttp.server text="slow request with [redacted]"'
    )
    assert unformatted.endswith('text="wrong %d (not formatted: TypeError)"')
    assert 'level=error msg=library.said library=aiohttp.server text="Error handling request"' in broken
    assert broken.endswith('ValueError: gone"')


async def test_a_value_without_words_stops_nothing(tmp_path: Path) -> None:
    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    path = tmp_path / "symphony.log"
    async with logging_to(path) as log:
        log.info("x", value=Unprintable())

    assert path.read_text() == f"{HEAD}x unwritable=RuntimeError('no words')\n".replace(
        "RuntimeError('no words')", "\"RuntimeError('no words')\""
    )


async def test_after_closing_nothing_is_written_and_structlog_is_given_back(tmp_path: Path) -> None:
    path = tmp_path / "symphony.log"
    async with logging_to(path) as log:
        log.info("last")
    log.info("too late")

    assert path.read_text() == f"{HEAD}last\n"
    assert not structlog.is_configured()
    assert logging.getLogger().handlers == [
        handler
        for handler in logging.getLogger().handlers
        if not type(handler).__module__.startswith("symphony")
    ]


async def test_the_log_is_mirrored_to_stderr_when_verbose_with_details(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "symphony.log"
    async with logging_to(path, verbose=True) as log:
        log.info("one")
        log.debug("two")

    expected = f"{HEAD}one\nts=2026-05-17T09:30:00.123Z level=debug msg=two\n"
    assert capfd.readouterr().err == expected
    assert path.read_text() == expected


async def test_a_log_that_cannot_be_written_is_told_of_once_and_stops_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file where the folder should be")
    async with logging_to(tmp_path / "logs" / "symphony.log") as log:
        for _ in range(3):
            log.info("x")

    assert capfd.readouterr().err == (
        f"symphony: the log {tmp_path}/logs/symphony.log cannot be written (File exists); "
        "the daemon goes on without it. Check the disk and the folder.\n"
    )


async def test_the_event_loop_never_waits_for_the_log(tmp_path: Path) -> None:
    path = tmp_path / "symphony.log"
    with blockbuster_ctx("symphony"):
        async with logging_to(path) as log:
            for _ in range(1000):
                log.info("x", text="y" * 100)

    assert len(path.read_text().splitlines()) == 1000


async def test_lines_without_room_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free, entered = threading.Event(), threading.Event()
    write = LineFile.write

    def stuck(file: LineFile, lines: bytes) -> None:
        entered.set()
        assert free.wait(BOUND)
        write(file, lines)

    monkeypatch.setattr(LineFile, "write", stuck)
    monkeypatch.setattr(daemon_log, "QUEUE_ROOM", 1000)
    path = tmp_path / "symphony.log"
    async with logging_to(path) as log:
        for n in range(9):
            log.info("x", n=n)
        free.set()

    lines = path.read_text().splitlines()
    assert lines[:3] == [f"{HEAD}x n={n}" for n in range(3)]
    assert lines[3:] == ["ts=2026-05-17T09:30:00.123Z level=warning msg=log.dropped lines=6"]


async def test_a_disk_that_hangs_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    ended = threading.Event()

    def stuck(_file: LineFile, _lines: bytes) -> None:
        assert free.wait(BOUND)
        ended.set()

    monkeypatch.setattr(LineFile, "write", stuck)
    monkeypatch.setattr(daemon_log, "CLOSE_BOUND", 0.01)
    async with logging_to(tmp_path / "symphony.log") as log:
        log.info("x")

    assert not ended.is_set()
    free.set()


def test_a_full_file_is_renamed_and_only_a_few_are_kept(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log", largest=30, kept=2)
    for number in range(10):
        file.write(b"line %d....\n" % number)
    file.close()

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "x.log": b"line 8....\nline 9....\n",
        "x.log.1": b"line 6....\nline 7....\n",
        "x.log.2": b"line 4....\nline 5....\n",
    }


def test_a_file_of_which_no_copy_is_kept_begins_anew(tmp_path: Path) -> None:
    file = LineFile(tmp_path / "x.log", largest=3, kept=0)
    file.write(b"one\n")
    file.write(b"two\n")
    file.close()

    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"two\n"]


def test_a_file_goes_on_after_a_write_that_failed_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path / "x.log")
    write = os.write
    calls = iter([4, None])

    def full(handle: int, data: bytes) -> int:
        room = next(calls, 1_000)
        if room is None:
            raise OSError(28, "No space left on device")
        return write(handle, data[:room])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"torn line\n")
    file.write(b"whole line\n")
    file.close()

    assert (tmp_path / "x.log").read_bytes() == b"torn\nwhole line\n"


PROGRAM = """
import asyncio, sys
from pathlib import Path
from symphony.host.logging import open_log

async def main():
    async with open_log(Path(sys.argv[1]), verbose=True) as log:
        for n in range(2000):
            log.info("x", n=n, text="y" * 200)
            if n % 100 == 0:
                await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("broken", ["closed", "no-reader"])
def test_a_daemon_whose_stderr_is_gone_ends_as_if_it_were_there(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "symphony.log"
    command = [sys.executable, "-c", PROGRAM, str(path)]
    if broken == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    read, write = os.pipe()
    os.close(read)
    try:
        ended = subprocess.run(command, stderr=write, stdout=subprocess.PIPE, timeout=BOUND, check=False)
    finally:
        os.close(write)

    assert (ended.returncode, ended.stdout) == (0, b"")
    assert len(path.read_text().splitlines()) == 2000


def test_the_log_does_not_import_what_it_does_not_use() -> None:
    program = (
        "import sys, symphony.host.logging; print([name for name in ('rich', 'attr') if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=BOUND, check=True
    )

    assert ended.stdout == "[]\n"
