"""`symphony backup` and `symphony restore`, beside a daemon and without one."""

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from symphony.store.schema import STEPS
from tests.support.command_line import BOUND_S, ENVIRONMENT, Ran, symphony
from tests.support.project import Project

NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNTED = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'
ASKS = "---\ntitle: A question\n---\nAsk: Blue or red?\n\n```file colour.txt\n@REPLY@\n```\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project in which everything is paused, so that the store has something to say."""
    folder = tmp_path / "project"
    (folder / "issues/Todo").mkdir(parents=True)
    (folder / "WORKFLOW.md").write_text("---\nsandbox: local\n---\n{{ issue.title }}\n")
    (folder / "issues/Todo/1.md").touch()
    assert symphony(folder, "pause").status == 0
    return folder


def paused(folder: Path) -> bool:
    ran = symphony(folder, "status", "--json")
    assert ran.status == 0, ran.err
    return any(each["reason"].startswith("everything is paused") for each in json.loads(ran.out)["blocked"])


def copied(folder: Path) -> Path:
    """Copy the store, and lift the pause that the copy holds."""
    assert symphony(folder, "backup", "copy.db").status == 0
    assert symphony(folder, "resume").status == 0
    assert not paused(folder)
    return folder / "copy.db"


def refused(ran: Ran, status: int, said: str) -> None:
    assert (ran.status, ran.out, ran.err) == (status, "", f"symphony: {said}\n")


def store(folder: Path) -> Path:
    return folder / ".symphony/symphony.db"


def test_a_backup_says_what_it_wrote_and_a_restore_what_it_kept(folder):
    ran = symphony(folder, "backup", "copy.db")
    size = (folder / "copy.db").stat().st_size
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        f"The store is copied to copy.db: {size:,} bytes, checked.\n"
        "Issues, workspaces and patches are files of their own and not in it.\n"
    )
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert symphony(folder, "resume").status == 0
    assert not paused(folder)

    ran = symphony(folder, "restore", "copy.db")

    (kept,) = store(folder).parent.glob("symphony.db.*.backup")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        f"The store is put back from copy.db.\nAs it was before, it is {folder}/.symphony/{kept.name}.\n"
    )
    assert paused(folder)
    assert symphony(folder, "restore", str(kept)).status == 0
    assert not paused(folder)


def test_both_speak_json(folder):
    ran = symphony(folder, "backup", "copy.db", "--json")
    size = (folder / "copy.db").stat().st_size
    assert json.loads(ran.out) == {"file": f"{folder}/copy.db", "bytes": size, "version": len(STEPS)}

    ran = symphony(folder, "restore", "copy.db", "--json")

    (kept,) = store(folder).parent.glob("symphony.db.*.backup")
    assert json.loads(ran.out) == {
        "file": f"{folder}/copy.db",
        "version": len(STEPS),
        "kept": str(kept),
        "daemon": None,
    }


def test_nothing_is_written_over_by_accident(folder):
    (folder / "copy.db").write_text("mine")

    refused(symphony(folder, "backup", "copy.db"), 2, "copy.db exists. `--force` replaces it.")
    assert (folder / "copy.db").read_text() == "mine"
    refused(symphony(folder, "backup", "issues", "--force"), 2, "issues is a folder. Name a file.")
    for own in ("symphony.db", "symphony.db-wal"):
        where = f".symphony/{own}"
        refused(
            symphony(folder, "backup", where, "--force"),
            2,
            f"{where} is the store itself. Name another file.",
        )

    assert symphony(folder, "backup", "copy.db", "--force").status == 0
    assert (folder / "copy.db").read_bytes().startswith(b"SQLite format 3\0")


def test_a_target_that_cannot_be_written_is_named(folder):
    refused(
        symphony(folder, "backup", "no/copy.db"),
        1,
        "no/copy.db cannot be written: no such file or directory. "
        "It needs a folder that you may write to, with space left on its disk.",
    )


def test_a_project_without_a_store_has_nothing_to_copy(folder):
    shutil.rmtree(folder / ".symphony")
    refused(
        symphony(folder, "backup", "copy.db"),
        1,
        f"There is no store at {folder}/.symphony/symphony.db. "
        "symphony makes it when it runs for the first time.",
    )
    assert not (folder / "copy.db").exists()


def test_a_damaged_store_is_not_copied(folder):
    copy = copied(folder)
    assert symphony(folder, "backup", ".symphony/symphony.db.v1.backup").status == 0
    os.truncate(store(folder), 6_000)
    ran = symphony(folder, "backup", "other.db")
    assert ran.status == 1
    assert ran.err.startswith(f"symphony: The store {folder}/.symphony/symphony.db is damaged (")
    assert "`symphony restore" in ran.err
    assert not (folder / "other.db").exists()

    assert symphony(folder, "restore", str(copy)).status == 0
    assert paused(folder)


def test_a_full_disk_leaves_no_half_copy(folder, tmp_path):
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], check=False).returncode:
        pytest.skip("needs unshare and user namespaces to make a small disk")
    small = tmp_path / "small"
    small.mkdir()
    command = [sys.executable, "-m", "symphony", "backup", f"{small}/copy.db"]
    ran = subprocess.run(
        [*NAMESPACE, "sh", "-c", MOUNTED + "; ", "sh", str(small), "sh", "-c",
         f"{' '.join(command)}; echo $? $(ls -A {small} | wc -l)"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=BOUND_S, check=False,
    )  # fmt: skip
    assert (
        ran.err
        if hasattr(ran, "err")
        else ran.stderr
        == (
            f"symphony: {small}/copy.db cannot be written: there is no room left on its disk. "
            "It needs a folder that you may write to, with space left on its disk.\n"
        )
    )
    assert ran.stdout == "1 0\n"


def test_a_restore_that_finds_no_room_changes_nothing(folder):
    copied(folder)
    before = store(folder).read_bytes()
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY)); "
        "from symphony.cli.main import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", limited, "restore", "copy.db"],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=BOUND_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stderr.startswith(f"symphony: {folder}/.symphony/symphony.db.")
    assert "cannot be written: " in ran.stderr
    assert store(folder).read_bytes() == before
    assert [file.name for file in store(folder).parent.glob("*.staged")] == []
    assert not paused(folder)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[12_000:16_000] = os.urandom(4_000)
    path.write_bytes(content)


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE songs (title)")


UNUSABLE = [
    (lambda path: path.unlink(), 2, "there is no file copy.db."),
    (lambda path: (path.unlink(), path.mkdir()), 1, "copy.db is not a file."),
    (lambda path: path.write_bytes(b""), 1, "copy.db is not a copy of a store: it is empty."),
    (lambda path: path.write_text("text " * 999), 1, "copy.db is not a copy of a store: it is no database."),
    (make_foreign, 1, "copy.db is the database of another program."),
    (
        make_newer,
        1,
        "copy.db was written by a newer symphony (its tables have version 99, this one knows "
        f"{len(STEPS)}). Run the newer symphony.",
    ),
    (
        lambda path: os.truncate(path, 20_000),
        1,
        "copy.db is damaged (database disk image is malformed). Use another copy.",
    ),
]


@pytest.mark.parametrize(
    ("spoil", "status", "said"),
    UNUSABLE,
    ids=["missing", "folder", "empty", "text", "foreign", "newer", "truncated"],
)
def test_a_file_that_cannot_become_the_store_changes_nothing(folder, spoil, status, said):
    spoil(copied(folder))
    before = store(folder).read_bytes()

    refused(symphony(folder, "restore", "copy.db"), status, said)

    assert store(folder).read_bytes() == before
    assert sorted(path.name for path in store(folder).parent.glob("symphony.db.*")) == []


def test_a_damaged_file_is_named_before_anything_is_touched(folder):
    damage(copied(folder))

    ran = symphony(folder, "restore", "copy.db")

    assert ran.status == 1
    assert ran.err.startswith("symphony: copy.db is damaged (")
    assert not paused(folder)


def test_the_store_is_not_restored_from_itself(folder):
    refused(
        symphony(folder, "restore", ".symphony/symphony.db"),
        2,
        ".symphony/symphony.db is the store itself. Name a copy of it.",
    )


HOLDS = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from symphony.core.installation import Installation
from symphony.host.lock import DaemonLock, hold
with hold(DaemonLock(Installation(Path(".symphony")), Path("issues"), datetime.now(UTC))):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_daemon_that_does_not_answer_is_named_and_nothing_changes(folder):
    copied(folder)
    before = store(folder).read_bytes()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        refused(
            symphony(folder, "restore", "copy.db"),
            1,
            f"The daemon (process {holder.pid}) cannot be reached: it does not listen yet. "
            f"Its log is {folder}/.symphony/logs/symphony.log; `kill {holder.pid}` ends it.",
        )
        holder.stdin.close()
    assert store(folder).read_bytes() == before
    assert sorted(path.name for path in store(folder).parent.glob("symphony.db.*")) == []


async def cli(project: Project, *words: str) -> Ran:
    return await asyncio.to_thread(symphony, project.root, *words)


async def until_waiting(daemon, count: int) -> None:
    for _ in range(2_000):
        if len((await daemon.state())["waiting"]) == count:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the agent did not ask")


async def test_a_daemon_goes_on_with_the_copy_and_its_attempts_with_their_workspaces(project):
    project.configure(acp={"command": None, "adapter": "demo"})
    project.drop("3", ASKS)
    async with project.daemon() as daemon:
        await until_waiting(daemon, 1)
        made = await cli(project, "backup", "copy.db")
        assert made.status == 0, made.err
        assert (await cli(project, "reply", "3", "Blue.")).status == 0
        await daemon.until(lambda: project.state_of("3") == "Done" and project.patch("3").exists())
        project.drop("4", ASKS)
        await until_waiting(daemon, 1)
        first = daemon.said.running

        ran = await cli(project, "restore", "copy.db")

        assert (ran.status, ran.err) == (0, "")
        assert ran.out.startswith("The store is put back from copy.db.\nAs it was before, it is ")
        assert ran.out.endswith(f"The daemon (process {os.getpid()}) goes on with it.\n")
        assert daemon.said.running is not first
        await until_waiting(daemon, 1)
        assert (await daemon.state())["waiting"][0]["issue_id"] == "4"
        assert any(
            line.startswith("the store is put back from a copy; as it was") for line in daemon.said.lines
        )
        assert (await cli(project, "reply", "4", "Red.")).status == 0
        await daemon.until(lambda: project.state_of("4") == "Done" and project.patch("4").exists())
    assert "+Blue.\n" in project.patch("3").read_text()


async def test_a_copy_that_a_daemon_cannot_put_in_place_leaves_it_with_its_store(project):
    async with project.daemon() as daemon:
        await cli(project, "backup", "copy.db")
        assert (await cli(project, "pause")).status == 0
        with closing(sqlite3.connect(store(project.root))) as other:
            other.execute("SELECT * FROM meta").fetchall()

            ran = await cli(project, "restore", "copy.db")

        assert ran.status == 1
        assert ran.err == (
            "symphony: The daemon could not put the copy in place and goes on with the store as it was. "
            f"Its log says why: {project.root}/.symphony/logs/symphony.log\n"
        )
        assert any(line.startswith("the store is as it was: ") for line in daemon.said.lines)
        assert json.loads((await cli(project, "status", "--json")).out)["paused"]


async def test_copies_made_while_the_daemon_writes_are_all_whole(project):
    async with project.daemon():
        for number in range(3):
            project.drop(str(number))
            ran = await cli(project, "backup", f"copy{number}.db")
            assert ran.status == 0, ran.err
    for number in range(3):
        with closing(sqlite3.connect(project.root / f"copy{number}.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
