"""What each check of `symphony doctor` finds, and how checks are run."""

import asyncio
import io
import os
import shutil
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from symphony.cli.doctor import Progress
from symphony.core.admission import MIB, HostMemory
from symphony.core.disk import HostDisk
from symphony.doctor import forge, host
from symphony.doctor.agents import look_at_agents, look_at_credentials
from symphony.doctor.case import Case, read_case
from symphony.doctor.check import (
    Check,
    Finding,
    Status,
    failed,
    in_thread,
    ok,
    run_check,
    run_checks,
    skipped,
    together,
    warning,
)
from symphony.doctor.examination import NAMES, examine, is_well
from symphony.doctor.forge import look_at_forge
from symphony.doctor.host import look_at_disk, look_at_git, look_at_memory, look_at_port
from symphony.doctor.machines import MachineChecks, look_at_image, look_at_reach
from symphony.host.memory import MemoryHost
from symphony.workspace.errors import WorkspaceError
from tests.support.git_project import git, make_project
from tests.support.logins import claude_login, write_login

SECRET = "sk-never-printed-0123456789"
PATH = os.environ["PATH"]


def quiet(_: object) -> None:
    """Take what is told."""


def still() -> float:
    return 0.0


def make_case(folder: Path, front: str, sandbox: str | None = None, **environ: str) -> Case:
    (folder / "WORKFLOW.md").write_text(f"---\n{front}\n---\nDo it.\n")
    environ = {"PATH": PATH, "HOME": str(folder), "SYMPHONY_IMAGES": str(folder / "images"), **environ}
    return Case(folder / "WORKFLOW.md", environ, sandbox)


async def found(
    look: Callable[[Case], Awaitable[Finding]], folder: Path, front: str, **environ: str
) -> Finding:
    case, _ = await read_case(make_case(folder, front, **environ))
    assert case.settings is not None
    return await look(case)


# --- how checks are run ------------------------------------------------------------------------------


async def test_a_check_that_finds_nothing_within_its_bound_has_failed() -> None:
    result = await run_check(Check("disk", 0.01, lambda: asyncio.Event().wait()), still)
    assert result.finding.status is Status.FAILED
    assert result.finding.found == "nothing was found out within 0.01 s"


async def test_a_thread_that_hangs_does_not_hold_up_a_check() -> None:
    hanging = threading.Event()
    result = await run_check(Check("disk", 0.01, lambda: in_thread(hanging.wait)), still)
    hanging.set()
    assert result.finding.status is Status.FAILED


async def test_an_expected_error_is_a_failed_check_with_its_remedy() -> None:
    async def look() -> Finding:
        raise WorkspaceError("git is too old.", remedy="Install a newer one.")

    result = await run_check(Check("git", 1.0, look), still)
    assert result.finding == failed("git is too old.", "Install a newer one.")


async def test_checks_run_side_by_side_and_their_results_keep_the_order() -> None:
    met = asyncio.Barrier(2)

    async def look() -> Finding:
        await met.wait()
        return ok("there")

    results = await run_checks([Check("a", 10.0, look), Check("b", 10.0, look)], still)
    assert [(result.name, result.finding) for result in results] == [("a", ok("there")), ("b", ok("there"))]


async def test_an_error_in_a_thread_is_raised_where_it_is_awaited() -> None:
    def work() -> None:
        raise WorkspaceError("broken")

    with pytest.raises(WorkspaceError):
        await in_thread(work)


def test_several_findings_are_as_bad_as_the_worst_and_say_each_thing_once() -> None:
    bad = failed("b is missing", "Install it.")
    assert together([ok("a is there"), bad, bad, warning("c is old", "Install it.")]) == failed(
        "a is there; b is missing; c is old", "Install it."
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_takes_long_is_told_on_a_terminal_and_taken_away_again(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, written in ((Terminal(), "booting …\r\x1b[K"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        progress = Progress()
        progress.tell("booting …")
        progress.tell("")
        progress.clear()
        assert stream.getvalue() == written


# --- the workflow ------------------------------------------------------------------------------------


async def test_every_problem_of_the_workflow_is_found_and_the_rest_is_left_open(tmp_path: Path) -> None:
    case, finding = await read_case(make_case(tmp_path, "sandbox: locl\npolling: {interval_ms: 0}"))
    assert finding.status is Status.FAILED
    assert len(finding.found.splitlines()) == 2
    assert case.settings is None
    assert (await look_at_disk(case)).found == "WORKFLOW.md does not load"


async def test_what_is_valid_and_cannot_be_carried_out_has_failed(tmp_path: Path) -> None:
    case, finding = await read_case(make_case(tmp_path, "sandbox: local\nhandoff: {repo: name}"))
    assert finding == failed(
        "handoff.repo (or SYMPHONY_REPO) is 'name', which names no repository.",
        "Write `owner/name`, or `host/owner/name` for a forge of your own.",
    )
    assert case.settings is not None


async def test_an_unknown_section_is_a_warning(tmp_path: Path) -> None:
    _, finding = await read_case(make_case(tmp_path, "sandbox: local\nfoo: 1"))
    assert finding.status is Status.WARNING
    assert "foo: unknown key, ignored." in finding.found


async def test_without_a_workflow_the_machine_is_examined_with_the_defaults(tmp_path: Path) -> None:
    case, finding = await read_case(Case(tmp_path / "WORKFLOW.md", {"PATH": PATH}))
    assert finding.remedy == "Name the file, or create one with `symphony init`."
    assert case.in_machines
    assert case.settings is not None
    assert case.settings.workspace.root == tmp_path / ".symphony" / "workspaces"


async def test_the_command_lines_sandbox_beats_the_workflows_also_when_that_is_broken(tmp_path: Path) -> None:
    case, _ = await read_case(make_case(tmp_path, "sandbox: local", "smolvm"))
    assert case.in_machines
    case, _ = await read_case(make_case(tmp_path, "sandbox: [", "smolvm"))
    assert case.in_machines


# --- this machine ------------------------------------------------------------------------------------


async def test_the_installed_git_is_named(tmp_path: Path) -> None:
    finding = await found(look_at_git, tmp_path, "sandbox: local")
    assert finding.status is Status.OK
    assert finding.found.endswith("/git)")


@pytest.mark.parametrize(
    ("front", "free", "status"),
    [
        ("", 100_000, Status.OK),
        ("", 2_047, Status.WARNING),
        ("", 1_023, Status.FAILED),
        ("retention: {min_free_mib: 4000}", 7_999, Status.WARNING),
        ("retention: {min_free_mib: 4000}", 3_999, Status.FAILED),
        ("retention: {min_free_mib: 100}", 2_047, Status.WARNING),
        ("retention: {min_free_mib: null}", 1_023, Status.WARNING),
        ("retention: {min_free_mib: null}", 255, Status.FAILED),
    ],
)
async def test_free_space_is_judged_by_what_attempts_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: str, free: int, status: Status
) -> None:
    monkeypatch.setattr(host, "fullest_disk", lambda places: HostDisk(free * MIB, 200_000 * MIB, "/"))
    local = await found(look_at_disk, tmp_path, f"sandbox: local\n{front}")
    assert (local.status, "for machines" in local.found) == (status, False)
    in_machines = await found(look_at_disk, tmp_path, f"sandbox: smolvm\n{front}")
    assert f"for machines in {tmp_path}/.cache/smolvm" in in_machines.found


async def test_a_disk_on_which_attempts_wait_is_named_with_the_numbers_of_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "fullest_disk", lambda places: HostDisk(512 * MIB, 2_048 * MIB, "/"))
    waits = await found(look_at_disk, tmp_path, "sandbox: local")
    assert "0.5 GiB free for workspaces" in waits.found
    assert "and attempts start at 1,126 MiB" in waits.found
    assert "symphony gc --dry-run" in waits.remedy
    never = await found(look_at_disk, tmp_path, "sandbox: local\nretention: {min_free_mib: 4096}")
    assert never.status is Status.FAILED
    assert never.remedy == "Lower `retention.min_free_mib` in WORKFLOW.md."


async def test_a_disk_that_does_not_tell_its_space_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "fullest_disk", lambda places: None)
    assert (await found(look_at_disk, tmp_path, "sandbox: local")).status is Status.WARNING


@pytest.mark.parametrize(
    ("front", "free", "status"),
    [
        ("sandbox: smolvm", 8_000, Status.OK),
        ("sandbox: smolvm", 1_000, Status.WARNING),
        ("sandbox: smolvm\nsmolvm: {mem_mib: 9000}", 8_000, Status.FAILED),
        ("sandbox: local\nsmolvm: {mem_mib: 9000}", 8_000, Status.OK),
    ],
)
async def test_memory_is_judged_by_whether_a_machine_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, front: str, free: int, status: Status
) -> None:
    memory = HostMemory(free * MIB, 8_192 * MIB)
    monkeypatch.setattr(host, "SystemHost", partial(MemoryHost, memory))
    finding = await found(look_at_memory, tmp_path, front)
    assert finding.status is status
    assert bool(finding.remedy) is (status is not Status.OK)


async def test_a_port_that_another_program_holds_has_failed(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        taken = await found(look_at_port, tmp_path, f"sandbox: local\nserver: {{port: {port}}}")
    assert taken == failed(
        f"127.0.0.1:{port}: address already in use",
        "Stop the program that listens there, or set another `server.port`.",
    )
    free = await found(look_at_port, tmp_path, f"sandbox: local\nserver: {{port: {port}}}")
    assert free == ok(f"127.0.0.1:{port} is free")


async def test_an_address_that_is_not_this_machines_has_failed(tmp_path: Path) -> None:
    front = "sandbox: local\nserver: {host: 203.0.113.7, token: abcdefgh}"
    finding = await found(look_at_port, tmp_path, front)
    assert finding.status is Status.FAILED
    assert "server.host" in finding.remedy


# --- agents and credentials --------------------------------------------------------------------------


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("#!/bin/sh\n")
    (folder / name).chmod(0o755)
    return folder / name


async def test_the_program_of_each_adapter_that_a_state_names_is_looked_for(tmp_path: Path) -> None:
    opencode = program(tmp_path / "bin", "opencode")
    front = (
        "sandbox: local\nstates: {Todo: {role: active}, Review: {role: active, adapter: opencode},"
        " Done: {role: terminal}}"
    )
    finding = await found(look_at_agents, tmp_path, front, PATH=str(tmp_path / "bin"))
    assert finding.status is Status.FAILED
    assert finding.found == f"claude: claude-agent-acp is not on PATH; opencode is {opencode}"
    assert "npm install -g" in finding.remedy


async def test_an_adapter_of_a_name_of_its_own_is_its_command(tmp_path: Path) -> None:
    front = "sandbox: local\nacp: {adapter: mine, command: git --version, shell: sh}"
    assert (await found(look_at_agents, tmp_path, front)).status is Status.OK
    assert (await found(look_at_credentials, tmp_path, front)).status is Status.OK


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("exec no-such-agent --acp", Status.WARNING),
        ("git --version", Status.OK),
        ("X=1 no-such-agent", Status.OK),
        ("'", Status.OK),
    ],
)
async def test_of_a_command_the_shell_must_be_there_and_the_program_should(
    tmp_path: Path, command: str, status: Status
) -> None:
    front = f"sandbox: local\nacp: {{command: {command!r}, shell: sh}}"
    assert (await found(look_at_agents, tmp_path, front)).status is status
    front = f"sandbox: local\nacp: {{command: {command!r}, shell: no-such-shell}}"
    assert (await found(look_at_agents, tmp_path, front)).status is Status.FAILED


async def test_in_machines_the_program_is_looked_for_in_the_image(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    (rootfs / "etc").mkdir(parents=True)
    front = f"sandbox: smolvm\nsmolvm: {{image: {rootfs}}}\nacp: {{adapter: claude}}"
    missing = await found(look_at_agents, tmp_path, front)
    assert missing.status is Status.FAILED
    assert missing.found == f"the image {rootfs} has no claude-agent-acp, the program of claude"
    (rootfs / "usr/local/bin").mkdir(parents=True)
    (rootfs / "usr/local/bin/claude-agent-acp").symlink_to("/opt/agents/claude")  # the guest's /opt
    assert (await found(look_at_agents, tmp_path, front)).status is Status.OK


async def test_without_an_image_to_look_into_agents_are_skipped_and_say_so(tmp_path: Path) -> None:
    finding = await found(look_at_agents, tmp_path, "sandbox: smolvm")
    assert finding == Finding(Status.SKIPPED, "there is no image to look into")
    registry = await found(look_at_agents, tmp_path, "sandbox: smolvm\nsmolvm: {image: 'python:3.12'}")
    assert registry == Finding(Status.SKIPPED, "what the image holds is seen when a machine starts")


@pytest.mark.parametrize(("sandbox", "without"), [("local", Status.WARNING), ("smolvm", Status.FAILED)])
async def test_credentials_are_told_by_name_and_never_by_value(
    tmp_path: Path, sandbox: str, without: Status
) -> None:
    front = f"sandbox: {sandbox}\nacp: {{adapter: claude}}"
    there = await found(look_at_credentials, tmp_path, front, ANTHROPIC_API_KEY=SECRET)
    assert there.status is Status.OK
    assert there.found.startswith("claude: ANTHROPIC_API_KEY is set")
    assert SECRET not in f"{there}"
    missing = await found(look_at_credentials, tmp_path, front, ANTHROPIC_API_KEY="")
    assert missing.status is without
    assert missing.found == (
        'The adapter "claude" has no credential: ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN and'
        " CLAUDE_CODE_OAUTH_TOKEN are not set, and there is no login in"
        f" {tmp_path}/.claude/.credentials.json."
    )
    assert missing.remedy == "Set ANTHROPIC_API_KEY, or run `claude` once and log in."


@pytest.mark.parametrize(("sandbox", "more"), [("local", ""), ("smolvm", "; guests see a placeholder")])
async def test_a_login_is_told_with_its_end_and_one_that_is_of_no_use_has_failed(
    tmp_path: Path, sandbox: str, more: str
) -> None:
    front = f"sandbox: {sandbox}\nacp: {{adapter: claude}}"
    until = datetime(2999, 1, 1, 12, 30, tzinfo=UTC)
    path = write_login(tmp_path / ".claude" / ".credentials.json", claude_login(until))
    assert await found(look_at_credentials, tmp_path, front) == ok(
        f"claude: the login in {path}, good until 2999-01-01 12:30 UTC; symphony renews it{more}"
    )
    path.write_text("{")
    broken = await found(look_at_credentials, tmp_path, front)
    assert broken == failed(
        f"The login in {path} cannot be read: it is not JSON.",
        "Log in again: run `claude` and enter `/login`.",
    )
    write_login(path, claude_login(datetime(2020, 1, 1, tzinfo=UTC), refresh=""))
    over = await found(look_at_credentials, tmp_path, front)
    assert over.status is Status.FAILED
    assert over.found.startswith(f"The login in {path} expired at 2020-01-01 00:00 UTC and has no refresh")


async def test_a_chosen_credential_that_is_not_set_has_failed(tmp_path: Path) -> None:
    front = "sandbox: smolvm\nacp: {adapter: opencode}\nsmolvm: {credentials: {OPENAI_API_KEY: MY_KEY}}"
    missing = await found(look_at_credentials, tmp_path, front)
    assert missing.status is Status.FAILED
    assert missing.found == "`smolvm.credentials` names MY_KEY, which is not set"
    there = await found(look_at_credentials, tmp_path, front, MY_KEY=SECRET)
    assert there == ok("opencode: OPENAI_API_KEY is set; guests see a placeholder")


async def test_a_credential_without_a_host_has_failed(tmp_path: Path) -> None:
    front = "sandbox: smolvm\nacp: {adapter: opencode}\nsmolvm: {credentials: {ODD_KEY: MY_KEY}}"
    finding = await found(look_at_credentials, tmp_path, front, MY_KEY=SECRET)
    assert finding.status is Status.FAILED
    assert "ODD_KEY" in finding.found


async def test_the_demo_needs_no_credentials(tmp_path: Path) -> None:
    for sandbox in ("local", "smolvm"):
        front = f"sandbox: {sandbox}\nacp: {{adapter: demo}}"
        assert await found(look_at_credentials, tmp_path, front) == ok("demo needs none")


# --- machines ----------------------------------------------------------------------------------------


async def test_a_missing_image_is_a_warning_that_says_how_to_build_it(tmp_path: Path) -> None:
    finding = await found(look_at_image, tmp_path, "sandbox: smolvm")
    assert finding.status is Status.WARNING
    assert "`symphony image build`" in finding.remedy


async def test_a_damaged_image_has_failed(tmp_path: Path) -> None:
    (tmp_path / "rootfs").mkdir()
    case, _ = await read_case(make_case(tmp_path, f"sandbox: smolvm\nsmolvm: {{image: {tmp_path}/rootfs}}"))
    result = await run_check(Check("image", 10.0, partial(look_at_image, case)), still)
    assert result.finding.status is Status.FAILED


async def test_a_folder_that_machines_cannot_enter_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    finding = await found(
        look_at_reach, tmp_path, f"sandbox: smolvm\nworkspace: {{root: {closed}/workspaces}}"
    )
    assert finding.status is Status.FAILED
    assert finding.found == f"a machine's own user cannot reach {closed}/workspaces"
    assert "chmod o+x" in finding.remedy
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    case, _ = await read_case(make_case(tmp_path, "sandbox: smolvm"))
    assert (await look_at_reach(case)).status is Status.SKIPPED


async def test_without_an_engine_kvm_is_skipped_and_an_engine_that_hangs_gives_no_circular_advice(
    tmp_path: Path,
) -> None:
    case, _ = await read_case(make_case(tmp_path, f"sandbox: smolvm\nsmolvm: {{binary: {tmp_path}/gone}}"))
    checks = MachineChecks(case, quiet, still)
    assert (await checks.look_at_engine()).status is Status.FAILED
    broken = program(tmp_path / "bin", "smolvm")
    broken.write_text("#!/bin/sh\nexit 1\n")
    case, _ = await read_case(make_case(tmp_path, f"sandbox: smolvm\nsmolvm: {{binary: {broken}}}"))
    finding = await MachineChecks(case, quiet, still).look_at_engine()
    assert finding.status is Status.FAILED
    assert "symphony doctor" not in finding.remedy
    assert finding.remedy


# --- the forge ---------------------------------------------------------------------------------------

FORGED = "sandbox: local\nhandoff: {mode: pull_request"


def forge_program(folder: Path, name: str, version: str, answer: str) -> str:
    """Put a forge's program on a PATH, which answers each question alike; return that PATH."""
    made = program(folder, name)
    made.write_text(f"#!/bin/sh\ncase $1 in --version) {version};; api) {answer};; esac\n")
    return f"{folder}{os.pathsep}{PATH}"


def answers(status: int, body: str = "{}") -> str:
    return f"printf 'HTTP/2.0 {status} X\\r\\n\\r\\n%s' '{body}'"


async def forge_found(folder: Path, rest: str = "}", remote: str = "", **environ: str) -> Finding:
    """Return what is found of a project whose remote is of a forge."""
    make_project(folder / "project", {"README.md": b"a project\n"})
    if remote:
        git(folder / "project", "remote", "add", "origin", remote)
    front = f"{FORGED}{rest}\nworkspace: {{source: {folder}/project}}"
    return await found(look_at_forge, folder, front, **environ)


GH = "echo 'gh version 2.23.0 (2023-02-09 Debian 2.23.0+dfsg1-1)'"
GLAB = "echo 'glab 1.53.0 (2025-02-27)'"
REMOTE = "https://user:secret@forge.example/owner/name.git"
WAY = (
    "pull requests go to forge.example/owner/name by the remote origin (https://forge.example/owner/name.git)"
)


async def test_without_pull_requests_no_forge_is_asked(tmp_path: Path) -> None:
    finding = await found(look_at_forge, tmp_path, "sandbox: local\nhandoff: {mode: patch, repo: a/b}")
    assert finding == skipped("handoffs are no pull requests")


@pytest.mark.parametrize(("name", "version", "number"), [("gh", GH, "2.23.0"), ("glab", GLAB, "1.53.0")])
async def test_a_forge_that_takes_the_login_is_told_with_program_and_remote(
    tmp_path: Path, name: str, version: str, number: str
) -> None:
    kind = {"gh": "github", "glab": "gitlab"}[name]
    path = forge_program(tmp_path / "bin", name, version, answers(200))
    finding = await forge_found(tmp_path, f", forge: {kind}}}", REMOTE, PATH=path)
    assert finding == ok(f"{name} {number} ({tmp_path}/bin/{name}); logged in to forge.example; {WAY}")


async def test_the_repository_of_the_environment_counts(tmp_path: Path) -> None:
    path = forge_program(tmp_path / "bin", "gh", GH, answers(200))
    make_project(tmp_path / "project", {"README.md": b"a project\n"})
    git(tmp_path / "project", "remote", "add", "origin", str(tmp_path / "remote.git"))
    front = f"sandbox: local\nworkspace: {{source: {tmp_path}/project}}"
    finding = await found(look_at_forge, tmp_path, front, PATH=path, SYMPHONY_REPO="a/b")
    assert finding.found.endswith(
        "logged in to github.com; pull requests go to github.com/a/b"
        f" by the remote origin ({tmp_path}/remote.git)"
    )


@pytest.mark.parametrize(
    ("kind", "said", "remedy"),
    [
        (
            "github",
            "`gh` is not installed, and pull requests on GitHub are made with it",
            "Install it (on Debian and Ubuntu: apt-get install gh),"
            " then run `gh auth login --hostname forge.example`.",
        ),
        (
            "gitlab",
            "`glab` is not installed, and pull requests on GitLab are made with it",
            "Install it (on Debian 13 and Ubuntu 24.04: apt-get install glab),"
            " then run `glab auth login --hostname forge.example`.",
        ),
    ],
)
async def test_a_forges_program_that_is_missing_is_named_with_how_to_get_it(
    tmp_path: Path, kind: str, said: str, remedy: str
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(shutil.which("git") or "")
    finding = await forge_found(tmp_path, f", forge: {kind}}}", REMOTE, PATH=str(tmp_path / "bin"))
    assert finding == failed(f"{said}; {WAY}", remedy)


@pytest.mark.parametrize(
    "answer",
    ["echo 'To get started, run: gh auth login' >&2; exit 4", answers(401, '{"message": "Bad credentials"}')],
)
async def test_a_login_that_is_missing_or_refused_has_the_command_for_the_remotes_host(
    tmp_path: Path, answer: str
) -> None:
    path = forge_program(tmp_path / "bin", "gh", GH, answer)
    finding = await forge_found(tmp_path, "}", REMOTE, PATH=path)
    assert finding == failed(
        f"gh 2.23.0 ({tmp_path}/bin/gh); `gh` is not logged in to forge.example, or forge.example does"
        f" not take its login any more; {WAY}",
        "Run `gh auth login --hostname forge.example` as the user that runs symphony.",
    )


async def test_a_repository_that_the_login_may_not_see_has_failed(tmp_path: Path) -> None:
    path = forge_program(tmp_path / "bin", "gh", GH, answers(404))
    finding = await forge_found(tmp_path, ", repo: a/b}", REMOTE, PATH=path)
    assert finding.status is Status.FAILED
    assert "GitHub at forge.example knows no repository a/b" in finding.found


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("echo gh version 2.4.0", "gh 2.4.0 ({place}); versions before 2.23 are not tested"),
        ("echo gh of mine", "gh ({place}) does not say its version"),
        ("exit 1", "gh ({place}) does not say its version"),
    ],
)
async def test_a_version_that_is_too_old_or_unknown_is_a_warning(
    tmp_path: Path, version: str, said: str
) -> None:
    path = forge_program(tmp_path / "bin", "gh", version, answers(200))
    finding = await forge_found(tmp_path, "}", REMOTE, PATH=path)
    assert finding == warning(
        f"{said.format(place=tmp_path / 'bin' / 'gh')}; logged in to forge.example; {WAY}",
        "Install gh 2.23 or newer.",
    )


async def test_a_forge_that_cannot_be_reached_is_a_warning(tmp_path: Path) -> None:
    path = forge_program(tmp_path / "bin", "gh", GH, "echo no such host >&2; exit 1")
    finding = await forge_found(tmp_path, "}", REMOTE, PATH=path)
    assert finding.status is Status.WARNING
    assert "; GitHub at forge.example cannot be reached: no such host; " in finding.found


async def test_a_forge_that_does_not_answer_is_waited_for_within_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forge, "LOOK_BOUND", 0.2)
    path = forge_program(tmp_path / "bin", "gh", GH, "exec sleep 1000")
    finding = await forge_found(tmp_path, "}", REMOTE, PATH=path)
    assert finding.status is Status.WARNING
    assert "; GitHub at forge.example did not answer `gh` within 0.2 seconds; " in finding.found


async def test_a_remote_that_is_missing_or_of_no_forge_has_failed_with_what_to_set(tmp_path: Path) -> None:
    async def look() -> Finding:
        return await forge_found(tmp_path / "none")

    async def look_at_folder() -> Finding:
        return await forge_found(tmp_path / "folder", "}", "/srv/name.git")

    for folder in ("none", "folder"):
        (tmp_path / folder).mkdir()
    missing = (await run_check(Check("forge", 30.0, look), still)).finding
    assert missing == failed(
        f"The source repository {tmp_path}/none/project has no remote 'origin' to push to.",
        f"Add it: `git -C {tmp_path}/none/project remote add origin URL`; or set handoff.remote.",
    )
    assert (await run_check(Check("forge", 30.0, look_at_folder), still)).finding == failed(
        "The remote origin (/srv/name.git) names no repository of a forge.",
        "Set handoff.repo in WORKFLOW.md to `owner/name`, or to `host/owner/name`.",
    )


# --- all of it ---------------------------------------------------------------------------------------


async def test_what_local_agents_do_not_need_is_skipped_and_nothing_is_booted(tmp_path: Path) -> None:
    told, doing = [], []
    case = make_case(tmp_path, "sandbox: local\nacp: {adapter: demo}")
    results = await examine(case, told.append, doing.append, still)
    assert tuple(result.name for result in results) == NAMES
    assert told == list(results)
    assert is_well(results)
    assert doing == []
    not_needed = {result.name for result in results if result.finding.status is Status.SKIPPED}
    assert not_needed == {"forge", "engine", "image", "reach", "kvm"}


async def test_a_boot_is_told_while_it_takes_long_and_warnings_leave_all_well(tmp_path: Path) -> None:
    engine = program(tmp_path / "bin", "smolvm")
    engine.write_text(
        '#!/bin/sh\ncase "$*" in *--version) echo smolvm 1.32.2;; *" ls "*) echo "[]";;'
        " *uname*) echo 6.18;; esac"
    )
    doing: list[str] = []
    front = f"sandbox: smolvm\nsmolvm: {{binary: {engine}, mem_mib: 1}}\nacp: {{adapter: demo}}"
    results = await examine(make_case(tmp_path, front), quiet, doing.append, still)
    by_name = {result.name: result.finding for result in results}
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        assert by_name["kvm"] == ok("a bare machine booted; its kernel is 6.18 (0.0 s in all)")
        assert doing == ["booting a bare machine …", ""]
    assert by_name["image"].status is Status.WARNING
    assert is_well(tuple(result for result in results if result.name in {"engine", "image"}))
