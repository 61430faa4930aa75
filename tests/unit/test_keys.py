"""Folder names and branches from any issue id [CONTRACT 3.5]."""

import hashlib
import re
import subprocess
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.keys import branch_name, workspace_key

SAFE = re.compile(r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$")


@pytest.mark.parametrize("issue_id", ["12", "ABC-123", "fix_the.tea", "a", "x" * 80])
def test_a_safe_id_is_its_own_key(issue_id: str) -> None:
    assert workspace_key(issue_id) == issue_id


@pytest.mark.parametrize(
    ("issue_id", "stem"),
    [
        ("with space", "with_space"),
        ("../x", "__x"),
        ("..", "_"),
        (".", "issue"),
        ("", "issue"),
        (".hidden", "hidden"),
        ("x.lock", "x"),
        ("x.lock.lock", "x.lock"),
        ("a..b", "a._b"),
        ("Grüße", "Gr__e"),
        ("n" * 300, "n" * 80),
        ("tab\tnul\0", "tab_nul_"),
    ],
)
def test_an_unsafe_id_is_changed_and_gets_a_hash_of_the_id(issue_id: str, stem: str) -> None:
    digest = hashlib.sha256(issue_id.encode()).hexdigest()[:10]

    assert workspace_key(issue_id) == f"{stem}-{digest}"


def test_an_id_that_looks_like_a_changed_one_gets_a_hash_of_its_own() -> None:
    key = workspace_key("with space")

    assert workspace_key(key) != key


@given(st.text(max_size=400))
def test_every_key_is_one_visible_name_without_surprises(issue_id: str) -> None:
    key = workspace_key(issue_id)

    assert SAFE.match(key)
    assert PurePosixPath(key).parts == (key,)
    assert ".." not in key
    assert not key.endswith((".", ".lock"))


@given(st.sets(st.text(alphabet="aB ._-/ü1", max_size=12), min_size=2, max_size=30))
def test_no_two_ids_share_a_key(ids: set[str]) -> None:
    assert len({workspace_key(issue_id) for issue_id in ids}) == len(ids)


@pytest.mark.parametrize(
    "issue_id", ["12", "../x", "-rf", "@", "HEAD", "a b", "x.lock", "ü", "n" * 300, "a.lock.lock"]
)
def test_git_takes_every_branch(issue_id: str) -> None:
    result = subprocess.run(
        ["git", "check-ref-format", "--branch", branch_name(issue_id)], capture_output=True
    )

    assert result.returncode == 0
