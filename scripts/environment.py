"""A virtual environment of the repository's own, made once, and brought up to date when its inputs change.

Used by the scripts beside it; needs nothing but Python 3.11 or newer.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NEWEST = (3, 13)
SLOW_S = 10.0  # past this a step that is still going says so
INSTALL_BOUND_S = 900.0  # a slow network may take minutes; longer is a network that hangs


def enter(*groups: str) -> None:
    """Go on in the repository's environment with these dependency groups, made first if need be.

    Returns at once when that environment is the one that runs already.
    """
    folder = ROOT / ".venv"
    python = folder / "bin" / "python"
    if Path(sys.prefix) == folder and "SYMPHONY_ENVIRONMENT" in os.environ:
        return
    require_git()
    with lock():
        update(folder, python, frozenset(groups))
    script = str(Path(sys.argv[0]).resolve())
    environment = {**os.environ, "SYMPHONY_ENVIRONMENT": "1", "VIRTUAL_ENV": str(folder)}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
    environment.pop("PYTHONHOME", None)
    os.execve(python, [str(python), script, *sys.argv[1:]], environment)


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Hold the environment against another script that would change it at the same time."""
    with (ROOT / ".venv.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def update(folder: Path, python: Path, groups: frozenset[str]) -> None:
    """Make the environment, or install what it lacks; nothing that it has is taken away from it."""
    stamp = folder / ".complete"
    before = read_stamp(stamp)
    if before is not None and before[0] == digest() and groups <= before[1]:
        return
    if before is None or run_quietly([str(python), "-c", "import sys"]) != 0:
        shutil.rmtree(folder, ignore_errors=True)
        base = find_python()
        step(f"making a virtual environment with {base}", [base, "-m", "venv", str(folder)])
        before = ("", frozenset())
        pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
        step("bringing pip up to date", [*pip, "--upgrade", "pip>=25.1"])
    wanted = groups | before[1]
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet"]
    options = [word for group in sorted(wanted) for word in ("--group", group)]
    step("installing symphony and what it needs", [*pip, "--editable", str(ROOT), *options])
    stamp.write_text(f"{digest()} {' '.join(sorted(wanted))}")


def read_stamp(stamp: Path) -> tuple[str, frozenset[str]] | None:
    """Return what the environment was made from, and its groups; none when it was not completed."""
    try:
        made_from, *groups = stamp.read_text().split()
    except (OSError, ValueError):
        return None
    return made_from, frozenset(groups)


def run_quietly(argv: list[str]) -> int:
    """Return a command's status; 127 when there is no such command."""
    try:
        return subprocess.run(argv, capture_output=True, timeout=60, check=False).returncode
    except OSError:
        return 127


def step(what: str, argv: list[str]) -> None:
    """Run one step, saying what it does, and now and then that it still does it."""
    say(what)
    began = time.monotonic()
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        while True:
            try:
                output, _ = process.communicate(timeout=SLOW_S)
                break
            except subprocess.TimeoutExpired:
                seconds = time.monotonic() - began
                say(f"  still {what} ({seconds:.0f} s)")
                if seconds > INSTALL_BOUND_S:
                    process.kill()
        if process.returncode == 0:
            return
    text = output.decode("utf-8", "replace").strip()
    hint = ""
    if "ensurepip" in text:
        hint = "\nYour Python has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv"
    fail(f"failed: {what}\n{text[-4000:]}{hint}")


def find_python() -> str:
    """Return a Python that symphony runs on: this one if it will do, else one on PATH."""
    if OLDEST <= sys.version_info[:2] <= NEWEST and sysconfig.get_config_var("Py_GIL_DISABLED") in (0, None):
        return getattr(sys, "_base_executable", None) or sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found
    return fail(
        f"symphony needs Python 3.11 to 3.13; this is {sys.version.split()[0]} and PATH has no other."
    )


def require_git() -> None:
    """End with a reason when git is missing."""
    if shutil.which("git") is None:
        fail("symphony needs git on PATH. On Debian and Ubuntu: apt-get install git")


def digest() -> str:
    """Return a value that changes when the environment has to be brought up to date."""
    inputs = [(ROOT / "pyproject.toml").read_bytes(), str(ROOT).encode()]
    return hashlib.sha256(b"\0".join(inputs)).hexdigest()


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def fail(reason: str) -> NoReturn:
    """End with a reason."""
    print(reason, file=sys.stderr, flush=True)
    raise SystemExit(1)
