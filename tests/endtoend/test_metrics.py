"""What a real daemon measures of an attempt, as Prometheus and a trace collector get it."""

import asyncio
from urllib.request import urlopen

import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from tests.support.project import BOUND_S, Project

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


def read(url: str) -> dict[str, float]:
    with urlopen(url, timeout=30) as answer:
        text = answer.read().decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        " ".join([sample.name, *map(str, sample.labels.values())]): sample.value
        for sample in samples
        if not sample.name.endswith("_created")
    }


async def test_a_delivered_issue_is_in_the_numbers(project: Project) -> None:
    project.drop("7")
    async with project.daemon() as daemon:
        await daemon.until(lambda: project.patch("7").exists() and project.state_of("7") == "Done")
        await daemon.until_outcome("7")
        url = f"{daemon.said.running.url}/metrics"

        async def numbers() -> dict[str, float]:
            return await asyncio.to_thread(read, url)

        async with asyncio.timeout(BOUND_S):
            while "symphony_attempts_total claude delivered" not in (found := await numbers()):
                assert not daemon.task.done()
    assert found["symphony_state_issues Done"] == 1
    assert found["symphony_handoff_seconds_count patch"] == 1
    assert found["symphony_turn_seconds_sum"] > 0
    assert found["symphony_decision_seconds_count Ticked"] >= 1
    assert found["symphony_slots_limit"] == 10


async def test_its_trace_reaches_a_collector(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")
    received: list[bytes] = []

    async def take(request: web.BaseRequest) -> web.Response:
        received.append(await request.read())
        return web.Response()

    runner = web.ServerRunner(web.Server(take), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{runner.addresses[0][1]}")
        project.drop("7")
        async with project.daemon(until_idle=True) as daemon:
            await daemon.until(daemon.task.done)
    finally:
        await runner.cleanup()
    sent = b"".join(received)
    for words in (b"attempt", b"in a turn", b"handing over", b"delivered"):
        assert words in sent
