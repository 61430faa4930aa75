"""The JSON of the checks that a handoff has passed, as a pure function of the core's values.

A receipt is `{tree, checks[]}`, a check `{name, command, exit_status, seconds}`.
"""

from dataclasses import asdict
from typing import Any

from symphony.core.receipt import Receipt

Json = dict[str, Any]


def receipt_view(receipt: Receipt | None) -> Json | None:
    """Return the receipt; None without one."""
    return None if receipt is None else {"tree": receipt.tree, "checks": list(map(asdict, receipt.checks))}
