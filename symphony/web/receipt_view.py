"""The JSON of what checks have said of an issue's work, as pure functions of the core's values.

A receipt is `{tree, checks[]}`, a check `{name, command, exit_status, seconds}`. A best state is
`{ref, commit, command, lost, text}`: `lost` says that the work has become worse since. A place on the
merge train is `{branch, commit, onto}`.
"""

from dataclasses import asdict
from typing import Any

from symphony.core.best import BestState
from symphony.core.receipt import Receipt
from symphony.core.train import Boarded

Json = dict[str, Any]


def receipt_view(receipt: Receipt | None) -> Json | None:
    """Return the receipt; None without one."""
    return None if receipt is None else {"tree": receipt.tree, "checks": list(map(asdict, receipt.checks))}


def boarded_view(boarded: Boarded | None) -> Json | None:
    """Return the place on the merge train; None without one."""
    return None if boarded is None else asdict(boarded)


def best_view(state: BestState | None) -> Json | None:
    """Return the best state; None without one."""
    if state is None:
        return None
    return {
        "ref": state.name,
        "commit": state.best.commit,
        "command": state.command,
        "lost": state.lost,
        "text": f"Commit {state.best}.",
    }
