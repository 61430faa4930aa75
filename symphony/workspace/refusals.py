"""What both drivers refuse in the same words."""

import shlex
from pathlib import Path

from symphony.core.handoff import Imported
from symphony.core.ports import HookResult
from symphony.core.text import one_line
from symphony.core.train import TrainStopped
from symphony.workspace.errors import WorkspaceError

HOOK_OUTPUT_SHOWN = 2_000  # characters of a failed hook's output in its error
NOTHING_CHANGED = "Nothing to hand over: the files are as they were at the start."


def branch_taken(owner: str, branch: str) -> WorkspaceError:
    """Return the refusal of a branch that another issue works on, or that is in its way."""
    return WorkspaceError(
        f"The issue {one_line(owner)} already works on the branch '{branch}', or on one in its way.",
        code="workspace.branch_taken",
        remedy="Give the issue another branch_name, or wait until the other one is delivered.",
    )


def workspace_missing(path: Path) -> WorkspaceError:
    """Return the refusal to import from a folder that is gone."""
    return WorkspaceError(
        f"The workspace {path} is gone.",
        code="workspace.missing",
        remedy="Retry the issue; it starts anew.",
    )


def hook_failed(result: HookResult, code: str, consequence: str) -> WorkspaceError:
    """Return the error for a failed hook, with the end of its output."""
    how = (
        "was killed at its timeout"
        if result.exit_status is None
        else f"ended with status {result.exit_status}"
    )
    output = result.output.strip()[-HOOK_OUTPUT_SHOWN:]
    said = f" Its output ended with:\n{output}" if output else ""
    return WorkspaceError(
        f"The hook {result.name} {how}. {consequence}{said}",
        code=f"workspace.{code}",
        remedy="" if output else f"Correct hooks.{result.name} in WORKFLOW.md.",
    )


def after_create_failed(result: HookResult) -> WorkspaceError:
    """Return the error for a workspace that was removed because its first hook failed."""
    return hook_failed(result, "after_create_failed", "The new workspace was removed.")


def before_remove_failed(result: HookResult) -> WorkspaceError:
    """Return the error for a hook that could not keep a workspace from being removed."""
    return hook_failed(result, "before_remove_failed", "The workspace was removed all the same.")


def mode_none_note(imported: Imported, repository: Path) -> str:
    """Return what people read when nothing is to be handed over."""
    return f"handoff.mode is none; the work is on {imported.branch} in {repository}."


def unread_note(comments: int, kept: Path) -> str:
    """Return what people read when a new patch takes the place of one with comments that nobody has read."""
    counted = "1 comment" if comments == 1 else f"{comments} comments"
    return f"The patch before it had {counted} that no agent was sent; it is kept as {kept}."


def commented_too_large(patch: Path, limit: int) -> WorkspaceError:
    """Return the refusal to look for comments in a file that is no patch of symphony's any more."""
    return WorkspaceError(
        f"{patch} is larger than {limit >> 20} MiB.",
        code="review.too_large",
        remedy="Take out of it what is not from the handoff.",
    )


def patch_note(commits: int, patch: Path, base: str, base_commit: str) -> str:
    """Return what people read about a patch."""
    counted = "1 commit" if commits == 1 else f"{commits} commits"
    return f"Patch with {counted}: `git am {shlex.quote(str(patch))}` on {base} ({base_commit[:12]})."


def train_off() -> WorkspaceError:
    """Return the refusal to show or reset a train that there is not."""
    return WorkspaceError(
        "There is no merge train: merge_train.branch is null.",
        code="train.off",
        remedy="Set it in WORKFLOW.md, to symphony/train for one.",
    )


def train_moved(branch: str) -> TrainStopped:
    """Return the refusal to reset a train that is not where it was seen."""
    return TrainStopped(
        f"The merge train {branch} has just moved, and was left as it is.",
        code="train.moved",
        remedy="Look at it with `symphony train` and reset it again.",
    )
