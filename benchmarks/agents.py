"""How long each real agent takes until its session is ready, and how much memory it takes.

Run `python benchmarks/agents.py [--starts 5] [--agents claude,codex,opencode]`. The programs are those of
the guest image, which `scripts/test tests/realagents` installs below `.agents`; they run on the host with
a home of their own against the scripted model, and are started as the daemon starts them. Memory is that of
the program and all that it started, each page shared between them counted once (PSS).
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import psutil
from figures import ROOT, Figure, begin, load, ms, show

sys.path.insert(0, str(ROOT / "scripts"))

from symphony.agent import AcpAgents
from symphony.core.agent import AgentEvent, SessionSpec
from symphony.core.ports import SandboxSpec
from symphony.core.settings import AcpSettings
from symphony.sandbox.local import LocalDriver
from tests.models.script import Say
from tests.models.server import Model, open_model
from tests.realagents.conftest import AGENTS, configure

PATIENCE_MS = 180_000
MIB = 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--agents", default=",".join(AGENTS))
    parser.add_argument("--starts", type=int, default=5)
    chosen = parser.parse_args()
    from real_agents import real_agents

    programs = real_agents()
    begin()
    for agent in chosen.agents.split(","):
        show(*measure(agent, programs, chosen.starts))


def measure(agent: str, programs: Path, starts: int) -> tuple[str, list[Figure]]:
    """Return a title and rows for one agent; a first start, which is not counted, fills the page cache."""
    runs = [asyncio.run(_once(agent, programs)) for _ in range(starts + 1)][1:]
    shaken, ready, opened, prompted = zip(*runs, strict=True)
    busy = load()
    return f"{agent}: {starts} starts", [
        Figure("start to the answer to the handshake", ms(shaken), load=busy),
        Figure("start to session ready", ms(ready), load=busy),
        Figure("memory with its session open", opened, unit="MiB", load=busy),
        Figure("memory after a turn", prompted, unit="MiB", load=busy),
    ]


async def _once(agent: str, programs: Path) -> tuple[float, float, float, float]:
    with tempfile.TemporaryDirectory(prefix="symphony-bench-") as folder:
        home, workspace = Path(folder) / "home", Path(folder) / "workspace"
        home.mkdir()
        workspace.mkdir()
        async with open_model() as model:
            return await _session(agent, programs, home, workspace, model)


async def _session(
    agent: str, programs: Path, home: Path, workspace: Path, model: Model
) -> tuple[float, float, float, float]:
    environ = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    environ |= configure(agent, model.url, home)
    acp = AcpSettings.model_validate({"adapter": agent, "read_timeout_ms": PATIENCE_MS})
    shaken: list[float] = []

    def hear(event: AgentEvent) -> None:
        if event.kind == "program":
            shaken.append(time.perf_counter() - began)

    agents = AcpAgents(environ=environ)
    await agents.preload()
    model.play(Say("It is done."))
    async with LocalDriver(environ).open_sandbox(SandboxSpec(workspace)) as sandbox:
        began = time.perf_counter()
        async with agents.open_session(SessionSpec(acp, workspace), sandbox, hear) as session:
            ready = time.perf_counter() - began
            opened = _memory()
            await session.prompt("Say that it is done.")
            return shaken[0], ready, opened, _memory()


def _memory() -> float:
    """Return the mebibytes of all processes below this one."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / MIB


if __name__ == "__main__":
    main()
