"""A credential works in the guest and is nowhere in it: shown with an API host of the tests' own."""

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from symphony.agent.credentials.guest import StagedFile
from symphony.core.machine import Credential, GuestNeeds
from symphony.core.ports import RunResult
from symphony.sandbox.smolvm.driver import SmolvmDriver
from symphony.sandbox.smolvm.machines import list_machines
from symphony.sandbox.smolvm.sandbox import SmolvmSandbox
from tests.support.lab_hosts import ONLY_IN_THE_LAB, open_hosts
from tests.support.microvm import BOUND_S, open_place, spec_of
from tests.support.serving import serving

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module"), ONLY_IN_THE_LAB]

API, OTHER, INSIDE = "api.example.test", "other.example.test", "inside.example.test"
ADDRESSES = {API: "93.184.216.34", OTHER: "93.184.216.35", INSIDE: "10.77.0.5"}
VALUE = "sk-the-real-value-7c1e9f02d5"
ANSWER = b"answered"
VARIABLE = "API_KEY_OF_THE_HOST"
LOGIN, TOKEN = "sk-the-real-value-of-a-login", "SYMPHONY_CODEX_TOKEN"
LABELS = {"installation": "credentials", "issue": "1", "attempt": "1.1"}
ASK = """
import os, sys, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"x-api-key": os.environ["API_KEY"]})
try: print(urllib.request.urlopen(request, timeout=20).read().decode())
except OSError as error: print("refused", error)
"""


@dataclass
class Servers:
    """The tests' own hosts.

    Attributes:
        seen: the key that each request carried, by the name that it asked for.
    """

    seen: list[tuple[str, str]] = field(default_factory=list)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """Return what answers."""
        seen = self.seen

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append((self.headers["Host"], self.headers["x-api-key"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *words: Any) -> None:
                del words

        return Answer


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    with open_place() as folder:
        yield folder


@pytest.fixture(scope="module")
def servers(place: Path) -> Iterator[Servers]:
    servers = Servers()
    with (
        open_hosts(ADDRESSES, place) as hosts,
        serving(tls(ADDRESSES[API], servers, hosts.tls)),
        serving(tls(ADDRESSES[OTHER], servers, hosts.tls)),
        serving(tls(ADDRESSES[INSIDE], servers, hosts.tls)),
    ):
        yield servers


def tls(address: str, servers: Servers, context: ssl.SSLContext) -> ThreadingHTTPServer:
    """Return a server with the tests' certificate."""
    server = ThreadingHTTPServer((address, 443), servers.handler())
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox(place: Path, servers: Servers) -> AsyncIterator[SmolvmSandbox]:
    environ = {**os.environ, VARIABLE: VALUE, "SSL_CERT_FILE": str(place / "ca.pem")}
    workspace = place / "workspace"
    workspace.mkdir()
    login = Credential(TOKEN, TOKEN, (API,), LOGIN)
    needs = GuestNeeds((API,), (Credential("API_KEY", VARIABLE, (API,)), login))
    spec = replace(spec_of(workspace, LABELS), needs=needs, allowed_hosts=(OTHER, INSIDE))
    async with SmolvmDriver(environ, place / "kit").open_sandbox(spec) as opened:
        yield opened


async def ask(sandbox: SmolvmSandbox, name: str) -> RunResult:
    """Ask a host with the guest's key."""
    verify = {"SSL_CERT_FILE": "/run/smolvm/ca-bundle.pem"}
    command = ["python3", "-c", ASK, f"https://{name}/"]
    return await sandbox.run(command, environment=verify, timeout_s=BOUND_S)


async def test_the_api_host_gets_the_value_and_the_guest_has_a_placeholder(
    sandbox: SmolvmSandbox, servers: Servers
) -> None:
    asked = await ask(sandbox, API)
    variables = await sandbox.run(["env"], timeout_s=BOUND_S)

    assert asked.stdout.strip() == ANSWER, asked
    assert servers.seen[-1] == (API, VALUE)
    assert b"API_KEY=SMOL_PLACEHOLDER_" in variables.stdout


async def test_a_login_that_the_guest_has_written_around_a_placeholder_works(
    sandbox: SmolvmSandbox, servers: Servers
) -> None:
    text = f'{{"tokens": {{"access_token": "@{TOKEN}@"}}}}'
    await StagedFile("CODEX_HOME", ".codex", "auth.json", text, (TOKEN,)).write(sandbox)
    read = "import json, os; path = os.path.expanduser('~/.codex/auth.json'); "
    read += "os.environ['API_KEY'] = json.load(open(path))['tokens']['access_token']\n"
    verify = {"SSL_CERT_FILE": "/run/smolvm/ca-bundle.pem"}
    asked = await sandbox.run(
        ["python3", "-c", read + ASK, f"https://{API}/"], environment=verify, timeout_s=BOUND_S
    )
    assert asked.stdout.strip() == ANSWER, asked
    assert servers.seen[-1] == (API, LOGIN)


async def test_no_other_host_gets_the_value(sandbox: SmolvmSandbox, servers: Servers) -> None:
    before = len(servers.seen)
    await sandbox.run(
        ["python3", "-c", ASK.replace("urlopen(request, ", "urlopen(request, context=__import__('ssl')"
         "._create_unverified_context(), "), f"https://{OTHER}/"],
        timeout_s=BOUND_S,
    )  # fmt: skip
    (seen,) = servers.seen[before:]
    assert seen[0] == OTHER
    assert seen[1].startswith("SMOL_PLACEHOLDER_")


async def test_an_allowed_name_that_leads_to_a_private_address_stays_closed(
    sandbox: SmolvmSandbox, servers: Servers
) -> None:
    before = len(servers.seen)
    asked = await ask(sandbox, INSIDE)
    assert asked.stdout.startswith(b"refused")
    assert len(servers.seen) == before


async def test_the_value_is_nowhere_in_the_guest_and_in_no_log_of_the_host(
    sandbox: SmolvmSandbox, place: Path, servers: Servers
) -> None:
    await ask(sandbox, API)
    search = (
        "grep -lsa 'the-real[-]value' /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/cmdline; "
        "grep -rlsa 'the-real[-]value' /etc /root /home /tmp /run /var /workspace /dev/shm 2>/dev/null; "
        "dmesg 2>/dev/null | grep -c 'the-real[-]value'; true"
    )
    found = await sandbox.run(["sh", "-c", search], timeout_s=BOUND_S)
    assert found.stdout.strip() in (b"", b"0"), found

    engine = await SmolvmDriver(os.environ, place / "kit").engine(None)
    (row,) = await list_machines(engine, LABELS)
    said = await engine.call("machine", "data-dir", "--name", row.name, doing="say where a machine is")
    kept = Path(said.decode().strip())
    state = {path for root in (kept, place) for path in root.rglob("*") if path.is_file()}
    small = [path for path in state if path.stat().st_size < 64 << 20]
    assert small
    values = (VALUE.encode(), LOGIN.encode())
    assert [path for path in small if any(value in path.read_bytes() for value in values)] == []
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert [command for command in commands if any(value in command for value in values)] == []
