"""Programs that builds run: watched line by line, bounded, ended with their children.

The only module here that starts a program. What it says is kept in the build's log.
"""

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from symphony.core.text import one_line
from symphony.sandbox.images.errors import ImageError

STILL = 10.0  # seconds of silence after which a stage says that it still runs
END_GRACE = 15.0  # mmdebstrap unmounts and removes its folder when it is asked to end
TAIL = 60  # lines that are searched for the reason of a failure
READ = 65_536


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its status, and the last lines that it said."""

    status: int
    tail: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The last line that looks like one, else the last line."""
        for line in reversed(self.tail):
            if line.startswith(("E:", "ERROR", "npm error", "npm ERR", "error")) and len(line.split()) > 3:
                return line
        return self.tail[-1] if self.tail else ""

    def says(self, *words: str) -> bool:
        """Say whether one of the words is in what it said, in any case."""
        text = "\n".join(self.tail).lower()
        return any(word in text for word in words)


@dataclass(slots=True)
class Watch:
    """Who is told how a stage goes.

    Attributes:
        tell: gets the stage, the seconds since it began, and what it does now.
        log: everything that programs say.
    """

    log: Path
    tell: Callable[[str, float, str], None]
    clock: Callable[[], float] = time.monotonic
    stage: str = ""
    began: float = 0.0
    doing: str = ""
    held: tuple[int, ...] = field(default_factory=tuple)

    def begin(self, stage: str) -> None:
        """Begin a stage."""
        self.stage, self.began, self.doing = stage, self.clock(), ""

    def note(self, doing: str) -> None:
        """Say what the stage does now."""
        self.doing = doing
        self.tell(self.stage, self.elapsed, doing)

    def still(self) -> None:
        """Say that nothing was said for a while."""
        self.tell(self.stage, self.elapsed, f"still {self.doing or 'running'}")

    @property
    def elapsed(self) -> float:
        """Seconds since the stage began."""
        return self.clock() - self.began


def run(
    argv: Sequence[str],
    watch: Watch,
    *,
    bound_s: float,
    environ: Mapping[str, str],
    cwd: Path,
    notice: Callable[[str], str | None] = lambda _: None,
    stdout: IO[bytes] | None = None,
) -> Ended:
    """Run a program to its end.

    Args:
        argv: the program and its arguments.
        environ: of the program.
        cwd: where it starts.
        watch: told what `notice` makes of each line, and that it still runs.
        bound_s: seconds after which it is ended.
        notice: returns what a person should read of a line.
        stdout: where its output goes, when that is not for reading.

    Raises:
        ImageError: `image.stage_timeout`.
        FileNotFoundError: there is no such program.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    with watch.log.open("ab") as log:
        log.write(f"\n{watch.stage}: {' '.join(argv)}\n".encode("utf-8", "replace"))
        log.flush()
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=stdout or subprocess.PIPE,
            stderr=subprocess.PIPE if stdout else subprocess.STDOUT,
            env=environ,
            cwd=cwd,
            start_new_session=True,
            pass_fds=watch.held,
        )
        pipe = cast("IO[bytes]", process.stderr if stdout else process.stdout)
        try:
            deadline = watch.clock() + bound_s
            for line in _lines(pipe, watch, deadline):
                log.write(line)
                text = one_line(line.decode("utf-8", "replace"), 400)
                if text:
                    tail.append(text)
                    if said := notice(text):
                        watch.note(said)
            status = process.wait(max(END_GRACE, deadline - watch.clock()))
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise ImageError(
                f"The stage {watch.stage} did not end within {bound_s / 60:.0f} minutes, and was ended.",
                code="image.stage_timeout",
                remedy=f"Read {watch.log}, then run the build again: finished stages are kept.",
            ) from error
        finally:
            _end(process)
            pipe.close()
    return Ended(status, tuple(tail))


def _lines(pipe: IO[bytes], watch: Watch, deadline: float) -> Iterator[bytes]:
    """Yield whole lines until the pipe is closed."""
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            left = deadline - watch.clock()
            if left <= 0:
                raise TimeoutError
            if not selector.select(min(STILL, left)):
                if left > STILL:
                    watch.still()
                continue
            chunk = os.read(pipe.fileno(), READ)
            if not chunk:
                break
            *whole, pending = (pending + chunk).replace(b"\r", b"\n").split(b"\n")
            yield from (line + b"\n" for line in whole)
    if pending:
        yield pending + b"\n"


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started: asked first, then not asked."""
    with suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # children may be there when it is not
    process.wait()
