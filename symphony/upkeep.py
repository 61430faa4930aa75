"""What looks after an installation's disk: the one place that knows every room's things on it.

Called by the daemon and by `symphony gc` where none runs.
"""

from collections.abc import Callable, Mapping

from symphony.core.installation import Installation
from symphony.core.ports import Storage, Workspaces
from symphony.sandbox.images.kept import KeptImages
from symphony.store.kept_logs import KeptLogs
from symphony.workspace.kept_history import KeptHistory
from symphony.workspace.kept_patches import KeptPatches
from symphony.workspace.kept_workspaces import KeptWorkspaces


def storages_of(
    installation: Installation,
    environ: Mapping[str, str],
    workspaces: Workspaces,
    complain: Callable[[str], None],
) -> tuple[Storage, ...]:
    """Return every place on the disk; `complain` is told of a hook that failed."""
    return (
        KeptWorkspaces(installation, workspaces, complain),
        KeptImages(environ),
        KeptLogs(installation),
        KeptPatches(installation),
        KeptHistory(installation),
    )
