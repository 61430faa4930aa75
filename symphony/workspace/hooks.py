"""Hooks: the user's own shell commands around an attempt [CONTRACT 8]."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from symphony.core.ports import HookResult
from symphony.host.inherited import inherited
from symphony.host.process import ProcessError, run_group

OUTPUT_LIMIT = 65_536  # bytes of a hook's output that people see [CONTRACT 8]


def shell_environment(cwd: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return all of a hook's environment: the basics, the given variables, and a bound for git.

    Without the bound a git command in a workspace whose `.git` an agent has deleted would work
    in whatever repository lies around the workspace, such as the user's own.
    """
    return {
        **inherited(os.environ),
        "GIT_CEILING_DIRECTORIES": str(cwd.parent),
        **{name: value.replace("\0", "") for name, value in variables.items()},
    }


async def run_script(
    name: str, script: str, cwd: Path, variables: Mapping[str, str], timeout_ms: int
) -> HookResult:
    """Run a script with `sh -lc` to its end, its whole process group killed at the timeout.

    Never raises for what the script does, nor when it cannot be started: that is a result too.
    """
    started = time.monotonic()
    try:
        result = await run_group(
            ("sh", "-lc", script.replace("\0", "")),
            cwd=cwd,
            env=shell_environment(cwd, variables),
            timeout_s=timeout_ms / 1000,
            output_limit=OUTPUT_LIMIT,
            merge_output=True,
        )
    except ProcessError as error:
        return HookResult(name, 127, str(error), time.monotonic() - started)
    output = result.stdout.decode("utf-8", "replace")
    if result.exit_status is None:
        output += f"\n{name} did not end within {timeout_ms} ms and was killed.\n"
    return HookResult(name, result.exit_status, output, time.monotonic() - started)
