"""Every host tells how its memory stands, or that it cannot."""

import psutil
import pytest

from symphony.core.admission import HostMemory
from symphony.core.ports import Host
from symphony.host.memory import MemoryHost, SystemHost


@pytest.fixture(params=["system", "memory"])
def host(request) -> Host:
    return SystemHost() if request.param == "system" else MemoryHost(HostMemory(3 << 30, 4 << 30))


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
