"""The disk over HTTP: looked at, swept, and answered as the document says."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from symphony.core.errors import SymphonyError
from symphony.core.retention import Ceiling, Fate, RetentionReport
from symphony.core.stored import Kind, Stored
from symphony.web.disk_view import EARLIEST, disk_view
from symphony.web.listener import open_listener
from tests.web.conformity import check
from tests.web.support import NOON, Client, Daemon, Door, surface_of
from tests.web.test_openapi import errors_in

OLD = Stored(Kind.LOG, "7.jsonl", "/logs/7.jsonl", 4096, NOON, "7")
LOST = Stored(Kind.WORKSPACE, "8", "/w/\udcff8", 0, EARLIEST, "8", "its record\ncannot be read")
REPORT = RetentionReport(
    NOON,
    False,
    (
        Fate(OLD, True, "90 days old"),
        Fate(replace(OLD, name="6.jsonl"), True, "91 days old", "Permission denied"),
        Fate(LOST, False, LOST.stays),
    ),
    {Kind.LOG: Ceiling(8192, 4096, 1024), Kind.WORKSPACE: Ceiling(0, 0, None)},
    ("The image library cannot be read.",),
)


class Disk:
    """Answers with one report and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[bool] = []
        self.failure: SymphonyError | None = None

    async def sweep(self, *, dry_run: bool = False) -> RetentionReport:
        self.asked.append(dry_run)
        if self.failure is not None:
            raise self.failure
        return replace(REPORT, dry_run=dry_run)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
async def client(disk: Disk) -> AsyncIterator[Client]:
    surface = surface_of(Daemon(), Door(), disk=disk)
    async with open_listener(surface, host="127.0.0.1", port=0, token=None) as listener:
        yield Client(listener.port)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_sweep_answers_what_went_what_failed_and_what_stays(
    client: Client, disk: Disk, dry_run: bool
) -> None:
    answer = await client.ask("POST", "/api/v1/gc", {"dry_run": dry_run})
    assert answer.status == 200
    check("post", "/api/v1/gc", answer)
    assert disk.asked == [dry_run]
    found = answer.json
    assert (found["dry_run"], found["freed_bytes"]) == (dry_run, 4096)
    assert [thing["name"] for thing in found["removed"]] == ["7.jsonl"]
    assert [thing["error"] for thing in found["failed"]] == ["Permission denied"]
    assert [(thing["name"], thing["since"], thing["reason"]) for thing in found["kept"]] == [
        ("8", None, "its record cannot be read")
    ]
    assert found["ceilings"]["log"] == {
        "bytes": 8192,
        "left_bytes": 4096,
        "most_bytes": 1024,
        "over": True,
    }
    assert found["notes"] == ["The image library cannot be read."]


async def test_without_a_word_it_removes(client: Client, disk: Disk) -> None:
    assert (await client.ask("POST", "/api/v1/gc", {})).status == 200
    assert disk.asked == [False]


@pytest.mark.parametrize("body", [{"dry_run": "yes"}, {"dryrun": True}, {"dry_run": None}, [], "x"])
async def test_a_word_that_is_not_understood_removes_nothing(
    client: Client, disk: Disk, body: object
) -> None:
    answer = await client.ask("POST", "/api/v1/gc", body)
    check("post", "/api/v1/gc", answer)
    assert answer.status in {400, 422}
    assert disk.asked == []


async def test_only_a_post_sweeps(client: Client, disk: Disk) -> None:
    assert (await client.ask("GET", "/api/v1/gc")).status == 405
    assert disk.asked == []


async def test_a_sweep_that_cannot_be_written_down_is_an_error_with_its_code(
    client: Client, disk: Disk
) -> None:
    disk.failure = SymphonyError("The store is full.", code="store_full")
    answer = await client.ask("POST", "/api/v1/gc", {})
    check("post", "/api/v1/gc", answer)
    assert answer.error[1] == "store_full"


def test_every_report_has_the_shape_that_is_documented() -> None:
    assert errors_in(disk_view(REPORT), "Disk") == []
    assert errors_in(disk_view(RetentionReport(NOON, True)), "Disk") == []
