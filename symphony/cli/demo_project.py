"""A small git project for demonstrations: a failing test, and issues that the demo agent can follow.

The patches of its three issues touch different files, so that each applies to the project's first
commit and after any of the others.
"""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from symphony.cli.errors import CommandError
from symphony.core.text import one_line

GIT_BOUND_S: Final = 60.0  # for one git command on a folder of four files
REPLY: Final = "Good to see you!"
ACTIVE: Final = "Todo"
IDENTITY: Final = ("-c", "user.name=symphony demo", "-c", "user.email=demo@symphony.invalid")
# a person's own git may sign commits or run hooks, and neither belongs here
PLAIN: Final = ("-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false")

FILES: Final = {
    ".gitignore": "__pycache__/\n",
    "README.md": "A project that greets people. One of its tests fails.\n",
    "greeting.py": '''\
"""Greets people."""


def greet(name):
    """Return a greeting for one person."""
    return "Hello!"
''',
    "test_greeting.py": '''\
"""python -m unittest"""

import unittest

from greeting import greet


class Greeting(unittest.TestCase):
    def test_a_person_is_greeted_by_name(self):
        self.assertEqual(greet("Ada"), "Hello, Ada!")
''',
}
WORKFLOW: Final = """\
---
# A demonstration: the demo agent has no model, and follows the instructions in each issue.
tracker:
  root: ./issues
acp:
  adapter: demo
sandbox: local
---
"""


@dataclass(frozen=True, slots=True)
class DemoIssue:
    """An issue's file.

    Attributes:
        body: `PYTHON` stands for the interpreter that runs the tests.
    """

    id: str
    title: str
    body: str
    blocked_by: tuple[str, ...] = ()

    def text(self, python: str) -> str:
        """Return the file's content."""
        blocked = f"blocked_by: [{', '.join(map(repr, self.blocked_by))}]\n" if self.blocked_by else ""
        return f"---\ntitle: {self.title}\n{blocked}---\n{self.body.replace('PYTHON', python)}"


FIX: Final = DemoIssue(
    "1",
    "Greet people by name",
    """\
`greet()` forgets the name that it is given, and its test fails.

```replace greeting.py
<<<<
    return "Hello!"
====
    return f"Hello, {name}!"
>>>>
```
""",
)
ADDITION: Final = DemoIssue(
    "2",
    "Say goodbye as well",
    """\
People who were greeted want to be seen off, too.

Test: PYTHON -m unittest -q test_farewell

```python farewell.py
\"\"\"Sees people off.\"\"\"


def see_off(name):
    \"\"\"Return a farewell for one person.\"\"\"
    return f"Goodbye, {name}!"
```

```python test_farewell.py
import unittest

from farewell import see_off


class Farewell(unittest.TestCase):
    def test_a_person_is_seen_off_by_name(self):
        self.assertEqual(see_off("Ada"), "Goodbye, Ada!")
```
""",
    blocked_by=("1",),
)
QUESTION: Final = DemoIssue(
    "3",
    "Welcome visitors",
    """\
The front page needs a welcome; what it says is a person's choice.

Ask: What should the welcome on the front page say?
Test: PYTHON -m unittest -q test_welcome

```file welcome.txt
@REPLY@
```

```python test_welcome.py
import pathlib
import unittest


class Welcome(unittest.TestCase):
    def test_the_front_page_says_something(self):
        page = pathlib.Path(__file__).with_name("welcome.txt")
        self.assertTrue(page.read_text(encoding="utf-8").strip())
```
""",
)
ISSUES: Final = (FIX, ADDITION, QUESTION)


def make_project(folder: Path) -> Path:
    """Write the project into a new or empty folder, as a git repository with one commit; return it.

    Raises:
        CommandError: `demo_folder_taken`; `demo_failed` when the disk or git refuses.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise CommandError(
                f"{folder} is not empty.",
                code="demo_folder_taken",
                remedy="Name a folder that does not exist.",
            )
        for name, content in FILES.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CommandError(f"{folder} cannot be written: {reason}.", code="demo_failed") from error
    _git(folder, "init", "--quiet", "--initial-branch=main")
    _git(folder, "add", "--all")
    _git(folder, *IDENTITY, "commit", "--quiet", "--message", "Greet people")
    return folder


def write_issues(
    folder: Path, issues: tuple[DemoIssue, ...] = ISSUES, *, python: str = sys.executable
) -> tuple[Path, ...]:
    """Write the workflow and the issues beside the project's files; return the issues' paths."""
    (folder / "WORKFLOW.md").write_text(WORKFLOW, encoding="utf-8")
    todo = folder / "issues" / ACTIVE
    todo.mkdir(parents=True, exist_ok=True)
    paths = []
    for issue in issues:
        path = todo / f"{issue.id}.md"
        path.write_text(issue.text(shlex.quote(python)), encoding="utf-8")
        paths.append(path)
    return tuple(paths)


def _git(folder: Path, *arguments: str) -> None:
    # whoever started this from a git hook has variables set that name another repository
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        ran = subprocess.run(
            ("git", *PLAIN, *arguments),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_BOUND_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(
            "git is not installed.", code="demo_failed", remedy="Install git 2.28 or newer."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(
            f"git {arguments[0]} did not end within {GIT_BOUND_S:g} s.", code="demo_failed"
        ) from error
    if ran.returncode != 0:
        said = one_line(ran.stderr.decode("utf-8", "replace"), 300)
        raise CommandError(f"git {arguments[0]} failed in {folder}: {said}", code="demo_failed")
