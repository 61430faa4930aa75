"""Projects with many issues in them that nobody works on."""

from pathlib import Path
from typing import Any

from tests.support.project import Project

ISSUE = """---
title: Make the {number}th thing work
priority: {priority}
labels: [backend, bug{label}]
blocked_by: [{blocker}]
created_at: 2026-01-31T12:00:00Z
---

The thing numbered {number} does not work when it is used twice.

## What to do
Find out why, write a test that shows it, and mend it.
"""
LABEL = "go"  # what an issue needs here before it is worked on
DROPPED = f"---\ntitle: Dropped\nlabels: [{LABEL}]\n---\nDo it.\n"


def make_project(root: Path, issues: int, state: str = "Done", **sections: Any) -> Project:
    """Make a project with so many issues in one state, none of which may start.

    In an active state every second one lacks the required label, and the others wait for an
    issue that does not exist.
    """
    project = Project(root)
    project.configure(tracker={"required_labels": [LABEL]}, **sections)
    folder = root / "issues" / state
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(issues):
        label, blocker = (f", {LABEL}", "nobody") if n % 2 else ("", "")
        text = ISSUE.format(number=n, priority=n % 5, label=label, blocker=blocker)
        (folder / f"{n}.md").write_text(text)
    (root / "issues" / "Done").mkdir(exist_ok=True)
    return project
