"""The merge train without a daemon: the same look and the same reset, made here under its lock."""

from symphony.cli.place import Place
from symphony.core.ports import Store
from symphony.engine.train_desk import EngineTrainDesk
from symphony.host.clock import SystemClock
from symphony.workspace.workspaces import GitWorkspaces


def train_desk(place: Place, store: Store) -> EngineTrainDesk:
    """Return who shows the train; to reset it, call this as the one writer of the store."""
    settings = place.workflow.settings
    return EngineTrainDesk(lambda: settings, GitWorkspaces(place.installation).train, store, SystemClock())
