"""What workspaces without a disk can be told to do wrong. Called by `memory` and by tests."""

from enum import StrEnum


class Fault(StrEnum):
    """What the driver can be told to do wrong."""

    PREPARE = "prepare"
    """The source cannot be read."""
    SAVE = "save"
    """The disk is full when the workspace is saved."""
    IMPORT = "import"
    """The workspace's commits are refused."""
    HAND_OFF = "hand_off"
    """The disk is full when the patch is written."""
    PUSH = "push"
    """The remote does not take the branch."""
    REMOVE = "remove"
    """The folder cannot be deleted; it stays."""


FAULTS = {
    Fault.PREPARE: ("workspace.source_unreadable", "workspace.source cannot be read."),
    Fault.SAVE: ("workspace.disk_full", "Cannot copy changed files out of the workspace: the disk is full."),
    Fault.IMPORT: ("workspace.import_failed", "The workspace's commits were not imported."),
    Fault.HAND_OFF: ("workspace.disk_full", "Cannot write the patch: the disk is full."),
    Fault.PUSH: ("handoff.push_refused", "The remote origin refused the branch."),
    Fault.REMOVE: ("workspace.permission_denied", "Cannot remove the workspace: Permission denied."),
}
