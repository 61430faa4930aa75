"""The JSON of a look at the disk: what goes, what stays and why [CONTRACT 7.1]."""

from datetime import UTC, datetime
from typing import Any

from symphony.core.retention import Fate, RetentionReport
from symphony.core.text import one_line
from symphony.web.times import time_view

LONGEST = 500  # characters of a reason, which may hold what a file is called
EARLIEST = datetime.min.replace(tzinfo=UTC)


def disk_view(report: RetentionReport) -> dict[str, Any]:
    """Return a report: what went or would go, what could not be removed, and what stays."""
    return {
        "generated_at": time_view(report.at),
        "dry_run": report.dry_run,
        "freed_bytes": report.freed_bytes,
        "removed": [_fate_view(fate) for fate in report.removed],
        "failed": [_fate_view(fate) for fate in report.fates if fate.error],
        "kept": [_fate_view(fate) for fate in report.fates if not fate.goes],
        "ceilings": {
            kind.value: {
                "bytes": ceiling.size_bytes,
                "left_bytes": ceiling.left_bytes,
                "most_bytes": ceiling.most_bytes,
                "over": ceiling.over,
            }
            for kind, ceiling in report.ceilings.items()
        },
        "notes": [one_line(note, LONGEST) for note in report.notes],
    }


def _fate_view(fate: Fate) -> dict[str, Any]:
    thing = fate.thing
    return {
        "kind": thing.kind.value,
        "name": one_line(thing.name),
        "path": thing.path.encode("utf-8", "replace").decode(),
        "bytes": thing.size_bytes,
        "since": None if thing.since == EARLIEST else time_view(thing.since),
        "reason": one_line(fate.reason, LONGEST),
        "error": one_line(fate.error, LONGEST) if fate.error else None,
    }
