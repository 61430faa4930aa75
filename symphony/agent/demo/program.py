"""One command of the demo agent, bounded in time and ended with all that it started.

Everything here blocks: `Shell` calls it from threads.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

MARK = "SYMPHONY_DEMO_COMMAND"  # not the mark of the agent itself, by which a driver finds all of it
TERM_GRACE_S = 2.0  # lets a test runner clean up
KILL_GRACE_S = 2.0  # the kernel needs no longer
OUTPUT_GRACE_S = 0.5  # for the last output after the command itself has ended
LOOK_S = 0.02  # between two looks at what is left
CHUNK_BYTES = 1 << 16


class Program:
    """A running command, its output kept from the end; wait for it or end it."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output_limit: int,
        stdin: bytes | None = None,
    ) -> None:
        """Start it in a session of its own.

        Raises:
            OSError: it cannot be started.
        """
        self._mark = uuid.uuid4().hex
        self._limit = output_limit
        self._output = bytearray()
        self._process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**environment, MARK: self._mark},
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if stdin is not None:
            threading.Thread(target=self._feed, args=(stdin,), daemon=True).start()

    def wait(self, bound_s: float) -> int | None:
        """Return its exit status once nothing of it is left; None when it was ended at its bound."""
        status: int | None = None
        with suppress(subprocess.TimeoutExpired):
            status = self._process.wait(bound_s)
            self._reading.join(OUTPUT_GRACE_S)
        self.end()
        return status

    def end(self) -> None:
        """End it and all that it started, in bounded time; repeating it does nothing."""
        for number, grace_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_GRACE_S)):
            deadline = time.monotonic() + grace_s
            while self._is_there() and time.monotonic() < deadline:
                self._signal(number)
                time.sleep(LOOK_S)
        self._reading.join(OUTPUT_GRACE_S)

    @property
    def output(self) -> bytes:
        """The end of stdout and stderr, in order."""
        return bytes(self._output)

    def _is_there(self) -> bool:
        return self._process.poll() is None or bool(marked(self._mark))

    def _signal(self, number: signal.Signals) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
        for process in marked(self._mark):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is not None:
            with stream:
                while data := os.read(stream.fileno(), CHUNK_BYTES):
                    self._output += data
                    del self._output[: max(0, len(self._output) - self._limit)]

    def _feed(self, data: bytes) -> None:
        stream = self._process.stdin
        if stream is not None:
            with suppress(BrokenPipeError), stream:  # a command that does not want it is free to leave it
                stream.write(data)


def marked(mark: str) -> list[int]:
    """Return the processes whose environment carries the mark; none where there is no /proc."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
