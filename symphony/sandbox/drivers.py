"""Finds the driver that the settings name."""

from functools import cache

from symphony.core.ports import SandboxDriver
from symphony.sandbox.errors import SandboxError
from symphony.sandbox.local import LocalDriver


@cache
def driver_for(kind: str) -> SandboxDriver:
    """Return the one driver of this kind; it has to know its open sandboxes to spare them in `reap`.

    Raises:
        SandboxError: `sandbox.not_built`.
    """
    if kind == LocalDriver.kind:
        return LocalDriver()
    if kind == "smolvm":
        raise SandboxError(
            "sandbox: smolvm is not built yet.",
            code="sandbox.not_built",
            remedy="Set `sandbox: local` in WORKFLOW.md or start with `--sandbox local`; "
            "local isolates nothing.",
        )
    raise SandboxError(
        f"sandbox: there is no kind '{kind}'.",
        code="sandbox.not_built",
        remedy="Set `sandbox: local` in WORKFLOW.md; local isolates nothing.",
    )
