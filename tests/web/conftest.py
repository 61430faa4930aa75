"""An open listener over a daemon in memory."""

from collections.abc import AsyncIterator

import pytest

from symphony.web.listener import Bounds, open_listener
from tests.web.support import Client, Daemon, Door, surface_of


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def client(daemon: Daemon, door: Door) -> AsyncIterator[Client]:
    bounds = Bounds(close_s=0.1)
    listening = open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token=None, bounds=bounds)
    async with listening as listener:
        yield Client(listener.port)
