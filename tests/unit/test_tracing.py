"""Traces of attempts: a span for each, with one in it for each phase; off unless asked for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from symphony.core.claim import Phase
from symphony.core.handoff import Handoff
from symphony.core.outcome import Delivered, Failed
from symphony.core.ports import AttemptRow, Meters
from symphony.core.usage import Usage
from symphony.host.tracing import Tracing, is_wanted, nanoseconds, open_tracing
from tests.engine.conftest import World

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="the extra `otel` is not installed")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROW = AttemptRow("a1", "7", 2, "demo", "smolvm", NOON)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
BOUND = 30.0


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Kept:
    """Tracing into memory."""

    def __init__(self) -> None:
        self.exporter = memory.InMemorySpanExporter()
        provider = sdk.TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(export.SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(provider)

    def spans(self) -> dict[str, sdk.ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


def run_attempt(tracing: Tracing) -> None:
    tracing.attempt_began(ROW)
    tracing.phase_began("a1", Phase.SANDBOX, 0, after(1))
    tracing.machine_booted("a1", timedelta(seconds=2))
    tracing.phase_began("a1", Phase.TURN, 1, after(3))
    tracing.turn_ended("a1", timedelta(seconds=4))
    tracing.phase_began("a1", Phase.HANDOFF, 1, after(8))
    tracing.handed_over("a1", "patch", timedelta(seconds=1))
    tracing.attempt_ended(ROW, Delivered(Handoff("patch", "")), Usage(10, 20, 30, 0.5), after(9))


def test_an_attempt_is_a_span_with_its_phases_in_it_one_after_the_other() -> None:
    kept = Kept()
    run_attempt(kept.tracing)
    spans = kept.spans()
    attempt = spans.pop("attempt")
    assert (attempt.start_time, attempt.end_time) == (nanoseconds(NOON), nanoseconds(after(9)))
    assert dict(attempt.attributes) == {
        "symphony.issue": "7",
        "symphony.attempt": "a1",
        "symphony.attempt.number": 2,
        "symphony.adapter": "demo",
        "symphony.sandbox": "smolvm",
        "symphony.handoff": "patch",
        "symphony.outcome": "delivered",
        "symphony.tokens.input": 10,
        "symphony.tokens.output": 20,
        "symphony.tokens.cached": 30,
        "symphony.cost_usd": 0.5,
    }
    assert {
        name: (span.parent.span_id == attempt.context.span_id, span.start_time, span.end_time)
        for name, span in spans.items()
    } == {
        "starting the sandbox": (True, nanoseconds(after(1)), nanoseconds(after(3))),
        "in a turn": (True, nanoseconds(after(3)), nanoseconds(after(8))),
        "handing over": (True, nanoseconds(after(8)), nanoseconds(after(9))),
    }
    assert spans["starting the sandbox"].attributes["symphony.machine.boot_seconds"] == 2
    assert spans["in a turn"].attributes["symphony.turn.seconds"] == 4


async def test_the_engine_traces_a_whole_attempt() -> None:
    world, kept = World(), Kept()
    world.meter = Meters(kept.tracing)
    async with world.running():
        world.drop("7")
        await world.until(lambda: world.state_of("7") == "Done" and world.engine.supervisor.idle)
    spans = kept.exporter.get_finished_spans()
    names = [span.name for span in sorted(spans, key=lambda span: (span.start_time, span.name != "attempt"))]
    assert names[0] == "attempt"
    assert {"preparing the workspace", "opening the session", "in a turn", "handing over"} <= set(names)
    assert len({span.context.trace_id for span in spans}) == 1


def test_a_failed_attempt_is_an_error_with_its_reason() -> None:
    kept = Kept()
    kept.tracing.attempt_began(ROW)
    kept.tracing.attempt_ended(ROW, Failed("agent.exited", "It\nexited."), Usage(), after(1))
    status = kept.spans()["attempt"].status
    assert (status.is_ok, status.description) == (False, "It exited.")


def test_what_it_never_heard_the_beginning_of_is_left_out() -> None:
    kept = Kept()
    meter = Meters(kept.tracing)
    meter.phase_began("a2", Phase.TURN, 1, NOON)
    meter.machine_booted("a2", timedelta(seconds=1))
    meter.handed_over("a2", "patch", timedelta(seconds=1))
    meter.decided("Ticked", timedelta(seconds=1))
    meter.attempt_ended(ROW, Failed("x", "x"), Usage(), NOON)
    assert kept.spans() == {}


def test_it_is_off_unless_a_place_to_send_to_is_named() -> None:
    assert not is_wanted({})
    assert not is_wanted({ENDPOINT: ""})
    assert is_wanted({ENDPOINT: "http://127.0.0.1:4318"})


async def test_without_a_place_there_is_no_tracing() -> None:
    async with open_tracing({}, "an-id") as tracing:
        assert tracing is None


@pytest.fixture
async def collector() -> AsyncIterator[tuple[str, list[bytes]]]:
    """An OTLP receiver over HTTP."""
    received: list[bytes] = []

    async def take(request: web.BaseRequest) -> web.Response:
        assert request.path == "/v1/traces"
        received.append(await request.read())
        return web.Response()

    runner = web.ServerRunner(web.Server(take), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", received
    finally:
        await runner.cleanup()


async def test_spans_reach_a_collector_before_the_daemon_has_ended(
    collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = collector
    monkeypatch.setenv(ENDPOINT, url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    async with asyncio.timeout(BOUND), open_tracing({ENDPOINT: url}, "an-id") as tracing:
        assert tracing is not None
        run_attempt(tracing)
    sent = b"".join(received)
    assert b"in a turn" in sent
    assert b"symphony.outcome" in sent
    assert b"an-id" in sent


async def test_a_collector_that_is_not_there_ends_nothing_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    async with asyncio.timeout(BOUND), open_tracing({ENDPOINT: "http://127.0.0.1:9"}, "an-id") as tracing:
        assert tracing is not None
        run_attempt(tracing)
