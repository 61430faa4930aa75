"""Logs grow to their ceiling and not beyond: one issue's, and the daemon's own with its earlier files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.settings import RetentionSettings
from symphony.host.logging import FILES_KEPT, open_log
from symphony.store.run_log import FileRunLogs, run_log_path
from symphony.store.run_log_reader import read_run_log

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KIB = 1 << 10


def run_logs(folder: Path, largest: int | None) -> FileRunLogs:
    return FileRunLogs(folder, lambda: NOON, pytest.fail, largest=lambda: largest)


async def write_lines(logs: FileRunLogs, number: int, start: int = 0) -> None:
    for line in range(start, start + number):  # each in a run of its own, so that each is written for itself
        async with logs.open_run_log("7", "7.1", ()) as log:
            log.append("update", number=line, text="x" * 200)


async def test_one_issues_log_is_put_aside_at_its_limit_and_the_newest_lines_stay(tmp_path: Path) -> None:
    await write_lines(run_logs(tmp_path, 2 * KIB), 40)
    current, aside = run_log_path(tmp_path, "7"), tmp_path / "7.jsonl.1"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7.jsonl", "7.jsonl.1"]
    assert current.stat().st_size <= 2 * KIB
    assert aside.stat().st_size <= 2 * KIB
    numbers = [line.fields["number"] for path in (aside, current) for line in read_run_log(path)]
    assert numbers == list(range(40 - len(numbers), 40))


async def test_without_a_limit_nothing_is_put_aside(tmp_path: Path) -> None:
    await write_lines(run_logs(tmp_path, None), 40)
    assert [path.name for path in tmp_path.iterdir()] == ["7.jsonl"]


async def test_who_follows_a_log_goes_on_with_the_new_file(tmp_path: Path) -> None:
    logs, path, number = run_logs(tmp_path, 2 * KIB), run_log_path(tmp_path, "7"), 0
    followed = 0
    while not (tmp_path / "7.jsonl.1").exists():
        followed = path.stat().st_size if path.exists() else 0
        await write_lines(logs, 1, start=number)
        number += 1
    assert [line.fields["number"] for line in read_run_log(path, follow_from=followed)] == [number - 1]


async def test_the_daemons_log_takes_no_more_than_all_logs_may(tmp_path: Path) -> None:
    path, most = tmp_path / "symphony.log", 20 * KIB
    for number in range(120):
        async with open_log(path, now=lambda: NOON, most_bytes=most) as log:
            log.info("event", number=number, text="x" * 500)
    files = sorted(tmp_path.iterdir())
    assert len(files) == FILES_KEPT + 1
    assert sum(file.stat().st_size for file in files) <= most
    assert "number=119" in path.read_text()


def test_the_settings_speak_in_mebibytes() -> None:
    settings = RetentionSettings(logs_max_mib=10, run_log_max_mib=4)
    assert (settings.logs_bytes, settings.run_log_bytes) == (10 << 20, 2 << 20)
    assert json.dumps(RetentionSettings(logs_max_mib=None, run_log_max_mib=None).logs_bytes) == "null"
    assert RetentionSettings(run_log_max_mib=None).run_log_bytes is None
