"""The smolvm program: which one, of which version, and calls of it that are bounded in time.

The only module that starts it. Secrets reach it through its environment, by name; it is never
given a value on its command line, where any user of the host could read it.
"""

import importlib.util
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from symphony.host.process import HostProcess, ProcessError, run_group, start_group
from symphony.sandbox.smolvm.errors import WITHOUT_MACHINES, EngineError, engine_error, engine_timeout

PROGRAM = "smolvm"
PACKAGE, PACKAGED_PROGRAM = "smol", "smol-vmm"  # of the wheel `smolmachines`
OLDEST, BELOW = (1, 32), (2, 0)  # from the first with `--credential` and `--mount-socket` as used here
VERSION = re.compile(r"\b(\d+)\.(\d+)(?:\.(\d+))?")
ROOMY = ("/bin/sh", "-c", 'ulimit -n "$(ulimit -H -n)"; exec "$@"', "sh")
ASK_TIMEOUT = 20.0  # seconds for what only reads; it takes milliseconds on an idle host
OUTPUT_LIMIT = 8 << 20  # bytes: `machine ls --json` of a thousand machines is about one MiB
KEPT_VARIABLES = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"}
)
KEPT_PREFIXES = ("XDG_", "SMOLVM_", "LC_")
PATIENCE = {"SMOLVM_AGENT_READY_TIMEOUT_SECS": "180"}  # a boot on a loaded host stands still for over 30 s
NOT_KEPT = frozenset({"SMOLVM_MACHINE_NAME"})  # it would be taken for the machine's name


@dataclass(frozen=True, slots=True)
class Engine:
    """One smolvm program.

    Attributes:
        version: as it names itself, such as `1.32.2`.
        state_dir: where it keeps machines and images; None is its own default.
        environment: what it inherits of the daemon's.
    """

    program: Path
    version: str = ""
    state_dir: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def call(
        self,
        *arguments: str,
        doing: str,
        timeout_s: float = ASK_TIMEOUT,
        secrets: Mapping[str, str] | None = None,
        roomy: bool = False,
    ) -> bytes:
        """Run one command to its end and return its stdout.

        Args:
            arguments: after the program's name; never a secret.
            doing: what this is, for an error: "start the machine x".
            timeout_s: seconds until it is ended.
            secrets: variables for this call alone.
            roomy: with as many open files as this host allows.

        Raises:
            EngineError: `sandbox.engine_timeout` and what the engine's own code stands for.
        Cancellation: the command is ended first.
        """
        try:
            result = await run_group(
                (*(ROOMY if roomy else ()), *self._argv(arguments)),
                cwd=Path("/"),
                env={**self.environment, **(secrets or {})},
                timeout_s=timeout_s,
                output_limit=OUTPUT_LIMIT,
            )
        except ProcessError as error:
            raise _not_started(self.program, error) from error
        if result.exit_status is None:
            raise engine_timeout(doing, timeout_s)
        if result.exit_status != 0:
            raise engine_error(doing, result.exit_status, result.stderr)
        return result.stdout

    async def open(self, *arguments: str, secrets: Mapping[str, str] | None = None) -> HostProcess:
        """Start a command and return it with its pipes; whoever does awaits its `kill` in the end.

        Raises:
            EngineError: `sandbox.engine_missing`.
        """
        try:
            return await start_group(
                self._argv(arguments), cwd=Path("/"), env={**self.environment, **(secrets or {})}
            )
        except ProcessError as error:
            raise _not_started(self.program, error) from error

    def _argv(self, arguments: tuple[str, ...]) -> tuple[str, ...]:
        state = () if self.state_dir is None else ("--state-dir", str(self.state_dir))
        return (str(self.program), "--error-format", "json", *state, *arguments)


async def open_engine(
    binary: str | None, environ: Mapping[str, str], *, state_dir: Path | None = None
) -> Engine:
    """Return the engine to use, its version checked.

    Args:
        binary: `smolvm.binary`.
        environ: the daemon's environment: PATH, and what the engine inherits.
        state_dir: as of `Engine`.

    Raises:
        EngineError: `sandbox.engine_missing`, `sandbox.engine_version`, `sandbox.engine_timeout`.
    """
    program = find_program(binary, environ)
    kept = {
        name: value
        for name, value in environ.items()
        if (name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)) and name not in NOT_KEPT
    }
    engine = Engine(program, state_dir=state_dir, environment={"PATH": os.defpath, **PATIENCE, **kept})
    said = (await engine.call("--version", doing="say its version")).decode("utf-8", "replace")
    return Engine(program, check_version(program, said), state_dir, engine.environment)


def find_program(binary: str | None, environ: Mapping[str, str]) -> Path:
    """Return the program: `smolvm.binary`, else PATH's, else the one in the installed package.

    Raises:
        EngineError: `sandbox.engine_missing`.
    """
    if binary is not None:
        path = Path(binary).expanduser()
        if os.access(path, os.X_OK) and path.is_file():
            return path
        raise EngineError(
            f"smolvm.binary names {path}, which is not a program that can be run.",
            code="sandbox.engine_missing",
            remedy="Correct `smolvm.binary` in WORKFLOW.md, or remove it to use symphony's own.",
        )
    if found := shutil.which(PROGRAM, path=environ.get("PATH", os.defpath)):
        return Path(found)
    spec = importlib.util.find_spec(PACKAGE)
    if spec is not None and spec.origin is not None:
        packaged = Path(spec.origin).parent / PACKAGED_PROGRAM
        if os.access(packaged, os.X_OK):
            return packaged
    raise EngineError(
        "The smolvm engine is not installed.",
        code="sandbox.engine_missing",
        remedy=f"Install it with `pip install smolmachines`, or put `smolvm` on PATH. {WITHOUT_MACHINES}",
    )


def check_version(program: Path, said: str) -> str:
    """Return the version in what the program says of itself.

    Raises:
        EngineError: `sandbox.engine_version`.
    """
    found = VERSION.search(said)
    wanted = f"{_dotted(OLDEST)} or newer, below {_dotted(BELOW)}"
    if found is None or PROGRAM not in said:
        raise EngineError(
            f"{program} does not say that it is smolvm.",
            code="sandbox.engine_version",
            remedy=f"Set `smolvm.binary` in WORKFLOW.md to smolvm {wanted}.",
        )
    version = found[0]
    if not OLDEST <= (int(found[1]), int(found[2])) < BELOW:
        raise EngineError(
            f"{program} is smolvm {version}; symphony works with {wanted}.",
            code="sandbox.engine_version",
            remedy="Install a fitting one with `pip install smolmachines`, or set `smolvm.binary`.",
        )
    return version


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _not_started(program: Path, error: ProcessError) -> EngineError:
    return EngineError(
        f"The smolvm engine {program} could not be started: {error.message}",
        code="sandbox.engine_missing",
        remedy="Install it again with `pip install smolmachines`, or correct `smolvm.binary`.",
    )
