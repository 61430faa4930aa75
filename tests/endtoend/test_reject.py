"""Delivered work goes back to its agent: real daemon, demo agent and git, and kill -9 [CONTRACT 9.4]."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from symphony.store.reader import read_store
from tests.corpora.guard.secrets import tokens
from tests.support.command_line import ENVIRONMENT, Ran, symphony
from tests.support.project import Project, git

ISSUE = """---
title: Say hello
---
```file hello.txt
hello
```
"""
MORE = """Say goodbye as well.

```file goodbye.txt
goodbye
```
"""
CUTS = {
    "before the words": ("symphony.store.sqlite", "SqliteStore", "ask"),
    "before the comments go": ("symphony.workspace.reviews", "GitReviews", "clear"),
    "before the scheduler's record": ("symphony.store.sqlite", "SqliteStore", "apply"),
    "before the move": ("symphony.tracker.local", "LocalTracker", "move"),
    "after the move": ("symphony.store.sqlite", "SqliteStore", "fulfil"),
}
KILLED = """
import os, signal, sys
from {module} import {name}
async def dies(*arguments, **more):
    os.kill(os.getpid(), signal.SIGKILL)
{name}.{method} = dies
sys.argv = ["symphony", "reject", "1", "-"]
from symphony.cli.main import main
main()
"""


class Demo(Project):
    """A project whose agent follows the issue's instructions."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.configure("{{ issue.description }}", acp={"command": None, "adapter": "demo"})

    def deliver(self) -> None:
        """Hand over issue 1, without leaving a daemon behind."""
        self.drop("1", ISSUE)
        self.finish()
        assert self.state_of("1") == "Done"

    def finish(self) -> None:
        """Run until nothing is left to do."""
        ran = symphony(self.root, "run", "--port", "0", "--until-idle")
        assert ran.status == 0, (ran.out, ran.err)

    def reject(self, *words: str, stdin: str = "") -> Ran:
        return symphony(self.root, "reject", "1", *words, stdin=stdin.encode())

    def comment(self, below: str, comment: str) -> None:
        """Write a comment into the patch, below a line of it."""
        text = self.patch("1").read_text()
        assert text.count(f"\n{below}\n") == 1
        self.patch("1").write_text(text.replace(f"\n{below}\n", f"\n{below}\n{comment}\n"))

    def prompts(self) -> list[str]:
        """Return every prompt that an agent was given, oldest first."""
        return [
            line["frame"]["params"]["prompt"][0]["text"]
            for line in self.log("1")
            if line["kind"] == "frame_out" and line["frame"].get("method") == "session/prompt"
        ]

    def replies(self) -> list[str | None]:
        """Return what persons said to agents."""

        async def read() -> list[str | None]:
            async with read_store(self.root / ".symphony" / "symphony.db") as store:
                return [request.reply for request in await store.steering_of("1")]

        return asyncio.run(read())


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    return Demo(tmp_path / "project")


async def test_with_a_daemon_the_agent_goes_on_at_once_on_the_same_branch(demo: Demo, tmp_path: Path):
    start = git(demo.root, "rev-parse", "main")
    async with demo.daemon() as daemon:
        demo.drop("1", ISSUE)
        await daemon.until(lambda: demo.state_of("1") == "Done" and demo.patch("1").exists())
        await daemon.until(lambda: any(line["kind"] == "ended" for line in demo.log("1")))
        first = demo.patch("1").read_bytes()
        shown = await asyncio.to_thread(symphony, demo.root, "review", "1")
        assert (shown.status, shown.out.startswith(f"Now: main ({start[:12]}) is where")) == (0, True)
        ran = await asyncio.to_thread(demo.reject, "-", stdin=MORE)
        assert (ran.status, ran.err) == (0, "")
        assert ran.out == (
            "Issue 1 is back in Todo with your words; its agent goes on from the work it handed over.\n"
        )
        await daemon.until(lambda: demo.patch("1").read_bytes() != first and demo.state_of("1") == "Done")
    clone = demo.apply("1", tmp_path / "clone")
    assert (clone / "hello.txt").read_text() == "hello\n"
    assert (clone / "goodbye.txt").read_text() == "goodbye\n"
    assert git(clone, "rev-list", "--count", f"{start}..HEAD") == "2"
    assert f"base-commit: {start}" in demo.patch("1").read_text()
    assert f"base      main, {start}" in (demo.patch("1").with_suffix("") / "summary.md").read_text()


def test_without_a_daemon_the_words_wait_for_the_next_run(demo: Demo, tmp_path: Path):
    demo.deliver()
    demo.comment("+hello", "#> not friendly")
    ran = demo.reject("-", stdin=MORE)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "Issue 1 is back in Todo with your words; "
        "its agent goes on from the work it handed over when symphony runs.\n"
    )
    assert demo.state_of("1") == "Todo"
    assert "#>" not in demo.patch("1").read_text()
    assert "you sent its work back:\n    Say goodbye as well." in symphony(demo.root, "show", "1").out
    demo.finish()
    last = demo.prompts()[-1]
    assert "> hello.txt:1, at this line of the patch:\n>\n>     +hello\n>\n> not friendly\n" in last
    assert (demo.apply("1", tmp_path / "clone") / "goodbye.txt").read_text() == "goodbye\n"


def test_comments_alone_are_enough_and_nothing_at_all_is_not(demo: Demo):
    demo.deliver()
    ran = demo.reject()
    assert (ran.status, " ".join(ran.err.split())) == (
        1,
        "symphony: Nothing is said to the agent of issue 1, and its patch has no comments. "
        '`symphony reject 1 "why"`, or lines that begin with `#>` in the patch.',
    )
    assert demo.state_of("1") == "Done"
    demo.comment("+hello", "#> not friendly")
    assert demo.reject("--to", "In Progress").status == 0
    assert demo.state_of("1") == "In Progress"
    assert demo.replies() == ["hello.txt:1, at this line of the patch:\n\n    +hello\n\nnot friendly"]


@pytest.mark.parametrize("cut", list(CUTS))
def test_a_kill_neither_loses_the_words_nor_says_them_twice(demo: Demo, tmp_path: Path, cut: str):
    demo.deliver()
    demo.comment("+hello", "#> not friendly")
    module, name, method = CUTS[cut]
    code = KILLED.format(module=module, name=name, method=method)
    killed = subprocess.run(
        [sys.executable, "-c", code],
        cwd=demo.root,
        env=ENVIRONMENT,
        input=MORE.encode(),
        check=False,
        timeout=60,
    )
    assert killed.returncode == -9
    demo.finish()
    told = [prompt for prompt in demo.prompts() if "> Say goodbye as well." in prompt]
    assert len(told) == 1
    assert told[0].count("> not friendly") == 1
    assert len(demo.replies()) == 1
    assert "#>" not in demo.patch("1").read_text()
    assert (demo.apply("1", tmp_path / "clone") / "goodbye.txt").read_text() == "goodbye\n"


def test_sending_it_back_again_after_a_kill_says_it_once(demo: Demo):
    demo.deliver()
    module, name, method = CUTS["before the move"]
    code = KILLED.format(module=module, name=name, method=method)
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=demo.root,
        env=ENVIRONMENT,
        input=MORE.encode(),
        check=False,
        timeout=60,
    )
    assert demo.reject("-", stdin=MORE).status == 0
    assert demo.state_of("1") == "Todo"
    demo.finish()
    assert len(demo.replies()) == 1
    assert demo.state_of("1") == "Done"


def test_discard_after_a_handoff_deletes_patch_and_folder_and_keeps_the_commits(demo: Demo):
    demo.deliver()
    host = demo.root / ".symphony" / "host.git"
    head = git(host, "rev-parse", "agent/1")
    ran = symphony(demo.root, "discard", "1")
    assert (ran.status, ran.err) == (0, "")
    assert " ".join(ran.out.split()) == (
        f"The patch of issue 1 and its review folder are deleted; the commits are in {host}."
    )
    assert list((demo.root / ".symphony" / "patches").iterdir()) == []
    assert git(host, "rev-parse", "agent/1") == head
    assert "no workspace and no patch" in symphony(demo.root, "discard", "1").err


def test_work_that_is_held_for_a_secret_has_no_folder(demo: Demo):
    token = tokens(11)["github classic"]
    demo.drop("1", f"---\ntitle: Say hello\n---\n```file hello.txt\n{token}\n```\n")
    assert symphony(demo.root, "run", "--port", "0", "--until-idle").status == 3
    patches = demo.root / ".symphony" / "patches"
    assert list(patches.iterdir() if patches.exists() else ()) == []
    assert "The work of issue 1 is not handed over yet." in demo.reject("Why?").err
