"""`GET /metrics`: what the daemon does, for Prometheus [CONTRACT 7.1].

Counters and histograms count since the daemon began; gauges are of the moment at which they are read.
"""

import asyncio
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.registry import Collector

from symphony.core.attention import NeedKind, needs_of
from symphony.core.claim import Phase
from symphony.core.outcome import Outcome
from symphony.core.ports import AttemptRow
from symphony.core.snapshot import Picture
from symphony.core.usage import Usage

STANDINGS: Final = ("eligible", "running", "retrying", "waiting", "blocked", "failed", "undelivered")
STATE: Final = "state:"  # begins the counts of state folders
TURN_S: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1_200, 3_600)
HANDOFF_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
BOOT_S: Final = (0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
LOOP_S: Final = (0.001, 0.002_5, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5)
DECISION_S: Final = (0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.25)


class Metrics:
    """The numbers; a `core.ports.Meter`."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._worst = 0.0
        self._attempts = Counter(
            "symphony_attempts", "Attempts that have ended.", ["adapter", "outcome"], registry=self._registry
        )
        self._begun = Counter(
            "symphony_attempts_begun", "Attempts that have begun.", ["adapter"], registry=self._registry
        )
        self._tokens = Counter(
            "symphony_tokens",
            "Tokens of attempts that have ended, as their agents report them.",
            ["adapter", "kind"],
            registry=self._registry,
        )
        self._cost = Counter(
            "symphony_cost_usd",
            "Cost of attempts that have ended, as their agents report it.",
            ["adapter"],
            registry=self._registry,
        )
        self._turns = Histogram(
            "symphony_turn_seconds", "Duration of turns.", buckets=TURN_S, registry=self._registry
        )
        self._handoffs = Histogram(
            "symphony_handoff_seconds",
            "Duration of finished handoffs.",
            ["kind"],
            buckets=HANDOFF_S,
            registry=self._registry,
        )
        self._boots = Histogram(
            "symphony_machine_boot_seconds",
            "Time until a machine could be used.",
            buckets=BOOT_S,
            registry=self._registry,
        )
        self._decisions = Histogram(
            "symphony_decision_seconds",
            "What the scheduler's decisions take.",
            ["event"],
            buckets=DECISION_S,
            registry=self._registry,
        )

        self._delays = Histogram(
            "symphony_loop_delay_seconds",
            "How late the event loop comes to what is due.",
            buckets=LOOP_S,
            registry=self._registry,
        )
        self._worst_delay = Gauge(
            "symphony_loop_worst_delay_seconds", "The latest that it ever came.", registry=self._registry
        )

    def show(self, picture: Callable[[], Picture]) -> None:
        """Show what is, too, of the picture that is asked for at each reading."""
        self._registry.register(Present(picture))

    def render(self) -> web.Response:
        """Return everything in Prometheus' text format."""
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_PLAIN_1_0_0}
        )

    def attempt_began(self, attempt: AttemptRow) -> None:
        """Count it."""
        self._begun.labels(attempt.adapter).inc()

    def phase_began(self, attempt_id: str, phase: Phase, turn: int, at: datetime) -> None:
        """Leave it out: phases are what traces are for."""

    def machine_booted(self, attempt_id: str, took: timedelta) -> None:  # noqa: ARG002 - a label for each attempt would never end
        """Count it."""
        self._boots.observe(took.total_seconds())

    def turn_ended(self, attempt_id: str, took: timedelta) -> None:  # noqa: ARG002 - as above
        """Count it."""
        self._turns.observe(took.total_seconds())

    def handed_over(self, attempt_id: str, kind: str, took: timedelta) -> None:  # noqa: ARG002 - as above
        """Count it."""
        self._handoffs.labels(kind).observe(took.total_seconds())

    def attempt_ended(self, attempt: AttemptRow, outcome: Outcome, usage: Usage, at: datetime) -> None:  # noqa: ARG002 - Prometheus has its own time
        """Count it, with what it has cost."""
        self._attempts.labels(attempt.adapter, outcome.code).inc()
        self._cost.labels(attempt.adapter).inc(max(0.0, usage.cost_usd))
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cached", usage.cached_tokens),
        ):
            self._tokens.labels(attempt.adapter, kind).inc(max(0, tokens))

    def decided(self, event: str, took: timedelta) -> None:
        """Count it."""
        self._decisions.labels(event).observe(took.total_seconds())

    def loop_delayed(self, seconds: float) -> None:
        """Count it."""
        self._delays.observe(seconds)
        self._worst = max(self._worst, seconds)
        self._worst_delay.set(self._worst)


class Present(Collector):
    """What is now, read from the picture that all surfaces show."""

    def __init__(self, picture: Callable[[], Picture]) -> None:
        self._picture = picture

    def describe(self) -> list[GaugeMetricFamily]:
        """Return nothing, so that the picture is not asked for before the daemon is ready."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges."""
        picture = self._picture()
        snapshot = picture.snapshot
        queue = GaugeMetricFamily(
            "symphony_issues", "Issues by what the scheduler does with them.", labels=["standing"]
        )
        for standing in STANDINGS:
            queue.add_metric([standing], snapshot.counts.get(standing, 0))
        yield queue
        states = GaugeMetricFamily("symphony_state_issues", "Issues by state.", labels=["state"])
        counts = dict.fromkeys(picture.states.names, 0) | {
            name.removeprefix(STATE): count
            for name, count in snapshot.counts.items()
            if name.startswith(STATE)
        }
        for name, count in counts.items():
            states.add_metric([label_text(name)], count)
        yield states
        held = len(snapshot.running) + sum(view.kind == "continuation" for view in snapshot.retrying)
        yield gauge("symphony_slots_used", "Slots that attempts hold.", held)
        limit = picture.workflow.settings.agent.max_concurrent_agents
        yield gauge("symphony_slots_limit", "agent.max_concurrent_agents.", limit)
        needs = GaugeMetricFamily("symphony_needs", "What needs a person.", labels=["kind"])
        kinds = Tally(need.kind for need in needs_of(snapshot))
        for kind in NeedKind:
            needs.add_metric([kind.value], kinds[kind])
        yield needs
        yield gauge("symphony_paused", "1 while everything is paused.", snapshot.paused)
        memory = sum(view.machine.memory_bytes for view in snapshot.running if view.machine)
        memory += sum(view.machine.memory_bytes for view in snapshot.waiting if view.machine)
        yield gauge("symphony_loop_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
        yield gauge("symphony_machine_memory_bytes", "Memory of the host that machines take.", memory)


def gauge(name: str, words: str, value: float) -> GaugeMetricFamily:
    """Return a gauge without labels."""
    return GaugeMetricFamily(name, words, value=float(value))


def label_text(text: str) -> str:
    """Return text as the format can hold it: a folder's name may be no valid Unicode."""
    return text.encode("utf-8", "replace").decode("utf-8")
