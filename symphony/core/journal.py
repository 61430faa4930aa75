"""The effects that the journal holds, and how each may end."""

from enum import StrEnum


class Action(StrEnum):
    """An effect with a consequence outside the process; the value is what the store holds.

    A start answers for each that was cut off (`engine.recovery`), so a new one needs its answer
    there. A row of a newer symphony may name one that is not in this set.
    """

    PREPARE_WORKSPACE = "prepare_workspace"
    START_SANDBOX = "start_sandbox"
    IMPORT_BRANCH = "import_branch"
    MOVE_ISSUE = "move_issue"
    BOARD_TRAIN = "board_train"
    """Move the merge train's branch to the merge of a piece of work."""
    RESET_TRAIN = "reset_train"
    """Move the merge train's branch to the base."""
    HAND_OFF = "hand_off"
    """Write the patch."""
    PUSH_BRANCH = "push_branch"
    """Push the branch that a pull request is made of."""
    OPEN_PULL_REQUEST = "open_pull_request"
    """Open the pull request, or update the one that is open."""
    CLEAN_UP = "clean_up"
    """Record that the work is handed over, run `after_run`, and remove the workspace."""
    DISCARD_WORKSPACE = "discard_workspace"
    """Remove the workspace, and give up a handoff that it was kept for."""
    DISCARD_PATCH = "discard_patch"
    """Remove what was handed over; its commits stay."""
    REJECT = "reject"
    """Store a reviewer's words, take their comments out of the patch, and move the issue back."""
    RETIRE = "retire"
    """Remove what `retention` says, such as a workspace that was handed over or an old log."""


class Result(StrEnum):
    """How an effect ended."""

    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
    """Cut off, and answered for by a later start: it left nothing that counts."""
