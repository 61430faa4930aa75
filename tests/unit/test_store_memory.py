"""How the store without a disk fails and dies when told to."""

from datetime import UTC, datetime

import pytest

from symphony.core.claim import IssueRecord
from symphony.core.ports import Changes
from symphony.core.steering import SteeringRequest
from symphony.store.errors import StoreError
from symphony.store.memory import Failure, MemoryStore
from symphony.store.memory_run_log import MemoryRunLogs

T0 = datetime(2026, 5, 17, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("failure", ["store_full", "store_busy", "store_failed"])
async def test_the_next_write_fails_as_told_and_changes_nothing(failure: Failure) -> None:
    store = MemoryStore()
    store.fail_next_write(failure)
    await store.load()

    with pytest.raises(StoreError) as caught:
        await store.apply(Changes(records=(IssueRecord("7"),)))

    assert caught.value.code == failure
    assert (await store.load()).records == {}
    await store.apply(Changes(records=(IssueRecord("7"),)))
    assert (await store.load()).records == {"7": IssueRecord("7")}


async def test_a_crashed_store_answers_nothing_and_its_heir_has_all_that_was_committed() -> None:
    store = MemoryStore("an-id")
    await store.ask(SteeringRequest("s", "7", "a", "q", "", T0))
    heir = store.crash()

    with pytest.raises(StoreError) as caught:
        await store.reply("7", "yes", T0)

    assert caught.value.code == "store_closed"
    assert (await heir.load()).steering["7"].open
    assert await heir.installation_id() == "an-id"


async def test_a_broken_run_log_loses_lines_and_is_reported_once() -> None:
    problems: list[str] = []
    logs = MemoryRunLogs(lambda: T0, problems.append)
    async with logs.open_run_log("7", "a1", ()) as log:
        logs.broken = True
        log.append("one")
        log.append("two")
        logs.broken = False
        log.append("three")

    assert problems == ["The run log of issue 7 cannot be written; the work goes on without it."]
    assert [line["kind"] for line in logs.lines["7"]] == ["three"]
