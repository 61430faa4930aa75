"""`symphony doctor` as a person or a script runs it; the last test boots a machine with the real engine."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symphony.core.guest import GUEST_DEMO
from symphony.doctor.examination import NAMES
from tests.support.command_line import BOUND_S, ENVIRONMENT, argv, on_terminal, symphony
from tests.support.git_project import git

LOCAL = "---\nsandbox: local\nacp: {adapter: demo}\n---\nDo it.\n"
SECRET = "sk-never-printed-0123456789"
BOOT_BOUND_S = 500.0  # above doctor's own; the engine gives up after 30 s, and unpacks its disks once


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "WORKFLOW.md").write_text(LOCAL)
    return tmp_path


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that machines' own users can enter, with a short path for the engine's sockets."""
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o755)
        yield Path(made)


def checks_of(out: str) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in json.loads(out)["checks"]}


def test_where_nothing_is_missing_each_check_has_a_line_and_the_status_is_zero(folder: Path) -> None:
    ran = symphony(folder, "doctor")
    lines = ran.out.splitlines()
    assert (ran.status, ran.err) == (0, "")
    assert [line.split()[1] for line in lines if line[:1] in "✓!✗-" and line] == list(NAMES)
    assert f"✓ workflow     {folder}/WORKFLOW.md; sandbox: local" in lines
    assert "- kvm          skipped: `sandbox: local` needs none" in lines
    assert lines[-1].startswith("Nothing is missing")


def test_where_handoffs_are_pull_requests_the_way_to_the_forge_has_a_line(folder: Path) -> None:
    (folder / "bin").mkdir()
    (folder / "bin" / "gh").write_text(
        "#!/bin/sh\ncase $1 in --version) echo gh version 2.23.0;;"
        " api) printf 'HTTP/2.0 200 OK\\n\\n{}';; esac\n"
    )
    (folder / "bin" / "gh").chmod(0o755)
    for words in (["init", "--quiet"], ["remote", "add", "origin", "git@forge.example:owner/name.git"]):
        git(folder, *words)
    (folder / "WORKFLOW.md").write_text(LOCAL.replace("sandbox", "handoff: {mode: pull_request}\nsandbox"))
    path = f"{folder}/bin{os.pathsep}{os.environ['PATH']}"
    check = checks_of(symphony(folder, "doctor", "--json", environment={"PATH": path}).out)["forge"]
    assert (check["status"], check["remedy"]) == ("ok", None)
    assert check["found"] == (
        f"gh 2.23.0 ({folder}/bin/gh); logged in to forge.example; pull requests go to"
        " forge.example/owner/name by the remote origin (git@forge.example:owner/name.git)"
    )


def test_what_failed_is_said_with_its_remedy_and_the_status_is_one(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (folder / "WORKFLOW.md").write_text(LOCAL.replace("sandbox", f"server: {{port: {port}}}\nsandbox"))
        ran = symphony(folder, "doctor")
    assert ran.status == 1
    assert (
        f"✗ port         127.0.0.1:{port}: address already in use\n"
        "               Stop the program that listens there, or set another `server.port`.\n"
    ) in ran.out
    assert ran.out.splitlines()[-1].startswith("1 check failed")


def test_every_problem_of_the_workflow_has_a_line(folder: Path) -> None:
    (folder / "WORKFLOW.md").write_text("---\nsandbox: locl\npolling: {interval_ms: 0}\n---\n")
    ran = symphony(folder, "doctor")
    assert ran.status == 1
    problems = [line for line in ran.out.splitlines() if f"{folder}/WORKFLOW.md:" in line]
    assert len(problems) == 2
    assert "- disk         skipped: WORKFLOW.md does not load" in ran.out


def test_a_script_gets_json_with_every_check(folder: Path) -> None:
    ran = symphony(folder, "doctor", "--json")
    said = json.loads(ran.out)
    assert (ran.status, said["ok"]) == (0, True)
    assert [check["name"] for check in said["checks"]] == list(NAMES)
    for check in said["checks"]:
        assert set(check) == {"name", "status", "found", "remedy", "seconds"}
        assert check["status"] in {"ok", "warning", "skipped"}


def test_wrong_options_are_a_usage_error(folder: Path) -> None:
    assert symphony(folder, "doctor", "--sandbox", "docker").status == 2
    assert symphony(folder, "doctor", "--jsn").status == 2


def test_no_credential_is_printed(folder: Path) -> None:
    (folder / "WORKFLOW.md").write_text(LOCAL.replace("demo", "claude"))
    for words in (["doctor"], ["doctor", "--json"]):
        ran = symphony(folder, *words, environment={"ANTHROPIC_API_KEY": SECRET})
        assert "ANTHROPIC_API_KEY is set" in ran.out
        assert SECRET not in ran.out + ran.err


def test_on_a_narrow_terminal_what_is_found_is_folded_under_itself(open_folder: Path) -> None:
    (open_folder / "WORKFLOW.md").write_text("---\nsandbox: locl\n---\n")
    shown = on_terminal(open_folder, "doctor", columns=60, environment={"NO_COLOR": "1"})
    below = shown.split("workflow", 1)[1].split("agents", 1)[0].splitlines()[1:-1]
    assert "allowed: smolvm or local." in " ".join(" ".join(below).split())
    assert all(line.startswith(" " * 15) for line in below)


def test_a_terminal_that_knows_no_signs_gets_letters(folder: Path) -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert symphony(folder, "doctor", environment=environment).out.startswith("+ python ")


async def test_a_port_that_our_own_daemon_holds_is_fine(project: Any) -> None:
    async with project.daemon() as daemon:
        ran = await asyncio.to_thread(symphony, project.root, "doctor", "--json")
        port = checks_of(ran.out)["port"]
    url = daemon.said.running.url
    assert (port["status"], port["found"]) == (
        "ok",
        f"our own daemon, process {os.getpid()}, listens at {url}",
    )


@pytest.mark.parametrize(
    ("front", "words"),
    [
        ("smolvm: {{binary: {folder}/gone}}", "smolvm.binary names {folder}/gone, which is not a program"),
        ("smolvm: {{binary: /bin/true}}", "/bin/true does not say that it is smolvm."),
        ("", "There is no guest image symphony in {folder}/images. Build it with `symphony image build`"),
    ],
)
def test_a_daemon_that_can_start_no_machine_says_so_at_its_start(
    folder: Path, front: str, words: str
) -> None:
    if not front and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        words = "/dev/kvm"  # it is looked at before the image
    (folder / "WORKFLOW.md").write_text(f"---\nsandbox: smolvm\n{front.format(folder=folder)}\n---\n")
    (folder / "issues").mkdir()
    environment = {"HOME": str(folder), "SYMPHONY_IMAGES": f"{folder}/images"}
    ran = symphony(folder, "run", "--until-idle", "--port", "0", environment=environment)
    assert (ran.status, ran.out) == (1, "")
    assert words.format(folder=folder) in ran.err


@pytest.mark.skipif(not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="nothing is booted without /dev/kvm")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_boot_leaves_no_machine(folder: Path, number: signal.Signals) -> None:
    began, calls, engine = folder / "began", folder / "calls", folder / "smolvm"
    os.mkfifo(began)
    engine.write_text(
        f"""#!/bin/sh
echo "$*" >>{calls}
case "$*" in
  *--version) echo smolvm 1.32.2;;
  *" ls "*) echo "[]";;
  *" start "*) echo >{began}; exec sleep 1000;;
esac
"""
    )
    engine.chmod(0o755)
    (folder / "WORKFLOW.md").write_text(f"---\nsandbox: smolvm\nsmolvm: {{binary: {engine}}}\n---\n")
    process = subprocess.Popen(
        argv("doctor"), cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    began.read_bytes()
    process.send_signal(number)
    out, err = process.communicate(timeout=BOUND_S)
    assert (process.returncode, err) == (130, b"")
    assert b"engine" in out
    assert b"kvm" not in out
    assert " delete " in calls.read_text().splitlines()[-1]


@pytest.mark.timeout(BOOT_BOUND_S + 60)
def test_kvm_is_judged_by_a_boot_whatever_this_machine_has(open_folder: Path) -> None:
    guest = open_folder / "rootfs"
    for file in ("etc/os-release", "usr/bin/python3", GUEST_DEMO.lstrip("/")):
        (guest / file).parent.mkdir(parents=True, exist_ok=True)
        (guest / file).touch()
    (open_folder / "WORKFLOW.md").write_text(
        f"---\nsandbox: smolvm\nsmolvm: {{image: {guest}}}\nacp: {{adapter: demo}}\n---\n"
    )
    environment = {**ENVIRONMENT, "HOME": str(open_folder)}
    ran = subprocess.run(
        argv("doctor", "--json"),
        cwd=open_folder,
        env=environment,
        capture_output=True,
        timeout=BOOT_BOUND_S,
        check=False,
    )
    checks = checks_of(ran.stdout.decode())
    kvm = checks["kvm"]
    assert checks["engine"]["status"] == checks["image"]["status"] == "ok", checks
    assert checks["agents"]["status"] == "ok"
    assert kvm["status"] in {"ok", "failed"}
    if kvm["status"] == "ok":
        assert "its kernel is " in kvm["found"]
        assert os.uname().release not in kvm["found"]
    else:
        assert ran.returncode == 1
        assert "/dev/kvm" in kvm["found"]
        assert "virtualization" in kvm["remedy"] or "kvm" in kvm["remedy"]
        assert "Or set `sandbox: local`" in kvm["remedy"]
    listed = subprocess.run(
        [checks["engine"]["found"].split("(")[1].rstrip(")"), "machine", "ls", "--json"],
        env=environment,
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert json.loads(listed.stdout) == []
