"""Values of the API as people read them: durations, numbers, times."""

from datetime import UTC, datetime
from typing import Any

from symphony.core.text import duration

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def moment(text: str | None) -> str:
    """Return a time of the API to the second, in UTC."""
    return "" if text is None else f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: int) -> str:
    """Return bytes as people read them."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}" if number < 10 * unit else f"{number / unit:.0f} {name}"
    return f"{number} B"


def machine(view: dict[str, Any] | None) -> str:
    """Return what a machine does and costs; empty where there is none."""
    if view is None:
        return ""
    if view["state"] != "running":
        return str(view["state"])
    return f"{view['memory_bytes'] // MIB:,} MiB, {view['cpu_percent']:.0f} % CPU"


def spent(usage: dict[str, Any]) -> str:
    """Return what an attempt or all of them have cost, as far as agents said it; empty for nothing."""
    parts = [
        counted(usage["total_tokens"], "token") if usage["total_tokens"] else "",
        f"${usage['cost_usd']:.2f}" if usage["cost_usd"] else "",
        f"{duration(usage['seconds'])} of turns" if usage["seconds"] >= 1 else "",
    ]
    return ", ".join(part for part in parts if part)
