"""Real git: secrets in a branch are found wherever they stand, and the daemon holds the work."""

from pathlib import Path

import pytest

from symphony.core.handoff import Imported
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.search import PIECE, search_branch
from tests.corpora.guard.secrets import tokens
from tests.support.git_project import git

TOKEN = tokens(21)["github classic"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", "A")
    git(folder, "config", "user.email", "a@x.io")
    (folder / "a.py").write_text(f"one\nOLD = '{TOKEN}'\nthree\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    return folder


async def searched(project: Path, scratch: Path) -> list[tuple[str, str]]:
    repository = HostRepository(project / ".git")
    base, head = git(project, "rev-parse", "main~0").strip(), git(project, "rev-parse", "HEAD").strip()
    tree = git(project, "rev-parse", "HEAD^{tree}").strip()
    scratch.mkdir()
    found = await search_branch(repository, Imported("b", base, head, tree, 1), scratch)
    assert TOKEN not in repr(found)
    return [(finding.where, finding.rule) for finding in found.findings]


def commit(project: Path, name: str, content: bytes, message: str = "change") -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_bytes(content)
    git(project, "add", "-A")
    git(project, "commit", "-qm", message)


async def test_a_secret_is_found_at_its_line_and_what_was_there_before_is_not(project, tmp_path):
    git(project, "checkout", "-qb", "work")
    added = f"one\nOLD = '{TOKEN}'\nthree\nfour\nNEW = '{tokens(22)['npm']}'\n"
    commit(project, "a.py", added.encode())
    assert await searched(project, tmp_path / "s") == [("a.py:5", "npm-token")]


async def test_a_secret_that_a_later_commit_takes_away_is_found_in_the_history(project, tmp_path):
    git(project, "checkout", "-qb", "work")
    commit(project, "b ü.py", f"x\n\n{TOKEN}\n".encode())
    commit(project, "b ü.py", b"x\n")
    assert await searched(project, tmp_path / "s") == [("b ü.py:3", "github-token")]


async def test_messages_names_and_binary_files_are_looked_through(project, tmp_path):
    git(project, "checkout", "-qb", "work")
    commit(project, "x.bin", b"\0\xff\xfe" + TOKEN.encode() + b"\0", f"use {tokens(23)['gitlab']}")
    commit(project, "w.txt", f"key\n{TOKEN}\n".encode("utf-16-le"))
    commit(project, f"{tokens(24)['npm']}.md", b"x\n")
    found = await searched(project, tmp_path / "s")
    places = {where for where, _ in found}
    assert {"x.bin:1", "w.txt:2", "the name of [redacted].md"} <= places
    assert any(place.startswith("the message of commit ") for place in places)


async def test_content_that_looks_like_a_head_of_a_difference_is_content(project, tmp_path):
    git(project, "checkout", "-qb", "work")
    forged = f"++ b/innocent.txt\n@@ -0,0 +1 @@\ndiff --git a/x b/x\n{TOKEN}\n"
    commit(project, "c.txt", forged.encode())
    assert await searched(project, tmp_path / "s") == [("c.txt:4", "github-token")]


async def test_a_secret_over_the_end_of_a_piece_is_found(project, tmp_path):
    git(project, "checkout", "-qb", "work")
    filler = "word " * ((PIECE - 20) // 5)
    commit(project, "long.txt", f"{filler}{TOKEN} {filler}\n".encode())
    lines = "\n".join(["abcdefg"] * (PIECE // 8 - 1))
    commit(project, "many.txt", f"{lines}\n{tokens(25)['rsa key']}\n".encode())
    assert await searched(project, tmp_path / "s") == [
        ("many.txt:8192", "private-key"),
        ("long.txt:1", "github-token"),
    ]
