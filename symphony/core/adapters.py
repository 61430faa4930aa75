"""The adapters by name, and what is known in advance of the choices that each offers.

What is known for a version depends on the model and on the login in part: efforts are a fixed set in the
program, of which a model has some; models are not known before a session tells them.
"""

from collections.abc import Mapping
from types import MappingProxyType

EFFORTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "claude": ("default", "low", "medium", "high", "xhigh", "max"),
        "codex": ("none", "minimal", "low", "medium", "high", "xhigh"),
        "opencode": (),
        "demo": (),
    }
)
"""By adapter, the efforts that any of its models may offer; none where they are not known."""

ADAPTERS: tuple[str, ...] = tuple(EFFORTS)
