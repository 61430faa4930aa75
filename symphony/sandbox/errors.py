"""What goes wrong with sandboxes, in words."""

from symphony.core.errors import SymphonyError


class SandboxError(SymphonyError):
    """A sandbox could not do what was asked of it.

    Codes: `sandbox.program_not_found`, `sandbox.start_failed`, `sandbox.closed`,
    `sandbox.unknown_kind`; of machines also `sandbox.machine_gone`, `sandbox.pause_unavailable`,
    `sandbox.resume_failed`, `sandbox.egress_unavailable`.
    """

    code = "sandbox.start_failed"


def closed(kind: str, program: str) -> SandboxError:
    """Return the error for a program that was to start after its sandbox was closed."""
    return SandboxError(
        f"sandbox: '{program}' was not started: this {kind} sandbox is closed.",
        code="sandbox.closed",
        remedy="Open a new one; an attempt does so when its issue is retried.",
    )
