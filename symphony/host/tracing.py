"""Traces of attempts through their phases by OpenTelemetry, where it is installed and asked for.

`pip install symphony[otel]` brings it, and OTEL_EXPORTER_OTLP_ENDPOINT switches it on; the SDK's other
variables hold too. Spans are sent from a thread of the SDK's, so that nothing here ever waits.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from symphony.core.claim import Phase
from symphony.core.outcome import Failed, Outcome, outcome_message
from symphony.core.ports import AttemptRow
from symphony.core.text import one_line
from symphony.core.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PARTS: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
FLUSH_S: Final = 5.0  # for the last spans at the daemon's end


@dataclass(slots=True)
class Trace:
    """One attempt's open spans."""

    attempt: "Span"
    phase: "Span | None" = None


class Tracing:
    """A `core.ports.Meter` that makes a span of each attempt, with one in it for each phase."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._tracer = provider.get_tracer("symphony")
        self._open: dict[str, Trace] = {}

    def attempt_began(self, attempt: AttemptRow) -> None:
        """Begin the attempt's span."""
        span = self._tracer.start_span(
            "attempt",
            attributes={
                "symphony.issue": attempt.issue_id,
                "symphony.attempt": attempt.id,
                "symphony.attempt.number": attempt.number,
                "symphony.adapter": attempt.adapter,
                "symphony.sandbox": attempt.sandbox,
            },
            start_time=nanoseconds(attempt.started_at),
        )
        self._open[attempt.id] = Trace(span)

    def phase_began(self, attempt_id: str, phase: Phase, turn: int, at: datetime) -> None:
        """End the span of the phase before and begin this one's."""
        from opentelemetry.trace import set_span_in_context

        trace = self._open.get(attempt_id)
        if trace is None:
            return
        if trace.phase is not None:
            trace.phase.end(nanoseconds(at))
        trace.phase = self._tracer.start_span(
            phase.value,
            set_span_in_context(trace.attempt),
            attributes={"symphony.turn": turn},
            start_time=nanoseconds(at),
        )

    def machine_booted(self, attempt_id: str, took: timedelta) -> None:
        """Note it on the phase in which it happened."""
        self._note(attempt_id, "symphony.machine.boot_seconds", took)

    def turn_ended(self, attempt_id: str, took: timedelta) -> None:
        """Note it on the turn's span, which may go on while the attempt waits for a person."""
        self._note(attempt_id, "symphony.turn.seconds", took)

    def handed_over(self, attempt_id: str, kind: str, took: timedelta) -> None:
        """Note it on the attempt's span."""
        self._note(attempt_id, "symphony.handoff.seconds", took)
        if (trace := self._open.get(attempt_id)) is not None:
            trace.attempt.set_attribute("symphony.handoff", kind)

    def attempt_ended(self, attempt: AttemptRow, outcome: Outcome, usage: Usage, at: datetime) -> None:
        """End both spans, with the outcome and the cost."""
        from opentelemetry.trace import Status, StatusCode

        trace = self._open.pop(attempt.id, None)
        if trace is None:
            return
        if trace.phase is not None:
            trace.phase.end(nanoseconds(at))
        trace.attempt.set_attributes(
            {
                "symphony.outcome": outcome.code,
                "symphony.tokens.input": usage.input_tokens,
                "symphony.tokens.output": usage.output_tokens,
                "symphony.tokens.cached": usage.cached_tokens,
                "symphony.cost_usd": usage.cost_usd,
            }
        )
        if isinstance(outcome, Failed):
            trace.attempt.set_status(Status(StatusCode.ERROR, one_line(outcome_message(outcome))))
        trace.attempt.end(nanoseconds(at))

    def decided(self, event: str, took: timedelta) -> None:
        """Leave it out: decisions are counted by `/metrics`."""

    def _note(self, attempt_id: str, name: str, took: timedelta) -> None:
        trace = self._open.get(attempt_id)
        if trace is not None:
            (trace.phase or trace.attempt).set_attribute(name, took.total_seconds())


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Say whether traces are to be sent somewhere, and the extra is installed."""
    if not any(environ.get(name) for name in ENDPOINTS):
        return False
    try:
        return all(find_spec(part) is not None for part in PARTS)
    except ModuleNotFoundError:  # a part's own parent is not there
        return False


@asynccontextmanager
async def open_tracing(environ: Mapping[str, str], installation: str) -> AsyncIterator[Tracing | None]:
    """Send traces while the block runs, and the last ones in bounded time after it.

    None where none are wanted.
    """
    if not is_wanted(environ):
        yield None
        return
    provider = await asyncio.to_thread(make_provider, installation)
    try:
        yield Tracing(provider)
    finally:
        await asyncio.to_thread(provider.force_flush, int(FLUSH_S * 1_000))
        await asyncio.to_thread(provider.shutdown)


def make_provider(installation: str) -> "TracerProvider":
    """Return the SDK set up to send spans in batches from its own thread."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({"service.name": "symphony", "service.instance.id": installation})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=FLUSH_S)))
    return provider


def nanoseconds(at: datetime) -> int:
    """Return a time as OpenTelemetry has it: nanoseconds since 1970."""
    return int(at.timestamp() * 1_000_000) * 1_000
