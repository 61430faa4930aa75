"""The JSON of the merge train [CONTRACT 7.1]."""

from typing import Any

from symphony.core.train import TrainView
from symphony.web.times import time_view

Json = dict[str, Any]


def train_view(view: TrainView) -> Json:
    """Return how the train stands; `aboard` the first first."""
    return {
        "branch": view.branch,
        "head": view.head or None,
        "base": view.base or None,
        "base_commit": view.base_commit or None,
        "aboard": passengers_view(view),
        "stopped": view.stopped or None,
    }


def reset_view(before: TrainView) -> Json:
    """Return what a reset did, from the train as it was; `was` is null where there is no branch yet."""
    return {
        "branch": before.branch,
        "was": before.head or None,
        "base": before.base,
        "head": before.base_commit,
        "left_out": passengers_view(before),
    }


def passengers_view(view: TrainView) -> list[Json]:
    """Return what is aboard."""
    return [
        {"issue_id": each.issue_id, "title": each.title, "commit": each.commit, "at": time_view(each.at)}
        for each in view.passengers
    ]
