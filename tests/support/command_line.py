"""The `symphony` command as a person or a script starts it: a process with its own streams."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BOUND_S = 60.0  # for a command that takes half a second; only a failure takes so long
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
    "TERM": "xterm",
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    status: int
    out: str
    err: str


def argv(*words: str) -> list[str]:
    """Return the program with its arguments."""
    return [sys.executable, "-m", "symphony", *words]


def symphony(
    folder: Path, *words: str, stdin: bytes = b"", environment: Mapping[str, str] | None = None
) -> Ran:
    """Run a command to its end, its output on pipes."""
    ran = subprocess.run(
        argv(*words),
        cwd=folder,
        env={**ENVIRONMENT, **(environment or {})},
        input=stdin,
        capture_output=True,
        timeout=BOUND_S,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def on_terminal(folder: Path, *words: str, columns: int, environment: Mapping[str, str] | None = None) -> str:
    """Return what a command prints on a terminal of this width."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen(
            argv(*words), cwd=folder, env={**ENVIRONMENT, **(environment or {})}, stdout=theirs
        )
    finally:
        os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:
        pass  # Linux's word for the other side being closed
    finally:
        os.close(ours)
        process.wait(BOUND_S)
    return shown.decode().replace("\r\n", "\n")
