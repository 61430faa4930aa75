"""Another store is put in the place of one whole or not at all, whatever cuts it off."""

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.claim import IssueRecord
from symphony.core.journal import Action
from symphony.core.ports import AttemptRow, Changes
from symphony.store import exchange
from symphony.store.backup import UnusableCopy, back_up_store, version_of_copy
from symphony.store.copies import CopyFailed
from symphony.store.errors import StoreError
from symphony.store.exchange import (
    NothingToRestore,
    StoreExchange,
    exchange_store,
    kept_copy,
    restored_name,
    stage_copy,
)
from symphony.store.schema import STEPS
from symphony.store.sqlite import open_store
from tests.unit.test_store_versions import contents, make_store

T0 = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)
BOUND = 30.0  # seconds; only a hang takes as long


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "symphony.db"


async def write(path: Path, *names: str) -> None:
    async with open_store(path) as store:
        await store.apply(Changes(records=tuple(IssueRecord(name) for name in names)))


async def issues(path: Path) -> set[str]:
    async with open_store(path) as store:
        return set((await store.load()).records)


async def prepared(path: Path) -> str:
    """Write a store with the issue `old`, copy it, and let the store go on to `new`."""
    await write(path, "old")
    copy = path.parent.parent / "copy.db"
    back_up_store(path, copy, over=False)
    await write(path, "new")
    return await asyncio.to_thread(stage_copy, path, copy)


async def test_the_store_is_as_the_copy_was_and_the_one_before_is_kept(path: Path) -> None:
    name = await prepared(path)

    kept = exchange_store(path, name)

    there = sorted(file.name for file in path.parent.iterdir())
    assert there == ["symphony.db", f"symphony.db.{name}.backup"]
    assert kept == kept_copy(path, name)
    assert await issues(path) == {"old"}
    assert restored_name(path) == name
    assert await issues(kept) == {"old", "new"}


async def test_what_a_killed_daemon_had_written_is_in_what_is_kept(path: Path) -> None:
    name = await prepared(path)
    script = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"INSERT INTO issue_records (issue_id) VALUES ('last')\")\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], timeout=BOUND, check=False)
    assert path.with_name("symphony.db-wal").stat().st_size > 0

    kept = exchange_store(path, name)

    assert kept is not None
    assert await issues(kept) == {"old", "new", "last"}
    assert await issues(path) == {"old"}


async def test_a_damaged_store_is_kept_byte_for_byte(path: Path) -> None:
    name = await prepared(path)
    damaged = path.read_bytes()[:6000] + os.urandom(9000)
    path.write_bytes(damaged)
    path.with_name("symphony.db-wal").write_bytes(b"what was not in it yet")

    kept = exchange_store(path, name)

    assert kept is not None
    assert kept.read_bytes() == damaged
    assert kept.with_name(kept.name + "-wal").read_bytes() == b"what was not in it yet"
    assert await issues(path) == {"old"}


async def test_a_copy_becomes_the_store_where_there_was_none(path: Path) -> None:
    await write(path, "old")
    copy = path.parent.parent / "copy.db"
    back_up_store(path, copy, over=False)
    shutil.rmtree(path.parent)

    assert exchange_store(path, stage_copy(path, copy)) is None
    assert await issues(path) == {"old"}


@pytest.mark.parametrize("version", range(1, len(STEPS) + 1))
async def test_a_copy_of_every_version_becomes_the_store(path: Path, version: int) -> None:
    await write(path, "new")
    copy = path.parent / "copy.db"
    make_store(copy, version)
    before = contents(copy)

    exchange_store(path, stage_copy(path, copy))

    assert contents(copy) == before
    assert version_of_copy(path) == version
    async with open_store(path) as store:
        memory = await store.load()
        assert set(memory.records) >= {"7", "8", "10"}
        assert [row.id for row in memory.interrupted] == ["7.2"]


async def test_an_installation_keeps_its_name(path: Path) -> None:
    await write(path, "new")
    async with open_store(path) as store:
        name = await store.installation_id()
    other = path.parent / "other.db"
    await write(other, "old")

    exchange_store(path, stage_copy(path, other))

    async with open_store(path) as store:
        assert await store.installation_id() == name


async def test_no_workspace_is_removed_by_the_word_of_a_copy(path: Path) -> None:
    async with open_store(path) as store:
        await store.attempt_started(AttemptRow("7.1", "7", 1, "demo", "local", T0))
        await store.intend(T0, "7", "7.1", Action.CLEAN_UP, {})
        await store.intend(T0, "7", "7.1", Action.MOVE_ISSUE, {"to": "Done"})
    copy = path.parent / "copy.db"
    back_up_store(path, copy, over=False)

    exchange_store(path, stage_copy(path, copy))

    async with open_store(path) as store:
        assert (await store.load()).open_intents == ()
        assert [(entry.decision, entry.reason) for entry in await store.audit_of("7")] == [
            (
                "recover",
                f"{what} was cut off: the store was put back from a copy, by whose word nothing is finished",
            )
            for what in ("move issue", "clean up")
        ]


async def test_what_is_not_prepared_is_not_put_in_place(path: Path) -> None:
    await prepared(path)
    chosen = StoreExchange(path)

    for name in ("20260517T093000Z-00000000", "../x", ""):
        with pytest.raises(NothingToRestore):
            await chosen.choose(name)
        with pytest.raises(NothingToRestore):
            exchange_store(path, name)
    assert chosen.chosen is None
    assert await issues(path) == {"old", "new"}


async def test_a_store_that_another_program_has_open_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BUSY_TIMEOUT", 0.2)
    name = await prepared(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("SELECT * FROM meta").fetchall()
        with pytest.raises(StoreError) as caught:
            exchange_store(path, name)

    assert caught.value.code == "store_busy"
    assert await issues(path) == {"old", "new"}
    assert [file.name for file in path.parent.iterdir()] == ["symphony.db"]


async def test_a_store_that_cannot_be_kept_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = await prepared(path)
    monkeypatch.setattr(exchange, "kept_copy", lambda _path, _name: path.parent / "no" / "folder")

    with pytest.raises(CopyFailed):
        exchange_store(path, name)

    assert await issues(path) == {"old", "new"}
    assert [file.name for file in path.parent.iterdir()] == ["symphony.db"]


DIES = """
import os, sys
from pathlib import Path
from symphony.store import copies, exchange

left = int(sys.argv[3])

def dying(function):
    def call(*arguments, **named):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        return function(*arguments, **named)
    return call

for name in ("unlink", "replace"):
    setattr(Path, name, dying(getattr(Path, name)))
os.fsync = dying(os.fsync)
copies.rename_noreplace = dying(copies.rename_noreplace)
copies.sync_folder = dying(copies.sync_folder)
exchange.sync_folder = dying(exchange.sync_folder)
exchange.exchange_store(Path(sys.argv[1]), sys.argv[2])
"""


async def test_a_restore_that_is_killed_between_any_two_steps_leaves_one_store_or_the_other(
    path: Path,
) -> None:
    name = await prepared(path)
    before = path.parent.parent / "before"
    shutil.copytree(path.parent, before)
    ends = []
    for step in range(100):
        shutil.rmtree(path.parent)
        shutil.copytree(before, path.parent)
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", DIES, str(path), name, str(step)],
            timeout=BOUND,
            check=False,
        )
        found = await issues(path)
        assert found in ({"old"}, {"old", "new"})
        if found == {"old"}:
            assert await issues(kept_copy(path, name)) == {"old", "new"}
        ends.append(found)
        if ran.returncode == 0:
            break
    assert ran.returncode == 0
    assert len(ends) > 10
    assert ends == sorted(ends, key=len, reverse=True), "once it counts, it stays"
    assert ends[0] == {"old", "new"}
    assert ends[-2] == {"old"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "{} is not a copy of a store: it is empty."),
        (b"x" * 5000, "{} is not a copy of a store: it is no database."),
    ],
)
def test_what_is_no_database_is_no_copy(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)

    with pytest.raises(UnusableCopy) as caught:
        version_of_copy(file)

    assert str(caught.value) == said.format(file)
    assert file.read_bytes() == content
