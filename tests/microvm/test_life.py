"""Machines over the life of a daemon: made for an attempt, gone after it, whatever ends either."""

import asyncio
import json
import os
import platform
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.machines import list_machines
from symphony.store.reader import read_store
from tests.support.command_line import argv
from tests.support.microvm import BOUND_S, IMAGE, spec_of
from tests.support.project import git

pytestmark = pytest.mark.timeout(420)

LOOK_S = 0.1
FIX = """---
title: Say what it is
---
```replace README.md
<<<<
a project
====
a project of ours
>>>>
```
"""


class Place:
    """A project whose issues are worked on in machines by the demo agent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        git(root, "init", "--quiet", "--initial-branch=main")
        (root / "README.md").write_text("a project\n")
        git(root, "add", "-A")
        git(root, "commit", "--quiet", "-m", "Start")
        (root / "issues" / "Todo").mkdir(parents=True)
        settings = {
            "acp": {"adapter": "demo"},
            "smolvm": {"image": IMAGE, "cpus": 1, "mem_mib": 512},
            "agent": {"max_retry_backoff_ms": 1000},
        }
        (root / "WORKFLOW.md").write_text(f"---\n{json.dumps(settings)}\n---\n")

    def drop(self, issue_id: str, text: str) -> None:
        """Put an issue there."""
        (self.root / "issues" / "Todo" / f"{issue_id}.md").write_text(text)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            argv(*words), cwd=self.root, capture_output=True, text=True, timeout=BOUND_S, check=False
        )

    @contextmanager
    def daemon(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the context is left, which kills it if it still runs."""
        process = subprocess.Popen(
            argv("--port", "0"), cwd=self.root, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(BOUND_S)

    def machines(self) -> list[dict[str, Any]]:
        """Return the machines that symphony has made, as the engine lists them."""
        ran = subprocess.run(
            ["smolvm", "machine", "ls", "--json"], capture_output=True, timeout=BOUND_S, check=True
        )
        return [row for row in json.loads(ran.stdout) if row["labels"].get("installation") == self.label()]

    def label(self) -> str:
        """Return the label of this installation's machines."""

        async def ask() -> str:
            async with read_store(self.root / ".symphony" / "symphony.db") as store:
                return await store.installation_id()

        return asyncio.run(ask()) if (self.root / ".symphony" / "symphony.db").exists() else "none yet"

    def phases(self, issue_id: str) -> list[str]:
        """Return the phases that an issue went through."""
        log = self.root / ".symphony" / "logs" / f"{issue_id}.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line["phase"] for line in map(json.loads, lines) if line["kind"] == "phase"]

    def assert_delivered(self, issue_id: str, place: Path) -> None:
        """Check that the patch applies and holds the work once."""
        clone = place / f"clone-{issue_id}"
        git(place, "clone", "--quiet", str(self.root), str(clone))
        git(clone, "am", "--quiet", str(self.root / ".symphony" / "patches" / f"agent_{issue_id}.patch"))
        assert (clone / "README.md").read_text() == "a project of ours\n"
        assert len(git(clone, "log", "--format=%s").splitlines()) == 2


def test_an_issue_is_worked_on_in_a_machine_of_its_own_that_is_gone_afterwards(place: Path) -> None:
    project = Place(place / "project")
    project.drop("1", FIX)

    ran = project.run("--until-idle")
    shown = project.run("show", "1")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "demo in smolvm, guest kernel " in shown.stdout
    assert f"guest kernel {platform.release()}" not in shown.stdout
    assert project.machines() == []
    project.assert_delivered("1", place)


async def test_a_machine_that_dies_ends_its_programs_and_says_so(place: Path) -> None:
    driver = SmolvmDriver(os.environ, place / "kit")
    workspace = place / "workspace"
    workspace.mkdir()
    labels = {"installation": str(place), "issue": "1", "attempt": "1.1"}
    async with driver.open_sandbox(spec_of(workspace, labels)) as sandbox:
        program = await sandbox.start(["sh", "-c", "echo ready; sleep 1000"])
        assert await program.read_stdout(100) == b"ready\n"
        (row,) = await list_machines(await driver.engine(None), labels)
        assert row.pid is not None
        os.kill(row.pid, signal.SIGKILL)

        status = await program.wait()
        said = b""
        while piece := await program.read_stderr(10_000):
            said += piece

        assert status != 0
        assert f"the machine {sandbox.machine.name} does not run any more".encode() in said
        with pytest.raises(Exception, match="does not run any more") as refused:
            await sandbox.start(["true"])
        assert getattr(refused.value, "code", "") == "sandbox.machine_gone"
    assert await list_machines(await driver.engine(None), labels) == ()


async def test_a_guest_that_eats_its_memory_and_forks_without_end_is_removed_all_the_same(
    place: Path,
) -> None:
    driver = SmolvmDriver(os.environ, place / "kit")
    workspace = place / "workspace"
    workspace.mkdir()
    labels = {"installation": str(place), "issue": "1", "attempt": "1.1"}
    async with driver.open_sandbox(spec_of(workspace, labels)) as sandbox:
        eater = ["python3", "-c", "b = [bytearray(1 << 20) for _ in range(4096)]"]
        eaten = await sandbox.run(eater, timeout_s=BOUND_S)
        bomb = await sandbox.start(["sh", "-c", "bomb() { bomb | bomb & }; bomb; echo lit; sleep 1000"])
        lit = await bomb.read_stdout(100)

    assert eaten.exit_status not in (0, None)
    assert lit in (b"lit\n", b"")
    assert await list_machines(await driver.engine(None), labels) == ()


async def test_an_engine_call_that_is_killed_fails_the_opening_and_leaves_nothing(place: Path) -> None:
    killer = place / "bin" / "smolvm"
    killer.parent.mkdir()
    real = subprocess.run(["sh", "-c", "command -v smolvm"], capture_output=True, text=True, check=True)
    killer.write_text(
        f'#!/bin/sh\ncase "$*" in *"machine start"*) kill -9 $$;; esac\nexec {real.stdout.strip()} "$@"\n'
    )
    killer.chmod(0o755)
    workspace = place / "workspace"
    workspace.mkdir()
    labels = {"installation": str(place), "issue": "1", "attempt": "1.1"}
    spec = spec_of(workspace, labels)
    driver = SmolvmDriver({**os.environ, "PATH": f"{killer.parent}:{os.environ['PATH']}"}, place / "kit")

    with pytest.raises(Exception, match="smolvm could not start the machine"):
        async with driver.open_sandbox(spec):
            pytest.fail("it opened")

    assert await list_machines(await driver.engine(None), labels) == ()
