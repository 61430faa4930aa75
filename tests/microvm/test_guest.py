"""What a guest can see and do, and what it can not: one machine serves all tests of this module.

The guest is hostile by assumption; each test is a thing that it tries.
"""

import os
import platform
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from symphony.core.handoff import Completion
from symphony.core.installation import Installation
from symphony.core.ports import RunResult, SandboxSpec, Workspace
from symphony.core.settings import Settings, Volume
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.sandbox import SmolvmSandbox
from symphony.workspace.workspaces import GitWorkspaces
from tests.support.git_project import git, make_issue, make_project
from tests.support.microvm import BOUND_S, SETTINGS, open_place

pytestmark = [pytest.mark.timeout(420), pytest.mark.asyncio(loop_scope="module")]

MANY_FILES = 3_000  # a process may usually hold 1,024 open
TRAP = """#!/bin/sh
[ -n "$IN_GUEST" ] || echo "$0 $*" >> "{sprung}"
cat 2>/dev/null
"""

HOSTILE = r"""
set -e
cp "$TRAP" .git/trap; chmod 755 .git/trap
git config user.name Agent; git config user.email agent@example.org
echo honest > honest.txt; git add honest.txt; git commit -q -m 'Honest work'
mkdir -p .git/hooks
for hook in pre-commit post-checkout reference-transaction post-index-change update; do
    cp .git/trap .git/hooks/$hook
done
for key in core.fsmonitor core.sshCommand core.hooksPath diff.external filter.evil.clean \
    filter.evil.process uploadpack.packObjectsHook core.pager credential.helper gpg.program; do
    git config $key "$PWD/.git/trap"
done
echo '* filter=evil diff=evil' > .gitattributes
ln -s "$OUTSIDE" stolen.txt
ln -s "$(dirname "$OUTSIDE")" stolen-folder
for object in $(find .git/objects -type f -name '??*' | head -20); do
    chmod u+w "$object"; echo rubbish >> "$object"
done
exit 0
"""


class World:
    """A project of the host, its workspace in a machine, and things of the host beside it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.source = make_project(place / "project", {"README.md": b"a project\n", "sub/x.txt": b"x\n"})
        self.workspaces = GitWorkspaces(Installation(self.source / ".symphony"))
        self.outside = place / "outside" / "secret.txt"
        self.outside.parent.mkdir()
        self.outside.write_text("a secret of the host\n")
        self.shown = place / "shown"
        self.shown.mkdir()
        (self.shown / "read.txt").write_text("for reading\n")
        self.sprung = place / "sprung-on-the-host"
        self.trap = self.shown / "trap.sh"
        self.trap.write_text(TRAP.format(sprung=self.sprung))
        self.workspace: Workspace
        self.sandbox: SmolvmSandbox

    async def run(self, script: str, timeout_s: float = BOUND_S) -> RunResult:
        """Run a script in the guest."""
        return await self.sandbox.run(["sh", "-c", script], timeout_s=timeout_s)

    async def said(self, script: str) -> str:
        """Return what a script prints, which must end well."""
        result = await self.run(script)
        assert result.exit_status == 0, result
        return result.stdout.decode().strip()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as folder:
        yield folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(place: Path) -> AsyncIterator[World]:
    world = World(place)
    world.workspace = await world.workspaces.prepare(make_issue("12"), Settings(), {})
    spec = SandboxSpec(
        world.workspace.path,
        {"IN_GUEST": "yes", "OUTSIDE": str(world.outside), "TRAP": "/shown/trap.sh"},
        {"installation": str(place), "issue": "12", "attempt": "12.1"},
        SETTINGS.model_copy(update={"volumes": (Volume(host=world.shown, guest="/shown"),)}),
    )
    async with SmolvmDriver(os.environ, place / "kit").open_sandbox(spec) as world.sandbox:
        yield world


async def test_the_guest_has_a_kernel_and_processes_of_its_own(world: World) -> None:
    kernel = await world.said("uname -r")
    processes = await world.said("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")

    assert kernel != platform.release()
    assert "pytest" not in processes


async def test_the_guest_sees_its_workspace_and_no_other_file_of_the_host(world: World) -> None:
    assert (await world.run(f"cat {world.outside}")).exit_status != 0
    assert (await world.run(f"ls {world.source}/.git")).exit_status != 0
    assert await world.said("cat sub/x.txt; pwd") == f"x\n{world.workspace.path}"


async def test_what_is_shown_read_only_stays_as_it_is(world: World) -> None:
    await world.run("echo changed > /shown/read.txt; chmod 777 /run/symphony/launch; rm -f /run/symphony/*")
    assert (world.shown / "read.txt").read_text() == "for reading\n"
    assert await world.said("test -x /run/symphony/launch && echo there") == "there"


async def test_work_in_the_guest_is_on_the_hosts_disk_at_once_and_belongs_to_no_privileged_user(
    world: World,
) -> None:
    await world.said("echo work > made.txt; cp /bin/sh setuid; chmod 4755 setuid; mknod device c 1 3 || true")

    made = (world.workspace.path / "made.txt").stat()

    assert (world.workspace.path / "made.txt").read_text() == "work\n"
    assert made.st_uid == os.geteuid() != 0 or made.st_uid >= 2_000_000
    assert not (world.workspace.path / "device").is_char_device()
    await world.said("rm -f made.txt setuid device")


async def test_a_guest_may_look_at_more_files_than_a_process_usually_holds_open(world: World) -> None:
    script = (
        "mkdir -p many && cd many && seq NUMBER | xargs touch && seq NUMBER | xargs cat && "
        "ls -l | grep -c '^-'; cd .. && rm -rf many"
    ).replace("NUMBER", str(MANY_FILES))

    assert await world.said(script) == str(MANY_FILES)


async def test_nothing_is_reachable_and_each_try_is_told(world: World) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    dial = (
        "import socket, sys\n"
        "for host, port in [('127.0.0.1', PORT), ('100.96.0.1', PORT), ('169.254.169.254', 80),\n"
        "                   ('10.0.2.2', 80), ('93.184.216.34', 443), ('pypi.example.org', 443)]:\n"
        "    try: socket.create_connection((host, port), 5); print('reached', host)\n"
        "    except OSError as error: pass\n"
    ).replace("PORT", str(port))

    said = await world.sandbox.run(["python3", "-c", dial], timeout_s=BOUND_S)
    told = {(refusal.host, refusal.port) for refusal in await world.sandbox.machine.refusals()}

    assert said.stdout == b""
    assert ("pypi.example.org", None) in told
    assert {("169.254.169.254", 80), ("93.184.216.34", 443)} <= told
    assert await world.sandbox.machine.refusals() == ()
    server.close()


async def test_a_host_is_opened_and_closed_while_the_machine_runs(world: World) -> None:
    machine = world.sandbox.machine
    await machine.allow("opened.example.org")
    await machine.allow("opened.example.org")
    await world.run("getent hosts opened.example.org; getent hosts closed.example.org")
    told = {refusal.host for refusal in await machine.refusals()}
    await machine.forbid("opened.example.org")
    await machine.forbid("opened.example.org")
    await world.run("getent hosts opened.example.org")

    assert "closed.example.org" in told
    assert "opened.example.org" not in told
    assert "opened.example.org" in {refusal.host for refusal in await machine.refusals()}


async def test_what_a_hostile_guest_leaves_in_its_repository_runs_nothing_on_the_host(world: World) -> None:
    before = fingerprint(world.source / ".git")

    await world.said(HOSTILE)
    imported = await world.workspaces.collect(world.workspace, world.sandbox)
    completion = Completion("12", "12.1", "Hostile", "It tried.", make_completion_time())
    handoff = await world.workspaces.hand_off(world.workspace, imported, completion, Settings())

    assert not world.sprung.exists()
    assert fingerprint(world.source / ".git") == before
    assert git(world.source, "fsck", "--strict") == ""
    assert handoff.patch is not None
    assert "a secret of the host" not in handoff.patch.read_text(errors="replace")
    assert world.outside.read_text() == "a secret of the host\n"


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Return every file of the source repository."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def make_completion_time() -> datetime:
    """Return a time."""
    return datetime(2026, 11, 25, tzinfo=UTC)
