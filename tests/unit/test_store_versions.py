"""A store of every earlier version is brought up to date with all that it holds."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from symphony.core.access import AccessDecision
from symphony.core.claim import Parked, Retrying, Waiting
from symphony.core.notice import Telling
from symphony.store import copies, schema
from symphony.store.backup import version_of_copy
from symphony.store.errors import StoreError
from symphony.store.schema import APPLICATION_ID, STEPS
from symphony.store.sqlite import open_store

T0 = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
AT = T0.isoformat(timespec="microseconds")
BOUND = 30.0  # seconds; only a hang takes as long

# what a symphony of each version had written by the time that a newer one was started
ROWS: dict[int, tuple[str, ...]] = {
    1: (
        "INSERT INTO meta VALUES ('installation_id', '11111111-2222-4333-8444-555555555555')",
        "INSERT INTO meta VALUES ('paused', 'true')",
        f"""INSERT INTO meta VALUES ('adapter_pauses', '{{"claude":"{AT}"}}')""",
        f"""INSERT INTO issue_records (issue_id, claim, claim_detail, failures, failure_reasons, paused,
        attempts, usage, last_handoff) VALUES ('7', 'retrying', '{{"due_at":"{AT}","reason":"it broke"}}',
        2, '["one","two"]', 1, 3, '{{"input_tokens":5}}', 'Patch written.')""",
        f"""INSERT INTO issue_records (issue_id, claim, claim_detail) VALUES ('8', 'parked',
        '{{"at":"{AT}","reasons":["it broke"],"revision":"r","by_person":false}}')""",
        f"""INSERT INTO attempts VALUES (1, '7.1', '7', 1, 'demo', 'local', '{AT}', '{AT}', 'delivered',
        'Patch written.', 4, 's1'),
        (2, '7.2', '7', 2, 'claude', 'smolvm', '{AT}', NULL, NULL, '', 1, 's2')""",
        """INSERT INTO usage VALUES ('7.1', '{"input_tokens":5}'), ('7.2', '{"output_tokens":7}')""",
        f"""INSERT INTO steering VALUES (1, 'q1', '7', '7.1', 'Red?', 'ctx', '{AT}', 'Yes.', '{AT}', '{AT}'),
        (2, 'q2', '9', '9.1', 'Blue?', '', '{AT}', NULL, NULL, NULL)""",
        f"""INSERT INTO completions VALUES (1, '7', '7.1', 'Fix', 'Did it.', '{AT}', 'delivered',
        '{{"kind":"patch","note":"Patch written.","patch":null,"url":null,"head_commit":null}}', '{AT}'),
        (2, '10', '10.1', 'More', 'Did more.', '{AT}', 'accepted', NULL, NULL)""",
        f"""INSERT INTO journal VALUES (1, '{AT}', '7', '7.1', 'clean_up', '{{}}', '{AT}', 'done', '{{}}'),
        (2, '{AT}', '7', '7.2', 'prepare_workspace', '{{}}', NULL, NULL, NULL)""",
        f"""INSERT INTO audit VALUES (1, '7', 1, '{AT}', 'dispatch', 'attempt 1'),
        (2, NULL, 1, '{AT}', 'pause', 'x')""",
    ),
    2: (
        f"""UPDATE issue_records SET access = '{{"requests":[{{"host":"pypi.org","port":443,"tries":2,
        "asked_at":"{AT}","last_at":"{AT}","decision":"issue","decided_at":"{AT}","trouble":""}}],"not_kept":0,"never":0}}'
        WHERE issue_id = '8'""",
    ),
    3: ("INSERT INTO told VALUES ('webhook', 'question:q2')",),
    5: (
        """UPDATE completions SET receipt = '{"tree":"t","checks":[{"name":"a","command":"b","exit_status":0,
        "seconds":1.5}]}' WHERE attempt_id = '10.1'""",
    ),
    4: ("""UPDATE issue_records SET budget = '{"tokens":500}' WHERE issue_id = '8'""",),
    6: (
        f"""INSERT INTO completions VALUES (3, '11', '11.1', 'Try', 'Look.', '{AT}', 'accepted', NULL, NULL,
        NULL, 'Todo', 'Review')""",
        """UPDATE issue_records SET passage = '{"count":2,"last":"7.1 moved it","revision":"r"}'
        WHERE issue_id = '8'""",
        "UPDATE attempts SET state = 'Review' WHERE id = '7.2'",
    ),
    7: ("""UPDATE issue_records SET guard = '{"noted":[],"not_kept":2,"hold":null}' WHERE issue_id = '8'""",),
    8: ("UPDATE attempts SET model = 'opus' WHERE id = '7.2'",),
}  # fmt: skip
NEWEST = len(STEPS)
OLDER = range(1, NEWEST)


def make_store(path: Path, version: int) -> None:
    """Write a store as a symphony of this version had left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for number, step in enumerate(STEPS[:version], start=1):
            for statement in (*step, *ROWS.get(number, ())):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, by the columns' names."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in tables
        }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "symphony.db"


@pytest.mark.parametrize("version", OLDER)
async def test_no_row_and_no_value_of_an_older_store_is_lost(path: Path, version: int) -> None:
    make_store(path, version)
    before = contents(path)

    async with open_store(path):
        pass

    after = contents(path)
    assert before.keys() <= after.keys()
    for table, rows in before.items():
        known = rows[0].keys() if rows else ()
        assert [{name: row[name] for name in known} for row in after[table]] == rows, table
    assert contents(copies.copy_before(path, version)) == before
    assert version_of_copy(copies.copy_before(path, version)) == version
    assert version_of_copy(path) == NEWEST


@pytest.mark.parametrize("version", OLDER)
async def test_an_older_store_says_today_what_it_said_then(path: Path, version: int) -> None:
    make_store(path, version)

    async with open_store(path) as store:
        memory = await store.load()
        told = await store.told()
        handoffs = await store.recent_handoffs(9)
        audit = await store.audit_of("7")
        questions = await store.steering_of("7")

    assert memory.paused
    assert memory.adapter_pauses == {"claude": T0}
    seven = memory.records["7"]
    assert seven.claim == Retrying(T0, "it broke")
    assert (seven.failures, seven.failure_reasons, seven.paused, seven.attempts) == (
        2,
        ("one", "two"),
        True,
        3,
    )
    assert (seven.usage.input_tokens, seven.usage.output_tokens, seven.last_handoff) == (
        5,
        7,
        "Patch written.",
    )
    assert memory.records["8"].claim == Parked(T0, ("it broke",), "r")
    hosts = memory.records["8"].access.requests
    assert [(asked.host, asked.decision) for asked in hosts] == (
        [("pypi.org", AccessDecision.ISSUE)] if version >= 2 else []
    )
    passage = memory.records["8"].passage
    assert (passage.count, passage.last) == ((2, "7.1 moved it") if version >= 6 else (0, ""))
    completion = memory.records["10"].completion
    assert completion is not None
    assert (completion.title, completion.accepted_at) == ("More", T0)
    assert [(row.id, row.turns, row.session_id) for row in memory.interrupted] == [("7.2", 1, "s2")]
    assert [(intent.action, intent.attempt_id) for intent in memory.open_intents] == [
        ("prepare_workspace", "7.2")
    ]
    assert memory.steering["9"].question == "Blue?"
    assert questions[0].reply == "Yes."
    assert [entry.reason for entry in audit] == ["attempt 1"]
    assert [row.handoff.note for row in handoffs] == ["Patch written."]
    assert told == ({Telling("webhook", "question:q2")} if version >= 3 else frozenset())
    assert not any(isinstance(record.claim, Waiting) for record in memory.records.values())


async def test_a_store_of_today_is_opened_without_a_copy(path: Path) -> None:
    make_store(path, NEWEST)
    before = contents(path)

    async with open_store(path):
        pass

    assert contents(path) == before
    assert list(path.parent.glob("*.backup")) == []


async def test_a_store_of_a_newer_symphony_is_refused_as_it_is(path: Path) -> None:
    make_store(path, NEWEST)
    newer = (*STEPS, ("CREATE TABLE later (x)",))
    async with open_store(path, newer):
        pass
    before = path.read_bytes()

    with pytest.raises(StoreError) as caught:
        async with open_store(path):
            pass

    assert (caught.value.code, path.read_bytes()) == ("store_too_new", before)


async def test_the_newest_three_copies_are_kept(path: Path) -> None:
    make_store(path, 1)
    for newest in range(2, 6):
        async with open_store(path, (STEPS[0], *((f"CREATE TABLE t{n} (x)",) for n in range(1, newest)))):
            pass

    names = sorted(copy.name for copy in path.parent.glob("*.backup"))
    assert names == [f"symphony.db.v{version}.backup" for version in (2, 3, 4)]
    assert copies.KEPT == 3


async def test_a_copy_in_a_persons_hands_is_never_pruned(path: Path) -> None:
    make_store(path, 1)
    kept = [path.with_name(f"{path.name}.2026051{day}T093000Z-00000000.backup") for day in range(6)]
    for copy in kept:
        shutil.copy(path, copy)

    async with open_store(path):
        pass

    assert all(copy.exists() for copy in kept)


async def test_a_store_of_which_no_copy_can_be_made_is_not_changed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(path, 1)
    before = path.read_bytes()
    blocked = path.with_name("blocked")
    blocked.mkdir()
    monkeypatch.setattr(schema, "copy_before", lambda _path, _version: blocked / "no" / "copy")

    with pytest.raises(StoreError) as caught:
        async with open_store(path):
            pass

    assert caught.value.code == "store_not_copied"
    assert str(caught.value) == (
        f"The store {path} was left as it is: its tables have version 1 and this symphony needs {NEWEST}, "
        f"and the copy that is made before could not be: {blocked}/no/copy cannot be written: "
        "no such file or directory. Free some space on its disk and start again."
    )
    assert path.read_bytes() == before


LIMITED = """
import asyncio, resource, sys
from pathlib import Path
from symphony.store.errors import StoreError
from symphony.store.sqlite import open_store

async def main():
    # what is written to any file ends here, as on a disk that is full
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    try:
        async with open_store(Path(sys.argv[1])):
            print("opened")
    except StoreError as error:
        print(error.code)

asyncio.run(main())
"""


def test_a_disk_that_is_full_keeps_an_older_store_as_it_is(path: Path) -> None:
    make_store(path, 1)
    before = path.read_bytes()
    assert len(before) > 40_000

    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=BOUND, check=False
    )

    assert ran.stdout == "store_not_copied\n", ran.stderr
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["symphony.db"]


def test_every_older_version_has_rows_of_its_own_here() -> None:
    assert set(OLDER) <= set(ROWS)
