"""Hooks as users write them [CONTRACT 8]."""

from pathlib import Path

import psutil
import pytest

from symphony.workspace.hooks import OUTPUT_LIMIT, run_script
from tests.support.git_project import git


def is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_output_of_both_streams_is_kept_in_order(tmp_path: Path) -> None:
    result = await run_script("before_run", "echo out; echo err >&2; echo out", tmp_path, {}, 60_000)

    assert (result.ok, result.exit_status, result.output) == (True, 0, "out\nerr\nout\n")


async def test_only_the_end_of_long_output_is_kept(tmp_path: Path) -> None:
    result = await run_script("x", "yes long | head -c 300000; echo the end", tmp_path, {}, 60_000)

    assert len(result.output.encode()) == OUTPUT_LIMIT == 65_536
    assert result.output.endswith("the end\n")


async def test_a_hook_has_no_input_and_no_terminal(tmp_path: Path) -> None:
    result = await run_script("x", "cat; tty; cat", tmp_path, {}, 60_000)

    assert "not a tty" in result.output


async def test_a_hook_sees_the_given_variables_and_little_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    monkeypatch.setenv("GIT_DIR", "/elsewhere")

    result = await run_script(
        "x", "env", tmp_path, {"SYMPHONY_TITLE": "a\0b", "SYMPHONY_ISSUE_ID": "12"}, 60_000
    )

    names = {line.partition("=")[0] for line in result.output.splitlines()}
    assert "SYMPHONY_TITLE=ab\n" in result.output
    assert "SYMPHONY_ISSUE_ID=12\n" in result.output
    assert {"PATH", "HOME"} <= names
    assert not {"SECRET_TOKEN", "GIT_DIR"} & names


async def test_a_hook_in_a_folder_without_git_does_not_find_the_repository_around_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "workspace").mkdir()

    result = await run_script("x", "git rev-parse --git-dir", tmp_path / "workspace", {}, 60_000)

    assert not result.ok
    assert "not a git repository" in result.output


async def test_the_whole_group_is_killed_at_the_timeout(tmp_path: Path) -> None:
    script = "sleep 1000 & echo $! > pid; echo started; wait"

    result = await run_script("before_run", script, tmp_path, {}, 2_000)

    assert (result.ok, result.exit_status) == (False, None)
    assert result.output == "started\n\nbefore_run did not end within 2000 ms and was killed.\n"
    assert is_dead(int((tmp_path / "pid").read_text()))


async def test_a_hook_that_cannot_start_is_a_result(tmp_path: Path) -> None:
    result = await run_script("x", "true", tmp_path / "nowhere", {}, 60_000)

    assert (result.ok, result.exit_status) == (False, 127)
    assert result.output.startswith(f"folder not found: {tmp_path}/nowhere")


async def test_output_that_is_not_text_does_no_harm(tmp_path: Path) -> None:
    result = await run_script("x", r"printf '\377\000ok'", tmp_path, {}, 60_000)

    assert result.ok
    assert result.output.endswith("ok")
