"""The merge train over HTTP: shown, started anew, and answered as the document says."""

from collections.abc import AsyncIterator

import pytest

from symphony.core.errors import SymphonyError
from symphony.core.train import TrainView
from symphony.web.listener import open_listener
from symphony.web.train_view import reset_view, train_view
from tests.web.conformity import check
from tests.web.support import Client, Daemon, Door, surface_of
from tests.web.test_openapi import errors_in

PASSENGER = {"issue_id": "7", "title": "Fix it", "commit": "b" * 40, "at": "2026-01-01T12:00:00.000Z"}


@pytest.fixture
def daemon() -> Daemon:
    return Daemon()


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[Client]:
    async with open_listener(surface_of(daemon, Door()), host="127.0.0.1", port=0, token=None) as listener:
        yield Client(listener.port)


async def test_a_train_shows_its_head_its_base_and_what_is_aboard(client: Client) -> None:
    answer = await client.ask("GET", "/api/v1/train")
    check("get", "/api/v1/train", answer)
    assert answer.json == {
        "branch": "train",
        "head": "b" * 40,
        "base": "main",
        "base_commit": "a" * 40,
        "aboard": [PASSENGER],
        "stopped": None,
    }


async def test_a_reset_answers_where_the_train_was_and_is_and_what_it_left_out(
    client: Client, daemon: Daemon
) -> None:
    answer = await client.ask("POST", "/api/v1/train/reset", {})
    check("post", "/api/v1/train/reset", answer)
    assert answer.json == {
        "branch": "train",
        "was": "b" * 40,
        "base": "main",
        "head": "a" * 40,
        "left_out": [PASSENGER],
    }
    assert daemon.asked == [("reset",)]


async def test_only_an_empty_post_resets(client: Client, daemon: Daemon) -> None:
    assert (await client.ask("GET", "/api/v1/train/reset")).status == 405
    assert (await client.ask("POST", "/api/v1/train/reset", {"branch": "main"})).status == 422
    assert daemon.asked == []


@pytest.mark.parametrize("code", ["train.off", "train.moved", "train.checked_out"])
async def test_a_train_that_cannot_be_reset_is_a_conflict_with_its_code(
    client: Client, daemon: Daemon, code: str
) -> None:
    daemon.failure = SymphonyError("It cannot.", code=code)
    answer = await client.ask("POST", "/api/v1/train/reset", {})
    check("post", "/api/v1/train/reset", answer)
    assert answer.error == (409, code, "It cannot.")


def test_every_train_has_the_shape_that_is_documented() -> None:
    for view in (TrainView("train", stopped="It is in conflict."), TrainView("train", base="main")):
        assert errors_in(train_view(view), "Train") == []
        assert errors_in(reset_view(view), "TrainReset") == []
