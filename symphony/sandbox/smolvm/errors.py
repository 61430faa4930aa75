"""What goes wrong with the smolvm engine and its machines, in words.

The engine's own codes are stable and are what is branched on; its messages are shown, bounded and
on one line, and never decide anything.
"""

import json

from symphony.core.text import one_line
from symphony.sandbox.errors import SandboxError

MESSAGE_LIMIT = 600  # characters of the engine's own words in a reason
NOTES = (b"note: no packed assets found",)  # what the engine writes at every call and means nothing

WITHOUT_MACHINES = "Or set `sandbox: local` in WORKFLOW.md, which isolates nothing."
DOCTOR = "`symphony doctor` says what is missing."


class EngineError(SandboxError):
    """The engine could not do what it was asked to.

    Codes: `sandbox.engine_missing`, `sandbox.engine_version`, `sandbox.engine_timeout`,
    `sandbox.engine_failed`, `sandbox.kvm_unusable`, `sandbox.machine_gone`,
    `sandbox.machine_exists`, `sandbox.mount_failed`, `sandbox.disk_full`.

    Attributes:
        engine_code: the engine's own code; empty when it gave none.
    """

    code = "sandbox.engine_failed"

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "", engine_code: str = ""):
        super().__init__(message, code=code, remedy=remedy)
        self.engine_code = engine_code


OF_ENGINE = {
    "NOT_FOUND": ("sandbox.machine_gone", "Retry the issue: it gets a new machine."),
    "INTERRUPTED": ("sandbox.machine_gone", "Retry the issue: it gets a new machine."),
    "INVALID_STATE": ("sandbox.machine_gone", "Retry the issue: it gets a new machine."),
    "CONFLICT": ("sandbox.machine_exists", "Retry the issue: what an earlier run left is removed first."),
    "KVM_UNAVAILABLE": ("sandbox.kvm_unusable", f"{DOCTOR} {WITHOUT_MACHINES}"),
    "HYPERVISOR_UNAVAILABLE": ("sandbox.kvm_unusable", f"{DOCTOR} {WITHOUT_MACHINES}"),
    "STORAGE_ERROR": ("sandbox.disk_full", "Look at the free disk space, then retry the issue."),
    "MOUNT_ERROR": ("sandbox.mount_failed", "Correct `smolvm.volumes` in WORKFLOW.md, then retry the issue."),
}
"""The engine's code to ours, with what a person can do."""


def engine_error(doing: str, exit_status: int, stderr: bytes) -> EngineError:
    """Return the error for a call that ended badly.

    Args:
        doing: what was asked, as in "start the machine x".
        exit_status: the engine's.
        stderr: all that it said.
    """
    engine_code, words = parse_failure(stderr)
    code, remedy = OF_ENGINE.get(engine_code, ("sandbox.engine_failed", DOCTOR))
    said = one_line(words, MESSAGE_LIMIT) or f"it ended with status {exit_status} and said nothing"
    return EngineError(
        f"smolvm could not {doing}: {said}.", code=code, remedy=remedy, engine_code=engine_code
    )


def engine_timeout(doing: str, timeout_s: float) -> EngineError:
    """Return the error for a call that was ended at its bound."""
    return EngineError(
        f"smolvm did not {doing} within {timeout_s:g} s, and was ended.",
        code="sandbox.engine_timeout",
        remedy=f"{DOCTOR} A loaded host may need fewer attempts at once: agent.max_concurrent_agents.",
    )


def parse_failure(stderr: bytes) -> tuple[str, str]:
    """Return the engine's code and message; the code is empty when it gave none."""
    lines = [line for line in stderr.splitlines() if line.strip() and not line.startswith(NOTES)]
    for line in reversed(lines):
        try:
            failure = json.loads(line)["error"]
            return str(failure["code"]), str(failure["message"]).rstrip(".")
        except (ValueError, KeyError, TypeError):
            continue
    words = b"\n".join(lines).decode("utf-8", "replace").removeprefix("Error: ")
    return "", words.rstrip(".\n")
