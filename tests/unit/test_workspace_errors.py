"""What the machine refuses, in words that a user can act on."""

import errno
import os
from pathlib import Path

import pytest

from symphony.core.ports import RunResult
from symphony.workspace.errors import WorkspaceError, explain_disk
from symphony.workspace.git_command import git_failure, host_git


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this machine has no /dev/full")
def test_a_full_disk_is_said_with_its_remedy() -> None:
    with (
        pytest.raises(WorkspaceError) as caught,
        explain_disk("write the patch"),
        Path("/dev/full").open("w", buffering=1) as full,
    ):
        full.write("x\n")

    assert caught.value.code == "workspace.disk_full"
    assert str(caught.value) == (
        "Cannot write the patch: the disk is full. Free some space; symphony tries again by itself."
    )


def test_missing_rights_are_said_with_their_remedy() -> None:
    with pytest.raises(WorkspaceError) as caught, explain_disk("delete /x"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    assert caught.value.code == "workspace.permission_denied"
    assert str(caught.value) == (
        "Cannot delete /x: Permission denied. "
        "Give the user that runs symphony the right to read and write there."
    )


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (
            b"error: file write error: No space left on device\n",
            "workspace.disk_full",
            "`git am` failed: the disk is full. Free some space; symphony tries again by itself.",
        ),
        (
            b"fatal: x: Permission denied\n",
            "workspace.permission_denied",
            "`git am` failed: fatal: x: Permission denied "
            "Give the user that runs symphony the right to read and write there.",
        ),
        (b"fatal: \x1b[31mred", "workspace.git_failed", "`git am` failed: fatal: [31mred"),
        (b"", "workspace.git_failed", "`git am` failed: git ended with status 9 and said nothing"),
    ],
)
def test_what_git_says_is_kept_and_a_known_cause_goes_first(words: bytes, code: str, text: str) -> None:
    error = git_failure("`git am` failed", RunResult(9, b"", words))

    assert (error.code, str(error)) == (code, text)


async def test_a_machine_without_git_is_told_to_install_it(tmp_path: Path) -> None:
    git = host_git(tmp_path, PATH=str(tmp_path))

    with pytest.raises(WorkspaceError) as caught:
        await git.run("version")

    assert caught.value.code == "workspace.git_not_found"
    assert caught.value.message == (
        f"git could not be started: program not found: 'git': it is in no folder of PATH ({tmp_path})."
    )


async def test_git_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nexec sleep 1000\n")
    slow.chmod(0o755)

    with pytest.raises(WorkspaceError) as caught:
        await host_git(tmp_path, PATH=f"{tmp_path}:{os.environ['PATH']}").run("gc", timeout_s=0.2)

    assert caught.value.code == "workspace.git_timeout"
    assert str(caught.value) == (
        "`git gc` did not end within 0.2 seconds and was stopped. "
        "Look whether the disk or the network is very slow; symphony tries again by itself."
    )
