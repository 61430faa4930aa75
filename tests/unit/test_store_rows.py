"""Any value that the scheduler can remember comes back equal."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.access import ENDS_WITH_ATTEMPT, AccessDecision, AccessLedger, AccessRequest
from symphony.core.claim import Continuing, IssueRecord, Parked, Retrying, Waiting
from symphony.core.handoff import Completion, Handoff
from symphony.core.ports import Changes, Memory
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.store import rows, texts
from symphony.store.memory import MemoryStore
from symphony.store.sqlite import open_store

TEXTS = st.text(
    st.characters(exclude_categories=()), max_size=20
)  # lone surrogates and NUL too: agents and files have them
TIMES = st.datetimes(
    min_value=datetime(2, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9998, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45))]),
)
COUNTS = st.integers(0, 2**62)
FIGURES = st.integers(-(10**30), 10**30)
FLOATS = st.floats(allow_nan=False)
STEERING = st.builds(
    SteeringRequest, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, TIMES, st.none() | TEXTS, st.none() | TIMES
)
USAGES = st.builds(Usage, FIGURES, FIGURES, FIGURES, FLOATS, FLOATS, st.none() | FIGURES, st.none() | FIGURES)
CLAIMS = (
    st.none()
    | st.builds(Retrying, TIMES, TEXTS)
    | st.builds(Continuing, TIMES, TEXTS)
    | st.builds(Parked, TIMES, st.lists(TEXTS, max_size=3).map(tuple), TEXTS, st.booleans())
    | st.builds(Waiting, STEERING)
)
LASTING = st.sampled_from([each for each in AccessDecision if each not in ENDS_WITH_ATTEMPT])
REQUESTS = st.builds(
    AccessRequest,
    TEXTS,
    st.none() | st.integers(0, 65_535),
    COUNTS,
    st.none() | TIMES,
    st.none() | TIMES,
    st.none() | LASTING,
    st.none() | TIMES,
    TEXTS,
)
LEDGERS = st.builds(AccessLedger, st.lists(REQUESTS, max_size=3).map(tuple), COUNTS, COUNTS)
RECORDS = st.builds(
    IssueRecord,
    TEXTS,
    CLAIMS,
    COUNTS,
    st.lists(TEXTS, max_size=3).map(tuple),
    st.booleans(),
    COUNTS,
    USAGES,
    st.none() | st.builds(Completion, st.just(""), TEXTS, TEXTS, TEXTS, TIMES),
    TEXTS,
    LEDGERS,
)
HANDOFFS = st.builds(
    Handoff,
    TEXTS,
    TEXTS,
    st.none() | st.just(Path("/a b/\udce4.patch")),
    st.none() | TEXTS,
    st.none() | TEXTS,
)


async def remembered(record: IssueRecord, folder: Path) -> list[Memory]:
    memories = []
    async with open_store(folder / "symphony.db") as store:
        for kept in (store, MemoryStore()):
            await kept.apply(Changes(records=(record,)))
            if record.completion is not None:
                await kept.accept_completion(record.completion)
    async with open_store(folder / "symphony.db") as store:
        memories.append(await store.load())
    memories.append(await kept.crash().load())  # type: ignore[union-attr] # the last one is the one in memory
    return memories


@settings(max_examples=60)
@given(RECORDS)
def test_any_record_comes_back_equal_from_both_drivers(record: IssueRecord) -> None:
    if record.completion is not None:
        completion = replace(record.completion, issue_id=record.issue_id)
        record = replace(record, completion=completion)
    with TemporaryDirectory() as folder:
        for memory in asyncio.run(remembered(record, Path(folder))):
            assert memory.records == {record.issue_id: record}


@given(TIMES, TIMES)
def test_times_keep_their_microseconds_and_sort_as_text(first: datetime, second: datetime) -> None:
    assert texts.optional_instant(texts.instant_text(first)) == first
    assert (first < second) == (texts.instant_text(first) < texts.instant_text(second))


@given(USAGES)
def test_any_figures_come_back_equal(usage: Usage) -> None:
    assert rows.usage_of(rows.usage_text(usage)) == usage


@given(HANDOFFS, TIMES)
def test_any_handoff_comes_back_equal(handoff: Handoff, at: datetime) -> None:
    row = ("7", "a1", "t", texts.instant_text(at), rows.handoff_text(handoff))

    assert rows.handoff_row(row) == rows.HandoffRow("7", "a1", "t", at, handoff)
