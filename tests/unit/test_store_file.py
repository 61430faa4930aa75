"""The database file: what is found in it, what it refuses, what it survives."""

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from blockbuster import blockbuster_ctx

from symphony.core.claim import IssueRecord, Retrying
from symphony.core.effect import Audit
from symphony.core.handoff import Completion
from symphony.core.journal import Action, Result
from symphony.core.ports import AttemptRow, Changes
from symphony.core.steering import SteeringRequest
from symphony.store import database
from symphony.store.errors import StoreError
from symphony.store.reader import read_store
from symphony.store.schema import APPLICATION_ID, STEPS
from symphony.store.sqlite import JOURNAL_KEPT, open_store

T0 = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
RECORD = IssueRecord("7", failures=3)
BOUND = 30.0  # seconds; only a hang takes as long


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "symphony.db"


async def write(path: Path, *records: IssueRecord) -> None:
    async with open_store(path) as store:
        await store.apply(Changes(records=records))


async def records(path: Path) -> dict[str, IssueRecord]:
    async with open_store(path) as store:
        return dict((await store.load()).records)


async def refusal(path: Path) -> StoreError:
    with pytest.raises(StoreError) as caught:
        async with open_store(path):
            pass
    return caught.value


async def test_only_the_owner_can_read_the_store(path: Path) -> None:
    async with open_store(path) as store:
        await store.apply(Changes(records=(RECORD,)))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"symphony.db": 0o600, "symphony.db-wal": 0o600, "symphony.db-shm": 0o600}


async def test_every_commit_reaches_the_disk_before_it_counts(path: Path) -> None:
    async with open_store(path) as store:
        pragmas = await store._database.read(
            lambda connection: [
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "synchronous", "foreign_keys")
            ]
        )

    assert pragmas == ["wal", 2, 1]


async def test_a_damaged_file_is_named_and_left_as_it_is(path: Path) -> None:
    await write(path, *(IssueRecord(f"{n}", last_handoff="x" * 500) for n in range(200)))
    damaged = bytearray(path.read_bytes())
    damaged[20 * 4096 : 24 * 4096] = os.urandom(4 * 4096)
    path.write_bytes(damaged)

    error = await refusal(path)

    assert error.code == "store_corrupt"
    assert error.message.startswith(f"The store {path} is damaged (")
    assert error.message.endswith("); the file was left as it is.")
    assert error.remedy == (
        "`symphony restore FILE` puts back a copy that `symphony backup` has made. "
        "Without a copy, move the file and those beside it that begin with its name "
        "somewhere else and start again: issues, workspaces and patches are not in it, "
        "but retries, questions and the history of attempts are."
    )
    assert path.read_bytes() == damaged


async def test_the_newest_copy_beside_a_damaged_store_is_named(path: Path) -> None:
    await write(path, RECORD)
    for name, day in (("v1", 20), ("20260518T090000Z-00000000", 21), ("v2", 19)):
        copy = path.with_name(f"{path.name}.{name}.backup")
        shutil.copy(path, copy)
        os.utime(copy, (0, datetime(2026, 5, day, 8, 7, tzinfo=UTC).timestamp()))
    path.write_bytes(path.read_bytes()[:5_000])

    error = await refusal(path)

    assert error.remedy.startswith(
        f"`symphony restore {path}.20260518T090000Z-00000000.backup` puts back the copy of "
        "2026-05-21 08:07 UTC, and `symphony restore FILE` one that `symphony backup` has made. "
    )


async def test_a_row_that_an_index_has_lost_is_damage(path: Path) -> None:
    async with open_store(path) as store:
        await store.ask(SteeringRequest("s", "7", "a", "q", "", T0))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        index = "FROM sqlite_master WHERE name = 'steering_unused'"
        row = connection.execute(f"SELECT type, name, tbl_name, rootpage, sql {index}").fetchone()
        connection.execute(f"DELETE {index}")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO steering VALUES (9, 's2', '8', 'a', 'q', '', 'x', NULL, NULL, NULL)")
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)

    error = await refusal(path)

    assert error.message == (
        f"The store {path} is damaged (row 2 missing from index steering_unused); the file was left as it is."
    )


async def test_what_a_killed_daemon_left_beside_a_damaged_store_is_left_as_it_is_too(path: Path) -> None:
    await write(path, *(IssueRecord(f"{n}", last_handoff="x" * 500) for n in range(200)))
    await kill_writer(path)
    with path.open("r+b") as file:
        file.seek(20 * 4096)
        file.write(os.urandom(4 * 4096))
    before = {name: path.with_name(path.name + name).read_bytes() for name in ("", "-wal")}

    error = await refusal(path)

    assert error.code == "store_corrupt"
    assert {name: path.with_name(path.name + name).read_bytes() for name in before} == before


async def test_a_change_that_a_crash_has_cut_off_is_taken_back(path: Path) -> None:
    await write(path, RECORD)
    script = """
import os, sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None)
c.execute("PRAGMA journal_mode = DELETE")
c.execute("PRAGMA cache_size = 2")
c.execute("BEGIN")
for n in range(500):
    c.execute("INSERT INTO issue_records (issue_id, last_handoff) VALUES (?, ?)", (f"x{n}", "y" * 999))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script, str(path)], timeout=BOUND, check=False)
    assert path.with_name(path.name + "-journal").stat().st_size > 0

    assert await records(path) == {"7": RECORD}


async def test_a_file_that_is_no_database_is_named_and_left_as_it_is(path: Path) -> None:
    path.write_text("not a database at all, but long enough to have a header of one" * 20)
    before = path.read_bytes()

    error = await refusal(path)

    assert error.code == "store_corrupt"
    assert error.message == (
        f"The store {path} is damaged (file is not a database); the file was left as it is."
    )
    assert path.read_bytes() == before


async def test_a_row_that_cannot_be_understood_is_damage(path: Path) -> None:
    await write(path, RECORD)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE issue_records SET claim = 'dancing', claim_detail = '{}'")

    with pytest.raises(StoreError) as caught:
        await records(path)

    assert caught.value.code == "store_corrupt"
    assert caught.value.message == (
        f"The store {path} is damaged (a row cannot be understood: a claim of the kind 'dancing'); "
        "the file was left as it is."
    )


async def test_the_store_of_a_newer_symphony_is_left_as_it_is(path: Path) -> None:
    await write(path, RECORD)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    error = await refusal(path)

    assert error.code == "store_too_new"
    assert str(error) == (
        f"The store {path} was written by a newer symphony (its tables have version 99, this one knows "
        f"{len(STEPS)}); it was left as it is. "
        "Run the newer symphony, or put back the copy that it made before it changed the store."
    )
    assert path.read_bytes() == before


async def test_another_programs_database_is_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title)")
    before = path.read_bytes()

    error = await refusal(path)

    assert error.code == "store_foreign"
    assert str(error) == (
        f"The database {path} belongs to another program; it was left as it is. "
        "Move it somewhere else and start again."
    )
    assert path.read_bytes() == before


async def test_a_folder_in_the_stores_place_is_named(path: Path) -> None:
    path.mkdir()

    error = await refusal(path)

    assert error.code == "store_failed"
    assert str(error) == (
        f"The store {path} cannot be used: it is not a file. "
        "Check that the disk is not full or broken, and that you may write the file and its folder."
    )


async def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    error = await refusal(tmp_path / "state" / "symphony.db")

    assert error.code == "store_failed"
    assert "File exists" in error.message


async def test_a_lock_that_another_program_keeps_is_waited_for_only_so_long(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT", 0.05)
    async with open_store(path) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError) as caught:
                await store.apply(Changes(records=(RECORD,)))
            other.execute("ROLLBACK")

        assert caught.value.code == "store_busy"
        assert str(caught.value) == (
            f"Another program has kept the store {path} locked for more than 0.05 s; nothing was written. "
            "Close the program that has the file open, such as a database browser, and try again."
        )
        assert (await store.load()).records == {}
        await store.apply(Changes(records=(RECORD,)))
        assert (await store.load()).records == {"7": RECORD}


async def test_a_full_disk_loses_nothing_and_the_store_goes_on_when_there_is_room(path: Path) -> None:
    async with open_store(path) as store:
        await store.apply(Changes(records=(RECORD,)))
        await store._database.read(lambda c: c.execute("PRAGMA max_page_count = 1").fetchone())

        with pytest.raises(StoreError) as caught:
            await store.apply(
                Changes(records=(IssueRecord("8", last_handoff="x" * 1_000_000), IssueRecord("7")))
            )

        assert caught.value.code == "store_full"
        assert str(caught.value) == (
            f"There is no room left on the disk for the store {path}; nothing was written. "
            "Free some space; symphony can go on then."
        )
        assert (await store.load()).records == {"7": RECORD}
        await store._database.read(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone())
        await store.apply(Changes(records=(IssueRecord("8"),)))

    assert await records(path) == {"7": RECORD, "8": IssueRecord("8")}


FULL_DISK = """
import asyncio, sys
from datetime import datetime, UTC
from pathlib import Path
from symphony.core.claim import IssueRecord
from symphony.core.ports import Changes
from symphony.host.logging import open_log
from symphony.store.errors import StoreError
from symphony.store.run_log import FileRunLogs
from symphony.store.sqlite import open_store

disk = Path(sys.argv[1])
fill = disk / "fill"

async def attempt(what, call):
    try:
        await call
        print(what, "ok")
    except StoreError as error:
        print(what, error.code)

async def open_and_close():
    async with open_store(disk / "symphony.db"):
        pass

async def main():
    fill.write_bytes(b"x" * 1_044_480)
    await attempt("open", open_and_close())
    fill.write_bytes(b"x" * 700_000)
    async with open_store(disk / "symphony.db") as store:
        await attempt("small", store.apply(Changes(records=(IssueRecord("7"),))))
        await attempt("large", store.apply(Changes(records=(IssueRecord("8", last_handoff="x" * 900_000),))))
        logs = FileRunLogs(disk, lambda: datetime.now(UTC), lambda said: print("run log", "No space" in said))
        async with open_log(disk / "symphony.log") as log, logs.open_run_log("7", "a1", ()) as run_log:
            for n in range(300):
                run_log.append("x", text="y" * 2_000)
                log.info("x", text="y" * 2_000)
        fill.unlink()
        await attempt("again", store.apply(Changes(records=(IssueRecord("9"),))))
        print(sorted((await store.load()).records))

asyncio.run(main())
"""
MOUNTED = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" -c "$3" "$1"'
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


def test_a_disk_that_is_really_full_stops_neither_store_nor_logs(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], check=False).returncode:
        pytest.skip("needs unshare and user namespaces to make a small disk")
    ended = subprocess.run(
        [*NAMESPACE, "sh", "-c", MOUNTED, "sh", str(tmp_path), sys.executable, FULL_DISK],
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )

    assert ended.stdout.splitlines() == [
        "open store_full",
        "small ok",
        "large store_full",
        "run log True",
        "again ok",
        "['7', '9']",
    ], ended.stderr
    assert ended.stderr == (
        f"symphony: the log {tmp_path}/symphony.log cannot be written (No space left on device); "
        "the daemon goes on without it. Check the disk and the folder.\n"
    )


async def test_a_change_is_written_whole_or_not_at_all(path: Path) -> None:
    async with open_store(path) as store:
        with pytest.raises(StoreError):
            await store.apply(Changes(records=(RECORD, IssueRecord("8", failures=[])), paused=True))  # type: ignore[arg-type] # SQLite cannot bind it
        memory = await store.load()

    assert memory.records == {}
    assert not memory.paused


async def test_a_closed_store_says_so(path: Path) -> None:
    async with open_store(path) as store:
        pass

    with pytest.raises(StoreError) as caught:
        await store.load()

    assert caught.value.code == "store_closed"
    assert str(caught.value) == f"The store {path} is closed. Start symphony again."


async def test_a_naive_time_is_refused_before_anything_is_written(path: Path) -> None:
    async with open_store(path) as store:
        with pytest.raises(ValueError, match="a naive time cannot be stored"):
            await store.apply(
                Changes(records=(RECORD,), audit=(Audit(T0.replace(tzinfo=None), "7", "x", "y"),))
            )

        assert (await store.load()).records == {}


async def test_the_event_loop_never_waits_for_the_store(path: Path) -> None:
    with blockbuster_ctx("symphony"):
        async with open_store(path) as store:
            await store.apply(Changes(records=(RECORD,), audit=(Audit(T0, "7", "x", "y"),)))
            await store.ask(SteeringRequest("s", "7", "a", "q", "", T0))
            await store.load()
        async with read_store(path) as reader:
            await reader.load()


async def test_calls_at_once_are_all_written(path: Path) -> None:
    async with open_store(path) as store:
        await asyncio.gather(
            *(store.apply(Changes(records=(IssueRecord(f"{n}"),))) for n in range(50)),
            *(store.intend(T0, f"{n}", "a", Action.MOVE_ISSUE, {}) for n in range(50)),
        )
        memory = await store.load()

    assert len(memory.records) == len(memory.open_intents) == 50


async def test_a_cancelled_call_has_happened_in_full_or_not_at_all(path: Path) -> None:
    async with open_store(path) as store:
        calls = [
            asyncio.create_task(store.apply(Changes(records=(IssueRecord(f"{n}a"), IssueRecord(f"{n}b")))))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        found = (await store.load()).records

    assert {issue_id[:-1] + "a" for issue_id in found} <= set(found)
    assert {issue_id[:-1] + "b" for issue_id in found} <= set(found)


async def test_finished_effects_of_long_ago_are_forgotten(path: Path) -> None:
    async with open_store(path) as store:
        forgotten = await store.intend(T0, "7", "a", Action.MOVE_ISSUE, {})
        await store.fulfil(forgotten, T0, Result.DONE, {})
        still_open = await store.intend(T0, "7", "a", Action.HAND_OFF, {})
        await store._database.write(
            lambda c: c.execute(
                "UPDATE sqlite_sequence SET seq = ? WHERE name = 'journal'", (JOURNAL_KEPT + 5,)
            )
        )
        newest = await store.intend(T0, "7", "a", Action.MOVE_ISSUE, {})
        await store.fulfil(newest, T0, Result.DONE, {})
        left = await store._database.read(lambda c: [row[0] for row in c.execute("SELECT id FROM journal")])

    assert left == [still_open, newest]


NOW = len(STEPS)
NEXT = (*STEPS, ("ALTER TABLE attempts ADD COLUMN host TEXT", "CREATE TABLE hosts (name TEXT)"))


def backups(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.glob("*backup*"))


async def test_a_new_store_needs_no_copy(path: Path) -> None:
    async with open_store(path, NEXT):
        pass

    assert backups(path) == []


async def test_an_older_store_is_copied_and_then_brought_up_to_date(path: Path) -> None:
    await write(path, RECORD)
    async with open_store(path, NEXT) as store:
        assert (await store.load()).records == {"7": RECORD}

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(NEXT),)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        connection.execute("SELECT host FROM attempts")
    assert backups(path) == [f"symphony.db.v{NOW}.backup"]
    copy = path.with_name(f"symphony.db.v{NOW}.backup")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert await records(copy) == {"7": RECORD}


async def test_a_migration_that_fails_changes_nothing_and_can_be_repeated(path: Path) -> None:
    await write(path, RECORD)
    broken = (*STEPS, ("ALTER TABLE attempts ADD COLUMN host TEXT", "CREATE TABLE attempts (x)"))

    with pytest.raises(StoreError) as caught:
        async with open_store(path, broken):
            pass

    assert caught.value.code == "store_failed"
    assert "table attempts already exists" in caught.value.message
    assert await records(path) == {"7": RECORD}
    async with open_store(path, NEXT) as store:
        assert (await store.load()).records == {"7": RECORD}
    assert backups(path) == [f"symphony.db.v{NOW}.backup"]


async def test_what_is_read_while_the_daemon_writes_is_of_one_moment(path: Path) -> None:
    async with open_store(path) as store, read_store(path) as reader:
        await store.apply(Changes(records=(RECORD,)))
        assert (await reader.load()).records == {"7": RECORD}
        await store.apply(Changes(records=(IssueRecord("8"),)))
        assert set((await reader.load()).records) == {"7", "8"}
        assert await reader.installation_id() == await store.installation_id()


async def kill_writer(path: Path) -> int:
    """End a process that writes one change after the other; return the last that it had spoken of."""
    last = 0
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = int(line)
                if last == 25:
                    break
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(BOUND)
    return last


async def test_a_store_can_be_read_after_the_daemon_was_killed(path: Path) -> None:
    last = await kill_writer(path)

    async with read_store(path) as reader:
        memory = await reader.load()
    assert memory.records["7"].attempts >= last == 25
    async with open_store(path) as store:
        assert (await store.load()) == memory


WRITER = """
import asyncio, sys
from pathlib import Path
from symphony.core.claim import IssueRecord
from symphony.core.ports import Changes
from symphony.store.sqlite import open_store

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        n = 0
        while True:
            n += 1
            await store.apply(Changes(records=(IssueRecord("7", attempts=n),)))
            print(n, flush=True)

asyncio.run(main())
"""


async def test_a_store_that_is_not_there_is_not_made_by_reading(path: Path) -> None:
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            async with read_store(path):
                pass
        assert caught.value.code == "store_missing"
        assert str(caught.value) == (
            f"There is no store at {path}. symphony makes it when it runs for the first time."
        )
        assert not path.exists() or path.stat().st_size == 0
        path.touch()


async def test_a_reader_cannot_write(path: Path) -> None:
    await write(path, RECORD)
    async with read_store(path) as reader:
        with pytest.raises(StoreError) as caught:
            await reader._database.write(lambda c: c.execute("DELETE FROM issue_records"))

    assert caught.value.code == "store_failed"
    assert await records(path) == {"7": RECORD}


async def test_a_reader_leaves_an_older_store_to_the_daemon(path: Path) -> None:
    await write(path, RECORD)

    with pytest.raises(StoreError) as caught:
        async with read_store(path, NEXT):
            pass

    assert caught.value.code == "store_too_old"
    assert str(caught.value) == (
        f"The store {path} was written by an older symphony "
        f"(its tables have version {NOW}, this one needs {NOW + 1}). "
        "Start this symphony once; it brings the store up to date and keeps a copy."
    )


async def test_fifty_thousand_issues_are_loaded(path: Path) -> None:
    many = tuple(IssueRecord(f"{n}", Retrying(T0, "again") if n % 10 == 0 else None) for n in range(50_000))
    await write(path, *many)

    assert await records(path) == {record.issue_id: record for record in many}


async def test_one_open_question_and_one_open_completion_are_the_databases_own_rule(path: Path) -> None:
    async with open_store(path) as store:
        await store.ask(SteeringRequest("s", "7", "a", "q", "", T0))
        await store.accept_completion(Completion("7", "a", "t", "s", T0))
        await store.attempt_started(AttemptRow("a", "7", 1, "demo", "local", T0))

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in (
            "INSERT INTO steering VALUES (9, 's2', '7', 'a', 'q', '', 'x', NULL, NULL, NULL)",
            "INSERT INTO completions VALUES (9,'7', 'b', 't','s','x', 'accepted', NULL, NULL, NULL, '', '')",
            "INSERT INTO completions VALUES (9,'8', 'a', 't','s','x','delivered', NULL, NULL, NULL, '', '')",
            "INSERT INTO completions VALUES (9,'8', 'b', 't', 's', 'x', 'lost', NULL, NULL, NULL, '', '')",
            "INSERT INTO usage VALUES ('nobody', '{}')",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
