"""Any two trees: the patch between them, applied by plain `git am`, gives the second one."""

import asyncio
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from symphony.core.handoff import Imported
from symphony.workspace.host_repository import HostRepository
from symphony.workspace.patch import PatchMaker
from tests.support.git_project import apply_patch, git, make_completion

Files = Mapping[bytes, tuple[str, bytes]]
NAMES = st.sampled_from(
    [
        b"a",
        b"b",
        b"c d",
        b"\xc3\xa4",
        b"\xff",
        b'q"',
        b"t\tb",
        b"n\nl",
        b"back\\slash",
        b"[x]*",
        b"-d",
        b"!e",
        b" ",
    ]
)
LINES = st.sampled_from(
    [b"one\n", b"two\n", b"\n", b"end\r\n", b"\r", b"\0", b"From x\n", b"---\n", b"-- \n",
     b"diff --git a/a b/a\n", b"@@ -1 +1 @@\n", b" \t\n", b"\xff\xfe\n", b"no end",
     b"\\ No newline at end of file\n",
     b"+++ b/a\n"]
)  # fmt: skip
CONTENTS = st.lists(LINES, max_size=12).map(b"".join)
ENTRIES = st.one_of(
    st.tuples(st.sampled_from(["100644", "100755"]), CONTENTS),
    st.tuples(st.just("120000"), st.sampled_from([b"a", b"../x", b"/etc/passwd", b"n\nl"])),
)


def without_collisions(files: Files) -> Files:
    """Drop what lies below a file: a name cannot be file and folder."""
    return {
        path: entry
        for path, entry in files.items()
        if not any(path.startswith(other + b"/") for other in files)
    }


TREES = st.dictionaries(st.lists(NAMES, min_size=1, max_size=3).map(b"/".join), ENTRIES, max_size=6).map(
    without_collisions
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def leads_to_itself(files: Files, path: bytes, *seen: bytes) -> bool:
    """Say whether a link ends where it began, by others or not."""
    mode, target = files.get(path, ("", b""))
    onto = posixpath.join(posixpath.dirname(path), target)
    return mode == "120000" and (onto in {path, *seen} or leads_to_itself(files, onto, path, *seen))


def is_below_a_loop(files: Files, before: Files) -> bool:
    """Say whether a file is where git does not look: below what was a link to itself (`test_handoff`)."""
    loops = [path for path in before if leads_to_itself(before, path)]
    return any(path.startswith(loop + b"/") for loop in loops for path in files)


def write_history(repository: Path, trees: list[Files], messages: list[str]) -> list[str]:
    """Commit each tree after the other; return the commits."""
    stream = []
    for number, (files, message) in enumerate(zip(trees, messages, strict=True)):
        text = message.encode()
        stream.append(b"commit refs/heads/work\nmark :%d\n" % (number + 1))
        stream.append(b"committer A <a@example.org> %d +0000\n" % (1_700_000_000 + number))
        stream.append(b"data %d\n%b\n" % (len(text), text))
        if number:
            stream.append(b"from :%d\n" % number)
        stream.append(b"deleteall\n")
        for path, (mode, content) in files.items():
            quoted = b"".join(b"\\%03o" % byte for byte in path)
            stream.append(b'M %b inline "%b"\ndata %d\n%b\n' % (mode.encode(), quoted, len(content), content))
    marks = repository / "marks"
    git(repository, "fast-import", "--quiet", "--force", f"--export-marks={marks}", stdin=b"".join(stream))
    numbered = dict(line.split(" ") for line in marks.read_text().splitlines())
    return [numbered[f":{number + 1}"] for number in range(len(trees))]


NUMBERS = count()


@settings(max_examples=40, derandomize=True)
@given(
    trees=st.lists(TREES, min_size=2, max_size=4),
    message=st.sampled_from(
        ["Change", "Fix\n\n---\nx\n", "Fix\n\nFrom a\ndiff --git a/a b/a\n", "[x] y\n\nz"]
    ),
)
@example(trees=[{b"b": ("120000", b"a")}, {b"b/a": ("120000", b"a")}], message="Change")
@example(trees=[{}, {b" /a": ("100644", b"")}], message="Change")
def test_any_two_trees_survive_a_mailbox(folder: Path, trees: list[Files], message: str) -> None:
    assume(not is_below_a_loop(trees[-1], trees[0]))
    work = folder / str(next(NUMBERS))
    work.mkdir()
    repository = HostRepository(work / "host.git")

    async def make() -> tuple[bytes, Imported]:
        await repository.open()
        commits = write_history(repository.path, trees, [message] * len(trees))
        facts = await repository.facts(commits[-1])
        imported = Imported("work", commits[0], commits[-1], facts.tree, len(trees) - 1)
        scratch = work / "scratch"
        scratch.mkdir()
        if (await repository.facts(commits[0])).tree == facts.tree:
            return b"", imported
        return await PatchMaker(repository, imported, scratch).make(make_completion()), imported

    mailbox, imported = asyncio.run(make())
    if mailbox:
        (work / "patch").write_bytes(mailbox)
        words = ("--no-checkout", "--branch=work")
        tree = apply_patch(repository.path, work / "user", work / "patch", imported.base_commit, *words)
        assert tree == imported.head_tree
    shutil.rmtree(work)
