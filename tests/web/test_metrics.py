"""`GET /metrics` [CONTRACT 7.1]: every number is there, true, and in Prometheus' own format."""

from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from symphony.core.handoff import Handoff
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.outcome import Delivered, Failed, Stopped, StopReason
from symphony.core.ports import AttemptRow, Meter, Meters
from symphony.core.problem import Problem
from symphony.core.snapshot import RetryingView, RunningView, Snapshot
from symphony.core.usage import Usage
from symphony.web.listener import open_listener
from symphony.web.metrics import Metrics
from tests.engine.conftest import World
from tests.web.support import Answer, Client, Daemon, Door, surface_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ROW = AttemptRow("a1", "7", 1, "demo", "smolvm", NOON)
MACHINE = MachineUsage("symphony-7", MachineState.RUNNING, 1_000)
RUNNING = RunningView(
    "7", "7", "T", "Todo", "a1", 1, "demo", "in a turn", 1, 20, NOON, NOON, "", Usage(), machine=MACHINE
)
Numbers = dict[str, float]


def numbers_of(answer: Answer) -> Numbers:
    """Return each sample by its name with its labels."""
    return numbers_in(answer.body)


def numbers_in(body: bytes) -> Numbers:
    found: Numbers = {}
    for family in text_string_to_metric_families(body.decode()):
        assert family.documentation
        for sample in family.samples:
            if sample.name.endswith("_created"):
                continue
            labels = ",".join(sorted(sample.labels.values()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def text_of(metrics: Metrics) -> Numbers:
    body = metrics.render().body
    assert isinstance(body, bytes)
    return numbers_in(body)


async def test_it_is_served_in_prometheus_own_type(client: Client) -> None:
    answer = await client.ask("GET", "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=1.0.0; charset=utf-8"


async def test_the_queue_the_slots_and_what_needs_a_person_are_as_the_snapshot_says(
    client: Client, daemon: Daemon
) -> None:
    daemon.shown = Snapshot(
        NOON,
        counts={"eligible": 3, "retrying": 2, "waiting": 1, "blocked": 4, "running": 1, "state:Todo": 9},
        running=(RUNNING,),
        retrying=(RetryingView("8", "8", "continuation", NOON, 0, ""),),
        problems=(Problem("issue_unreadable", "Todo/x.md", "is broken"),),
        paused=True,
    )
    numbers = numbers_of(await client.ask("GET", "/metrics"))
    expected = {
        "symphony_issues{eligible}": 3,
        "symphony_issues{retrying}": 2,
        "symphony_issues{waiting}": 1,
        "symphony_issues{blocked}": 4,
        "symphony_issues{failed}": 0,
        "symphony_state_issues{Todo}": 9,
        "symphony_state_issues{Done}": 0,
        "symphony_slots_used": 2,
        "symphony_slots_limit": 10,
        "symphony_needs{problem}": 1,
        "symphony_needs{question}": 0,
        "symphony_paused": 1,
        "symphony_machine_memory_bytes": 1_000,
    }
    assert {name: numbers[name] for name in expected} == expected


async def test_a_state_whose_folder_is_no_unicode_breaks_nothing(client: Client, daemon: Daemon) -> None:
    daemon.shown = Snapshot(NOON, counts={'state:a"b\\c\n\udcff': 1})
    assert (await client.ask("GET", "/metrics")).status == 200


async def test_it_needs_the_token(daemon: Daemon, door: Door) -> None:
    listening = open_listener(surface_of(daemon, door), host="127.0.0.1", port=0, token="t0ken")
    async with listening as listener:
        client = Client(listener.port)
        assert (await client.ask("GET", "/metrics")).error[:2] == (401, "unauthorized")
        assert (await client.ask("GET", "/metrics", Authorization="Bearer t0ken")).status == 200


def test_attempts_are_counted_by_outcome_with_what_they_cost() -> None:
    metrics = Metrics()
    metrics.attempt_began(ROW)
    metrics.attempt_ended(ROW, Delivered(Handoff("patch", "")), Usage(10, 20, 30, 0.5), NOON)
    metrics.attempt_ended(ROW, Failed("agent.exited", "It exited."), Usage(1, 2, 3, 0.25), NOON)
    metrics.attempt_ended(ROW, Stopped(StopReason.STALLED), Usage(), NOON)
    numbers = text_of(metrics)
    expected = {
        "symphony_attempts_begun_total{demo}": 1,
        "symphony_attempts_total{delivered,demo}": 1,
        "symphony_attempts_total{agent.exited,demo}": 1,
        "symphony_attempts_total{demo,stalled}": 1,
        "symphony_tokens_total{demo,input}": 11,
        "symphony_tokens_total{demo,output}": 22,
        "symphony_tokens_total{cached,demo}": 33,
        "symphony_cost_usd_total{demo}": 0.75,
    }
    assert {name: numbers[name] for name in expected} == expected


def test_durations_are_histograms() -> None:
    metrics = Metrics()
    metrics.turn_ended("a1", timedelta(seconds=7))
    metrics.handed_over("a1", "patch", timedelta(seconds=0.3))
    metrics.machine_booted("a1", timedelta(seconds=1.5))
    metrics.decided("Ticked", timedelta(microseconds=200))
    numbers = text_of(metrics)
    expected = {
        "symphony_turn_seconds_bucket{5.0}": 0,
        "symphony_turn_seconds_bucket{15.0}": 1,
        "symphony_turn_seconds_sum": 7,
        "symphony_handoff_seconds_count{patch}": 1,
        "symphony_machine_boot_seconds_count": 1,
        "symphony_machine_boot_seconds_sum": 1.5,
        "symphony_decision_seconds_bucket{0.00025,Ticked}": 1,
    }
    assert {name: numbers[name] for name in expected} == expected


def test_the_loops_delay_is_counted_and_its_worst_is_kept() -> None:
    metrics = Metrics()
    for late in (0.0, 0.3, 0.004):
        metrics.loop_delayed(late)
    numbers = text_of(metrics)
    assert numbers["symphony_loop_delay_seconds_bucket{0.005}"] == 2
    assert numbers["symphony_loop_delay_seconds_count"] == 3
    assert numbers["symphony_loop_worst_delay_seconds"] == 0.3


async def test_the_loops_tasks_are_counted(client: Client) -> None:
    assert numbers_of(await client.ask("GET", "/metrics"))["symphony_loop_tasks"] >= 1


def test_figures_that_an_agent_makes_up_cannot_break_a_counter() -> None:
    metrics = Metrics()
    metrics.attempt_ended(ROW, Stopped(StopReason.DRAINED), Usage(-5, 10**30, 0, -1.0), NOON)
    assert text_of(metrics)["symphony_tokens_total{demo,input}"] == 0


@pytest.mark.parametrize("meter", [Metrics(), Meters()])
def test_it_is_a_meter(meter: Meter) -> None:
    meter.phase_began("a1", None, 1, NOON)  # type: ignore[arg-type]


async def test_the_engine_measures_a_whole_attempt() -> None:
    world, metrics = World(), Metrics()
    world.meter = Meters(metrics)
    async with world.running():
        world.drop("7", "---\ntitle: Fix it\n---\n")
        await world.until(lambda: world.state_of("7") == "Done" and world.engine.supervisor.idle)
    numbers = text_of(metrics)
    assert numbers["symphony_attempts_begun_total{demo}"] == 1
    assert numbers["symphony_attempts_total{delivered,demo}"] == 1
    assert numbers["symphony_turn_seconds_count"] == 1
    assert sum(numbers[name] for name in numbers if name.startswith("symphony_handoff_seconds_count")) == 1
    assert numbers["symphony_decision_seconds_count{Ticked}"] >= 1
