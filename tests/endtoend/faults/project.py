"""A project on whose daemon, agent, hooks, git, disk and clock a test lays its hands, and its end."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from symphony.store.reader import read_store
from tests.endtoend.faults.clock import BentClock
from tests.support.project import AGENTS, BOUND_S, LOOK_S, Project, git

READY = "Ctrl-C stops it"  # said once signals are listened to
HERE = Path(__file__).resolve().parent
TEXT = "---\n# kept as it is\ntitle:   Two files\npriority: 2\n---\nPlease write them.\n"


@dataclass(frozen=True)
class End:
    """All that a person may rely on once an issue is done.

    Attributes:
        status: of the daemon that ended by itself.
        tree: of a fresh clone to which the patch was applied.
        subjects: of the commits in it.
        delivered: how often the store says that work was handed over.
        workspaces, scratch: what is left of folders that were made for the work.
        processes: what is left of agents, hooks and git.
        intents: what the journal does not know the end of.
    """

    status: int
    state: str | None
    text: bytes
    tree: str
    subjects: tuple[str, ...]
    patches: int
    delivered: int
    workspaces: tuple[str, ...]
    scratch: tuple[str, ...]
    processes: tuple[str, ...]
    intents: int


class FaultProject(Project):
    """A project with one issue of the steady agent, under a folder of its own.

    Attributes:
        notes: where programs note that they were there, and are told what to do.
        sections: of its workflow.
    """

    def __init__(self, root: Path, **sections: Any) -> None:
        super().__init__(root / "project")
        self.place = root
        self.notes = root / "notes"
        self.notes.mkdir()
        path = shlex.quote(os.environ["PATH"])  # the agent's own git is never a wrapped one
        program = [sys.executable, str(HERE / "agent.py"), str(self.notes), str(AGENTS)]
        acp = {"command": f"PATH={path} exec {shlex.join(program)}", **sections.pop("acp", {})}
        patience = {"max_retry_backoff_ms": 50, "max_failures": 1000, **sections.pop("agent", {})}
        # a machine that is nearly full is another test's
        self.sections = {"acp": acp, "agent": patience, "retention": {"min_free_mib": None}, **sections}
        self.configure(**self.sections)

    @contextmanager
    def process(
        self, *words: str, environment: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon until the context is left, which kills it if it still runs."""
        argv = [*prefix, sys.executable, str(HERE / "daemon.py"), "run", "--port", "0", *words]
        with (self.place / "said").open("ab") as said:
            started = subprocess.Popen(
                argv, cwd=self.root, stdout=said, stderr=said, env={**os.environ, **(environment or {})}
            )
        try:
            yield started
        finally:
            with suppress(ProcessLookupError):
                started.send_signal(signal.SIGCONT)
                started.kill()
            started.wait(BOUND_S)

    @contextmanager
    def ready(
        self, *words: str, environment: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run the daemon, from the moment at which it is ready."""
        before = len(self.said())
        with self.process(*words, environment=environment, prefix=prefix) as started:
            self.until(lambda: READY in self.said()[before:], started)
            yield started

    def stop(self, daemon: subprocess.Popen[bytes]) -> int:
        """Ask the daemon to end, and return its exit status."""
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(BOUND_S)

    def finish(self, **variables: str) -> int:
        """Run the daemon until idle and return its exit status."""
        with self.process("--until-idle", environment=variables) as started:
            return started.wait(BOUND_S)

    def published(self) -> dict[str, Any]:
        """Return what the running daemon says of itself."""
        try:
            words: dict[str, Any] = json.loads((self.root / ".symphony/daemon.json").read_text())
        except (OSError, ValueError):
            return {}
        return words

    def state_now(self) -> dict[str, Any]:
        """Return what `GET /api/v1/state` says."""
        with urlopen(self.published()["url"] + "/api/v1/state", timeout=10) as answer:
            state: dict[str, Any] = json.load(answer)
        return state

    def standing(self, issue_id: str = "1") -> str:
        """Return where the issue stands, in the running daemon's words."""
        with urlopen(f"{self.published()['url']}/api/v1/issues/{issue_id}", timeout=10) as answer:
            return str(json.load(answer)["standing"])

    def tells(self, pattern: str) -> bool:
        """Say whether the running daemon tells of this, on its pages' state or its console."""
        return re.search(pattern, json.dumps(self.state_now()) + self.said()) is not None

    def ask(self, action: str, issue_id: str = "1") -> None:
        """Have the running daemon do this with the issue.

        Raises:
            OSError: it did not answer.
        """
        url = f"{self.published()['url']}/api/v1/issues/{issue_id}/{action}"
        request = Request(url, b"{}", {"Content-Type": "application/json"}, method="POST")
        with urlopen(request, timeout=BOUND_S) as answer:
            answer.read()

    def hour_of_daemon(self) -> str:
        """Return the date and hour that the running daemon believes in."""
        return str(self.state_now()["generated_at"])[:13]

    def clock(self) -> BentClock:
        """Return the clock of daemons that are started with its variables."""
        return BentClock(self.place / "clock")

    def told_in_files(self) -> str:
        """Return what the daemon wrote to its log and to the issue's."""
        logs = (self.root / ".symphony/logs").glob("*")
        return self.said() + "".join(path.read_text(errors="replace") for path in logs)

    def said(self) -> str:
        """Return all that the daemons said on the console."""
        path = self.place / "said"
        return path.read_text(errors="replace") if path.exists() else ""

    def until(self, condition: Callable[[], Any], process: subprocess.Popen[bytes] | None = None) -> None:
        """Return once the condition holds; fail if the process ends before, or after the bound."""
        deadline = time.monotonic() + BOUND_S
        while not condition():
            if process is not None and process.poll() is not None and not condition():
                pytest.fail(f"the daemon ended with {process.returncode}: {self.said()}")
            assert time.monotonic() < deadline, f"it never came true; the daemon said: {self.said()}"
            time.sleep(LOOK_S)

    def kill_at(self, point: str) -> None:
        """Let the program that passes this point next end itself by SIGKILL."""
        (self.notes / f"kill-{point}").touch()

    def was_killed_at(self, point: str) -> bool:
        """Say whether a program has ended itself there."""
        return (self.notes / f"killed-{point}").exists()

    def hold_at(self, point: str) -> None:
        """Let whoever passes this point wait there until released."""
        (self.notes / f"hold-{point}").touch()

    def is_held_at(self, point: str) -> bool:
        """Say whether somebody waits there."""
        return (self.notes / f"held-{point}").exists()

    def release(self, point: str) -> None:
        """Let who waits there go on."""
        (self.notes / f"hold-{point}").unlink()

    def turns(self) -> int:
        """Return how many agents have begun a turn."""
        return len(list(self.notes.glob("turn-*")))

    def script(self, point: str) -> str:
        """Return a shell script that passes this point, as a hook would."""
        kill, killed = self.notes / f"kill-{point}", self.notes / f"killed-{point}"
        return f"if [ -e {kill} ]; then mv {kill} {killed}; kill -9 $$; fi"

    def leftovers(self) -> tuple[str, ...]:
        """Return the programs that work in the project or carry its name, the daemon apart."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                near = process.cwd().startswith(str(self.place)) or any(
                    str(self.place) in word for word in words
                )
                if near and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(shlex.join(words))
        return tuple(found)

    def end(self, status: int, issue_id: str = "1") -> End:
        """Return how it ended; called when no daemon runs."""
        state = self.state_of(issue_id)
        clone = self.place / f"clone-{issue_id}"
        shutil.rmtree(clone, ignore_errors=True)
        if self.patch(issue_id).exists():
            self.apply(issue_id, clone)
        delivered, intents = asyncio.run(self._stored(issue_id))
        return End(
            status=status,
            state=state,
            text=(self.root / f"issues/{state}/{issue_id}.md").read_bytes(),
            tree=git(clone, "rev-parse", "HEAD^{tree}") if clone.exists() else "",
            subjects=tuple(git(clone, "log", "--format=%s").splitlines()) if clone.exists() else (),
            patches=len(list((self.root / ".symphony/patches").glob(f"agent_{issue_id}[._-]*"))),
            delivered=delivered,
            workspaces=names_in(self.root / ".symphony/workspaces"),
            scratch=names_in(self.root / ".symphony/tmp"),
            processes=self.leftovers(),
            intents=intents,
        )

    def ends(self, issue_id: str = "1") -> list[dict[str, Any]]:
        """Return how the issue's attempts ended, as its run log has it."""
        return [line for line in self.log(issue_id) if line["kind"] == "ended"]

    def is_over(self, issue_id: str = "1") -> bool:
        """Say whether the issue is done, delivered, and its workspace gone."""
        done = self.state_of(issue_id) == "Done" and self.patch(issue_id).exists()
        ends = self.ends(issue_id)
        return done and bool(ends) and ends[-1]["outcome"] == "delivered"

    async def _stored(self, issue_id: str) -> tuple[int, int]:
        async with read_store(self.root / ".symphony/symphony.db") as store:
            handoffs = await store.recent_handoffs(1000)
            delivered = [row for row in handoffs if row.issue_id == issue_id]
            return len(delivered), len((await store.load()).open_intents)


def names_in(folder: Path) -> tuple[str, ...]:
    """Return what is in a folder, hidden or not."""
    return tuple(sorted(path.name for path in folder.iterdir())) if folder.exists() else ()
