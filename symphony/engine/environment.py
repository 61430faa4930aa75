"""The SYMPHONY_* variables that hooks and agents see [CONTRACT 8]."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from symphony.core.issue import Issue
from symphony.core.ports import Workspace
from symphony.core.settings import Settings
from symphony.core.text import one_line
from symphony.core.workflow import Workflow


@dataclass(frozen=True, slots=True)
class Ending:
    """What `after_run` is told beside the rest."""

    outcome: str
    title: str
    body_file: Path
    patch: Path | None
    receipt_file: Path | None = None


def attempt_environment(
    issue: Issue,
    number: int,
    workflow: Workflow,
    workspace: Workspace | None = None,
    ending: Ending | None = None,
) -> Mapping[str, str]:
    """Return the variables; those of a workspace or an ending only when there is one."""
    settings: Settings = workflow.settings
    variables = {
        "SYMPHONY_ISSUE_ID": issue.id,
        "SYMPHONY_ISSUE_IDENTIFIER": issue.identifier,
        "SYMPHONY_ISSUE_TITLE": one_line(issue.title),
        "SYMPHONY_ISSUE_STATE": issue.state,
        "SYMPHONY_ATTEMPT": str(number),
        "SYMPHONY_WORKFLOW": str(workflow.path),
        "SYMPHONY_REPO_DIR": settings.workspace.source,
    }
    if workspace is not None:
        variables |= {
            "SYMPHONY_WORKSPACE": str(workspace.path),
            "SYMPHONY_BRANCH": workspace.branch,
            "SYMPHONY_BASE": workspace.base_commit,
        }
    if ending is not None:
        variables |= {
            "SYMPHONY_OUTCOME": ending.outcome,
            "SYMPHONY_TITLE": one_line(ending.title),
            "SYMPHONY_BODY_FILE": str(ending.body_file),
            "SYMPHONY_PATCH": str(ending.patch or ""),
            "SYMPHONY_RECEIPT_FILE": str(ending.receipt_file or ""),
        }
    return {name: value.replace("\0", "") for name, value in variables.items()}
