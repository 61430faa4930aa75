"""Every host tells how its memory and its disks stand, or that it cannot."""

import asyncio
import os
import threading
from pathlib import Path

import psutil
import pytest

from symphony.core.admission import HostMemory
from symphony.core.disk import HostDisk
from symphony.core.ports import Host
from symphony.host import memory as host_memory
from symphony.host.memory import MemoryHost, SystemHost


@pytest.fixture(params=["system", "memory"])
def host(request) -> Host:
    if request.param == "system":
        return SystemHost()
    return MemoryHost(HostMemory(3 << 30, 4 << 30), HostDisk(3 << 30, 4 << 30, "/"))


async def test_free_memory_is_a_part_of_all_memory(host: Host):
    memory = await host.memory()
    assert memory is not None
    assert 0 < memory.free_bytes <= memory.total_bytes


async def test_a_system_that_does_not_tell_its_memory_is_no_failure(monkeypatch):
    def refuse():
        raise FileNotFoundError(2, "No such file or directory", "/proc/meminfo")

    monkeypatch.setattr(psutil, "virtual_memory", refuse)
    assert await SystemHost().memory() is None


async def test_a_host_in_memory_is_as_it_is_told():
    host = MemoryHost()
    assert await host.memory() is None
    host.seen = HostMemory(1, 2)
    assert await host.memory() == HostMemory(1, 2)
    assert host.looks == 2


async def test_free_space_is_a_part_of_a_whole_disk(host: Host, tmp_path: Path):
    disk = await host.disk([tmp_path])
    assert disk is not None
    assert 0 < disk.free_bytes <= disk.total_bytes


async def test_a_folder_that_is_not_there_yet_lies_on_the_disk_of_the_nearest_one_that_is(tmp_path: Path):
    disk = await SystemHost().disk([tmp_path / "a" / "b"])
    assert disk is not None
    assert disk.place == str(tmp_path / "a" / "b")


async def test_of_several_disks_the_one_with_the_least_room_counts(tmp_path: Path, monkeypatch):
    class Counts:
        f_blocks, f_bfree, f_bavail, f_frsize = 1000, 900, 800, 4096

    small = Counts()
    small.f_bavail = 7
    answers = {tmp_path / "large": Counts(), tmp_path / "small": small}
    for folder in answers:
        folder.mkdir()
    monkeypatch.setattr(os, "statvfs", lambda path: answers[path])
    disk = await SystemHost().disk(list(answers))
    assert disk == HostDisk(7 * 4096, (1000 - (900 - 7)) * 4096, str(tmp_path / "small"))


async def test_a_disk_that_does_not_tell_is_no_failure(tmp_path: Path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "statvfs", refuse)
    assert await SystemHost().disk([tmp_path]) is None


async def test_a_disk_that_hangs_holds_up_nobody_and_only_one_thread(tmp_path: Path, monkeypatch):
    release, looks = threading.Event(), []

    def hang(places):
        looks.append(places)
        release.wait(20)

    monkeypatch.setattr(host_memory, "fullest_disk", hang)
    monkeypatch.setattr(host_memory, "DISK_BOUND", 0.05)
    host = SystemHost()
    try:
        async with asyncio.timeout(10):
            assert await host.disk([tmp_path]) is None
            assert await host.disk([tmp_path]) is None
        assert len(looks) == 1
    finally:
        release.set()


async def test_a_host_in_memory_has_the_disk_that_it_is_told():
    host = MemoryHost()
    assert await host.disk([]) is None
    host.seen_disk = HostDisk(1, 2, "/")
    assert await host.disk([]) == HostDisk(1, 2, "/")
