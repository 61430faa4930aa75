"""Every watcher: what it reports, and that it says when it cannot be trusted."""

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from symphony.host import inotify
from symphony.host.durable import write_durably, write_new
from symphony.host.feed import ObserverFeed
from symphony.host.inotify import InotifyFeed
from symphony.host.watcher import NAMED_PATHS, OpenFeed, open_watcher

HEARD_S = 20.0  # news come within milliseconds; this is for a machine that is very busy
INOTIFY_QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")


class Ear:
    """Collects what a watcher reports."""

    def __init__(self) -> None:
        self.heard: set[Path] = set()
        self.everything = 0
        self._news = asyncio.Event()

    def __call__(self, paths: frozenset[Path] | None) -> None:
        if paths is None:
            self.everything += 1
        else:
            self.heard |= paths
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(HEARD_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def hears(self, *paths: Path) -> None:
        await self.until(lambda: self.heard.issuperset(paths))
        self.heard.clear()


@pytest.fixture(params=[InotifyFeed, ObserverFeed])
def open_feed(request: pytest.FixtureRequest) -> OpenFeed:
    feed: OpenFeed = request.param
    return feed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "issues" / "Todo").mkdir(parents=True)
    return tmp_path / "issues"


async def test_a_file_is_reported_when_made_changed_renamed_and_deleted(
    root: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    path, other = root / "Todo" / "1.md", root / "Todo" / "2.md"
    async with open_watcher([root], ear, subfolders=True, open_feed=open_feed) as watcher:
        assert watcher.healthy
        assert watcher.reason == ""
        path.write_text("a")
        await ear.hears(path)
        path.write_text("b")
        await ear.hears(path)
        write_durably(path, b"c")
        await ear.hears(path)
        path.rename(other)
        await ear.hears(path, other)
        other.unlink()
        await ear.hears(other)
        write_new(path, b"d")
        await ear.hears(path)
        assert ear.everything == 0


async def test_a_folder_made_later_is_watched_and_reported(root: Path, open_feed: OpenFeed) -> None:
    ear = Ear()
    async with open_watcher([root], ear, subfolders=True, open_feed=open_feed):
        done = root / "Done"
        done.mkdir()
        await ear.hears(done)
        (done / "1.md").write_text("a")
        await ear.hears(done / "1.md")
        done.rename(root / "Closed")
        await ear.hears(done, root / "Closed")
        (root / "Closed" / "2.md").write_text("a")
        await ear.hears(root / "Closed" / "2.md")


async def test_a_folder_that_is_moved_in_with_its_files_is_reported(
    root: Path, tmp_path: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    (tmp_path / "Done").mkdir()
    (tmp_path / "Done" / "1.md").write_text("a")
    async with open_watcher([root], ear, subfolders=True, open_feed=open_feed):
        (tmp_path / "Done").rename(root / "Done")
        await ear.hears(root / "Done")
        (root / "Done" / "2.md").write_text("a")
        await ear.hears(root / "Done" / "2.md")


async def test_several_folders_are_watched_by_one_watcher_and_named_as_they_were_given(
    tmp_path: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    (tmp_path / "a").mkdir()
    (tmp_path / "real").mkdir()
    (tmp_path / "linked").symlink_to("real")
    async with open_watcher([tmp_path / "a", tmp_path / "linked"], ear, open_feed=open_feed) as watcher:
        assert watcher.healthy
        (tmp_path / "a" / "x").write_text("")
        (tmp_path / "linked" / "y").write_text("")
        await ear.hears(tmp_path / "a" / "x", tmp_path / "linked" / "y")


async def test_what_lies_deeper_than_asked_for_is_not_reported(root: Path) -> None:
    ear = Ear()
    async with open_watcher([root], ear):
        (root / "Todo" / "1.md").write_text("a")
        (root / "last").write_text("a")
        await ear.until(lambda: root / "last" in ear.heard)
    assert ear.heard == {root / "last"}


async def test_many_changes_come_in_few_reports_and_too_many_as_everything(root: Path) -> None:
    ear = Ear()
    reports: list[frozenset[Path] | None] = []

    def on_change(paths: frozenset[Path] | None) -> None:
        reports.append(paths)
        ear(paths)

    async with open_watcher([root], on_change, subfolders=True):
        for number in range(200):
            (root / "Todo" / str(number)).touch()
        await ear.hears(*(root / "Todo" / str(number) for number in range(200)))
        assert len(reports) < 200
        for number in range(NAMED_PATHS + 1):
            (root / "Todo" / f"more-{number}").touch()
        await ear.until(lambda: ear.everything > 0 or len(ear.heard) > NAMED_PATHS)


async def test_a_missing_root_is_unhealthy_until_it_is_there_and_a_retry_asks(
    tmp_path: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    root = tmp_path / "issues"
    async with open_watcher([root], ear, subfolders=True, open_feed=open_feed) as watcher:
        assert not watcher.healthy
        assert watcher.reason == f"{root} cannot be watched: No such file or directory"
        assert not await watcher.retry()
        root.mkdir()
        assert await watcher.retry()
        assert watcher.reason == ""
        await ear.until(lambda: ear.everything > 0)
        (root / "x").write_text("")
        await ear.hears(root / "x")


async def test_a_root_that_is_deleted_is_known_and_watched_again_after_a_retry(root: Path) -> None:
    ear = Ear()
    async with open_watcher([root], ear, subfolders=True) as watcher:
        (root / "Todo").rmdir()
        root.rmdir()
        await ear.until(lambda: ear.everything > 0)
        assert not watcher.healthy
        assert watcher.reason == f"{root} was removed"
        root.mkdir()
        ear.everything = 0
        assert await watcher.retry()
        await ear.until(lambda: ear.everything > 0)
        (root / "x").write_text("")
        await ear.hears(root / "x")


async def test_a_root_that_is_moved_away_is_known(root: Path) -> None:
    ear = Ear()
    async with open_watcher([root], ear, subfolders=True) as watcher:
        root.rename(root.with_name("away"))
        await ear.until(lambda: ear.everything > 0)
        assert watcher.reason == f"{root} was moved away"


async def test_another_folder_in_the_root_s_place_is_found_by_a_retry(
    tmp_path: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    root = tmp_path / "project" / "issues"
    root.mkdir(parents=True)
    async with open_watcher([root], ear, open_feed=open_feed) as watcher:
        root.parent.rename(tmp_path / "old")
        root.mkdir(parents=True)
        assert await watcher.retry()
        await ear.until(lambda: ear.everything > 0)
        (root / "x").write_text("")
        await ear.hears(root / "x")


async def test_a_retry_of_a_healthy_watcher_changes_nothing(root: Path, open_feed: OpenFeed) -> None:
    ear = Ear()
    async with open_watcher([root], ear, open_feed=open_feed) as watcher:
        feed = watcher._feed
        assert await watcher.retry()
        assert watcher._feed is feed


@pytest.mark.skipif(not INOTIFY_QUEUE.exists(), reason="the system has no inotify")
async def test_a_full_event_queue_is_known_and_everything_is_reported(root: Path) -> None:
    ear = Ear()
    async with open_watcher([root], ear, subfolders=True) as watcher:
        feed = watcher._feed
        assert isinstance(feed, InotifyFeed)
        path = root / "Todo" / "x"
        with feed._lock:  # the reader waits, so the system's queue fills
            for _ in range(int(INOTIFY_QUEUE.read_text()) // 2):  # three events each
                path.touch()
                path.unlink()
        await ear.until(lambda: not watcher.healthy)
        assert watcher.reason == (
            "more changed at once than the system reports (fs.inotify.max_queued_events)"
        )
        await ear.until(lambda: ear.everything > 0)
        ear.everything = 0
        assert await watcher.retry()
        await ear.until(lambda: ear.everything > 0)
        path.touch()
        await ear.hears(path)


async def test_a_reader_that_has_ended_is_known_and_replaced_by_a_retry(root: Path) -> None:
    ear = Ear()
    async with open_watcher([root], ear) as watcher:
        feed = watcher._feed
        assert feed is not None
        await asyncio.to_thread(feed.stop)
        assert not watcher.healthy
        assert watcher.reason == "the watching thread has ended"
        assert await watcher.retry()
        assert watcher.healthy


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_nothing_is_reported_after_the_context_is_left_and_no_thread_or_file_stays(
    root: Path, open_feed: OpenFeed
) -> None:
    ear = Ear()
    before = open_files()
    async with open_watcher([root], ear, open_feed=open_feed) as watcher:
        assert watcher.healthy
    assert watcher._feed is not None
    assert not watcher._feed.alive
    assert open_files() == before
    (root / "x").write_text("")
    await asyncio.to_thread(lambda: None)
    assert not await watcher.retry()
    assert ear.heard == set()


async def test_a_file_system_that_others_change_unseen_is_watched_but_never_trusted(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = root.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"9 1 {os.major(device)}:{os.minor(device)} / /srv rw shared:1 - nfs4 box:/srv rw\n"
        "10 1 0:99 / /x rw - ext4 /dev/x rw\n"
    )
    monkeypatch.setattr(inotify, "MOUNTS", mounts)
    ear = Ear()
    async with open_watcher([root], ear) as watcher:
        assert watcher.reason == (
            f"{root} is on a file system of kind nfs4, which does not report other machines' changes"
        )
        await ear.until(lambda: ear.everything > 0)
        (root / "x").write_text("")
        await ear.hears(root / "x")


SHORT_OF_FILES = """
import asyncio, os, resource, sys
from pathlib import Path
from symphony.host.watcher import open_watcher

async def main():
    await asyncio.to_thread(int)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, 256))
    async with open_watcher([Path(sys.argv[1])], lambda paths: None) as watcher:
        print(watcher.healthy, watcher.reason)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        print(await watcher.retry(), watcher.reason)

asyncio.run(main())
"""


async def test_a_process_short_of_files_is_told_so_and_recovers(root: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SHORT_OF_FILES, str(root), stdout=-1, stderr=-1
    )
    try:
        async with asyncio.timeout(HEARD_S):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (output.decode(), errors) == (
        "False too many files or watchers are open (raise fs.inotify.max_user_instances or `ulimit -n`)\n"
        "True \n",
        b"",
    )


async def test_a_state_folder_that_may_not_be_watched_makes_the_watcher_unhealthy(root: Path) -> None:
    nobody = 65534
    (root / "Done").mkdir()
    (root / "Done").chmod(0)
    is_root = os.geteuid() == 0
    if is_root:
        for folder in (root, *root.parents):
            if not folder.stat().st_mode & 0o001:
                folder.chmod(0o755)
        await asyncio.to_thread(os.seteuid, nobody)  # a thread first: its import needs the rights of before
    try:
        async with open_watcher([root], Ear(), subfolders=True) as watcher:
            assert not watcher.healthy
            assert watcher.reason == f"{root}/Done cannot be watched: Permission denied"
    finally:
        if is_root:
            os.seteuid(0)
        (root / "Done").chmod(0o700)
