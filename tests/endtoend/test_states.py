"""An issue goes through several states, each with an agent of its own, and its work is handed over once."""

import shlex
import sys

from tests.support.project import Project, git

PROMPT = """\
You are working on the issue `{{ issue.identifier }}`: {{ issue.title }}

{{ issue.description }}

{% if issue.state == "Todo" %}Transition: Review{% endif %}
"""
ISSUE = """\
---
title: Paint it blue
---
Test: grep -q blue paint.txt

```file paint.txt
blue
```
"""


async def test_one_program_implements_and_another_reviews_and_finishes(project: Project, tmp_path) -> None:
    reviewer = f"exec {shlex.join([sys.executable, '-m', 'symphony.agent.demo'])}"
    project.configure(
        PROMPT,
        acp={"command": None, "adapter": "demo"},
        states={
            "Todo": {"role": "active", "allowed_transitions": ["Review"]},
            "Review": {"role": "active", "adapter": "reviewer", "command": reviewer},
            "Done": {"role": "terminal"},
        },
    )
    project.drop("3", ISSUE)
    async with project.daemon() as daemon:
        await daemon.until(lambda: len(ends(project)) == 2)
    assert ends(project) == ["transitioned", "delivered"]
    assert [line["to"] for line in project.log("3") if line["kind"] == "transition_asked"] == ["Review"]
    assert (project.root / "issues" / "Done" / "3.md").read_text() == (
        f"{ISSUE}\n**Todo → Review**, by attempt 1 (demo):\n\n"
        "> Made the changes that the issue describes in paint.txt. "
        "`grep -q blue paint.txt` failed before and passes now.\n"
    )
    clone = project.apply("3", tmp_path / "clone")
    assert (clone / "paint.txt").read_text() == "blue\n"
    assert git(clone, "log", "--format=%s") == "Paint it blue\nStart"
    assert "which an earlier attempt had committed" in project.patch("3").read_text()


def ends(project: Project) -> list[str]:
    return [line["outcome"] for line in project.log("3") if line["kind"] == "ended"]
