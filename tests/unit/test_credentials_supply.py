"""What agents get of a login: on the host by variable or file, in a guest by placeholder."""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from symphony.agent import AcpAgents, AgentError
from symphony.agent.adapters import find_adapter
from symphony.agent.credentials.found import look
from symphony.agent.credentials.guest import SCRIPT, STAGED, StagedFile
from symphony.agent.credentials.login import claims_of
from symphony.agent.credentials.logins import Logins
from symphony.agent.credentials.supply import Supplies, Supply
from symphony.agent.credentials.watch import CredentialWatch
from symphony.core.machine import Credential, GuestNeeds
from symphony.core.settings import AcpSettings, Settings, SmolvmSettings, Volume
from symphony.host.clock import VirtualClock
from tests.support.logins import (
    ACCESS,
    ACCOUNT,
    REFRESH,
    claude_login,
    codex_login,
    opencode_login,
    write_login,
)
from tests.support.token_server import TokenServer, open_token_server

HOUR = timedelta(hours=1)
FILES = {
    "claude": ".claude/.credentials.json",
    "codex": ".codex/auth.json",
    "opencode": ".local/share/opencode/auth.json",
}


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with open_token_server(REFRESH) as server:
        yield server


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def home(tmp_path: Path, clock: VirtualClock) -> Path:
    """A home with a good login for each agent."""
    now = clock.now()
    write_login(tmp_path / FILES["claude"], claude_login(now + 8 * HOUR))
    write_login(tmp_path / FILES["codex"], codex_login(now))
    write_login(tmp_path / FILES["opencode"], opencode_login(now + 8 * HOUR))
    return tmp_path


class Place:
    """What one home gives to agents."""

    def __init__(self, home: Path, clock: VirtualClock, server: TokenServer, **environ: str) -> None:
        self.environ = {"HOME": str(home), **environ}
        logins = Logins(self.environ, clock, server.ask)
        self.supplies = Supplies(self.environ, clock, logins)

    async def host(self, adapter: str, **acp: Any) -> Supply:
        return await self.supplies.for_host(find_adapter(adapter), AcpSettings(adapter=adapter, **acp))

    async def guest(self, adapter: str, **acp: Any) -> Supply:
        return await self.supplies.in_guest(find_adapter(adapter), AcpSettings(adapter=adapter, **acp))

    async def needs(self, adapter: str, smolvm: SmolvmSettings | None = None, **acp: Any) -> GuestNeeds:
        settings = AcpSettings(adapter=adapter, **acp)
        return await self.supplies.needs(find_adapter(adapter), settings, smolvm or SmolvmSettings())


# --- on the host -------------------------------------------------------------------------------------


async def test_claude_gets_a_token_that_it_cannot_renew_and_what_it_wants_to_know_of_it(
    home: Path, clock: VirtualClock, server: TokenServer
) -> None:
    supply = await Place(home, clock, server).host("claude")
    assert supply.environment == {
        "CLAUDE_CODE_OAUTH_TOKEN": ACCESS,
        "CLAUDE_CODE_OAUTH_SCOPES": "user:inference user:profile",
        "CLAUDE_CODE_SUBSCRIPTION_TYPE": "max",
        "CLAUDE_CODE_RATE_LIMIT_TIER": "default_claude_max_20x",
    }
    assert ACCESS not in repr(supply)


async def test_codex_and_opencode_find_their_own_file_and_it_is_fresh(
    home: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(home / FILES["opencode"], opencode_login(clock.now() + HOUR))
    assert (await Place(home, clock, server).host("codex")).environment == {
        "CODEX_REFRESH_TOKEN_URL_OVERRIDE": "unauthorized:"  # so that it does not
    }
    assert (await Place(home, clock, server).host("opencode")).environment == {
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "false"  # what speaks for a login is one of them
    }
    assert server.grants == 1
    assert json.loads((home / FILES["opencode"]).read_text())["openai"]["refresh"] == server.refresh


@pytest.mark.parametrize(
    ("adapter", "key"),
    [("claude", "ANTHROPIC_API_KEY"), ("claude", "CLAUDE_CODE_OAUTH_TOKEN"), ("codex", "CODEX_API_KEY")],
)
async def test_a_key_in_the_environment_beats_a_login_as_the_programs_have_it(
    home: Path, clock: VirtualClock, server: TokenServer, adapter: str, key: str
) -> None:
    place = Place(home, clock, server, **{key: "sk-of-the-environment"})
    assert (await place.host(adapter)).environment == {}
    assert (await place.guest(adapter)).file is None
    assert [each.name for each in (await place.needs(adapter)).credentials] == [key]


async def test_a_command_of_ones_own_finds_what_its_user_has(
    home: Path, clock: VirtualClock, server: TokenServer
) -> None:
    supply = await Place(home, clock, server).host("claude", command="my-agent")
    assert (supply.environment, supply.sources) == ({}, ())


@pytest.mark.parametrize("adapter", ["claude", "codex"])
async def test_an_adapter_that_was_never_set_up_says_so_before_it_is_started(
    tmp_path: Path, clock: VirtualClock, server: TokenServer, adapter: str
) -> None:
    with pytest.raises(AgentError) as caught:
        await Place(tmp_path, clock, server).host(adapter)
    assert caught.value.code == "agent.credential_missing"
    (tmp_path / FILES[adapter]).parent.mkdir()  # a settings file or a keychain may have one
    assert (await Place(tmp_path, clock, server).host(adapter)).environment == {}


async def test_a_place_of_ones_own_for_the_model_may_need_no_credential(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    place = Place(tmp_path, clock, server, ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert (await place.host("claude")).environment == {}
    assert (await place.needs("claude")).credentials == ()


# --- in a guest --------------------------------------------------------------------------------------


async def test_a_guest_of_claude_gets_a_placeholder_for_the_token(
    home: Path, clock: VirtualClock, server: TokenServer
) -> None:
    needs = await Place(home, clock, server).needs("claude")
    name, hosts = "CLAUDE_CODE_OAUTH_TOKEN", ("api.anthropic.com",)
    assert needs.credentials == (Credential(name, name, hosts),)
    assert needs.credentials[0].value == ACCESS
    assert needs.environment == {
        "CLAUDE_CODE_OAUTH_SCOPES": "user:inference user:profile",
        "CLAUDE_CODE_SUBSCRIPTION_TYPE": "max",
        "CLAUDE_CODE_RATE_LIMIT_TIER": "default_claude_max_20x",
    }
    assert ACCESS not in repr(needs)


async def test_a_guests_token_is_good_for_as_long_as_a_turn_may_take(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / FILES["claude"], claude_login(clock.now() + HOUR))
    needs = await Place(tmp_path, clock, server).needs("claude", prompt_timeout_ms=2_400_000)
    assert needs.credentials[0].value == ACCESS
    needs = await Place(tmp_path, clock, server).needs("claude", prompt_timeout_ms=3_600_000)
    assert needs.credentials[0].value == server.tokens[0]


async def test_a_guest_of_codex_writes_a_login_around_a_placeholder_and_it_holds_no_secret(
    home: Path, clock: VirtualClock, server: TokenServer, tmp_path: Path
) -> None:
    place = Place(home, clock, server)
    needs, supply = await place.needs("codex"), await place.guest("codex")
    real = json.loads((home / FILES["codex"]).read_text())["tokens"]
    assert [(each.name, each.value) for each in needs.credentials] == [
        ("SYMPHONY_CODEX_TOKEN", real["access_token"])
    ]
    assert needs.credentials[0].hosts == ("api.openai.com", "chatgpt.com", "auth.openai.com")
    written = stage(supply.file, tmp_path / "guest", SYMPHONY_CODEX_TOKEN="SMOL_PLACEHOLDER_1")
    document = json.loads(written.read_text())
    assert written == tmp_path / "guest" / ".codex" / "auth.json"
    assert written.stat().st_mode & 0o777 == 0o600
    tokens = document["tokens"]
    assert (document["auth_mode"], tokens["access_token"]) == ("chatgpt", "SMOL_PLACEHOLDER_1")
    assert (tokens["refresh_token"], tokens["account_id"]) == ("", ACCOUNT)
    assert datetime.fromisoformat(document["last_refresh"]) == clock.now()
    told = claims_of(tokens["id_token"])["https://api.openai.com/auth"]
    assert (told["chatgpt_account_id"], told["chatgpt_plan_type"]) == (ACCOUNT, "pro")
    for secret in (real["access_token"], real["refresh_token"], real["id_token"], "someone@example.org"):
        assert secret not in written.read_text()


async def test_a_guest_of_codex_gets_the_key_that_was_logged_in_with(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    write_login(tmp_path / FILES["codex"], {"OPENAI_API_KEY": "sk-logged-in-0123", "tokens": None})
    place = Place(tmp_path, clock, server)
    needs, supply = await place.needs("codex"), await place.guest("codex")
    assert needs.credentials[0].value == "sk-logged-in-0123"
    written = stage(supply.file, tmp_path / "guest", SYMPHONY_CODEX_TOKEN="PLACEHOLDER")
    assert json.loads(written.read_text())["OPENAI_API_KEY"] == "PLACEHOLDER"


async def test_a_guest_of_opencode_gets_the_providers_whose_hosts_are_known(
    home: Path, clock: VirtualClock, server: TokenServer, tmp_path: Path
) -> None:
    place = Place(home, clock, server)
    needs, supply = await place.needs("opencode"), await place.guest("opencode")
    assert {each.name: each.hosts for each in needs.credentials} == {
        "SYMPHONY_OPENAI_TOKEN": ("api.openai.com", "chatgpt.com"),
        "SYMPHONY_OPENROUTER_TOKEN": ("openrouter.ai",),
    }
    assert needs.hosts == ("api.openai.com", "chatgpt.com", "openrouter.ai")
    placeholders = {"SYMPHONY_OPENAI_TOKEN": "P1", "SYMPHONY_OPENROUTER_TOKEN": "P2"}
    written = stage(supply.file, tmp_path / "guest", XDG_DATA_HOME=str(tmp_path / "data"), **placeholders)
    assert written == tmp_path / "data" / "opencode" / "auth.json"
    document = json.loads(written.read_text())
    assert document["openrouter"] == {"type": "api", "key": "P2"}
    assert (document["openai"]["access"], document["openai"]["refresh"]) == ("P1", "")
    assert set(document) == {"openai", "openrouter"}
    assert supply.environment == {"OPENCODE_DISABLE_DEFAULT_PLUGINS": "false"}


async def test_a_guest_of_opencode_gets_one_provider_when_the_model_names_it(
    home: Path, clock: VirtualClock, server: TokenServer
) -> None:
    needs = await Place(home, clock, server).needs("opencode", model="openrouter/some-model")
    assert [each.name for each in needs.credentials] == ["SYMPHONY_OPENROUTER_TOKEN"]


async def test_a_guest_that_would_have_nothing_is_not_booted(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    place = Place(tmp_path, clock, server)
    with pytest.raises(AgentError) as caught:
        await place.needs("claude")
    assert str(caught.value) == (
        'The adapter "claude" has no credential: ANTHROPIC_API_KEY, ANTHROPIC_AUTH_TOKEN and'
        " CLAUDE_CODE_OAUTH_TOKEN are not set, and there is no login in"
        f" {tmp_path}/.claude/.credentials.json."
        " Set ANTHROPIC_API_KEY, or run `claude` once and log in."
    )
    volume = Volume(host=tmp_path, guest="/root/.claude")
    for smolvm in (SmolvmSettings(volumes=(volume,)), SmolvmSettings(forward_env=("MY_KEY",))):
        assert (await place.needs("claude", smolvm)).credentials == ()
    assert (await place.needs("demo")).credentials == ()


async def test_a_guest_without_the_placeholder_fails_and_says_why() -> None:
    class Result:
        exit_status = 2
        stderr = b"sh: 1: A_TOKEN: parameter not set"

    class Sandbox:
        async def run(self, *_: object, **__: object) -> Result:
            return Result()

    file = StagedFile("CODEX_HOME", ".codex", "auth.json", "{}", ("A_TOKEN",))
    with pytest.raises(AgentError) as caught:
        await file.write(Sandbox())  # type: ignore[arg-type]
    assert str(caught.value).startswith(
        "The guest could not write auth.json, its login: sh: 1: A_TOKEN: parameter not set."
    )
    ran = subprocess.run(
        ["/bin/sh", "-c", SCRIPT, "sh", "CODEX_HOME", ".codex", "auth.json", "A_TOKEN"],
        env={"HOME": "/nonexistent", STAGED: "@A_TOKEN@"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode != 0


def test_a_guest_leaves_a_login_alone_that_is_there_already(tmp_path: Path) -> None:
    own = write_login(tmp_path / ".codex" / "auth.json", "of a volume that shows the user's own folder")
    file = StagedFile("CODEX_HOME", ".codex", "auth.json", "@A_TOKEN@", ("A_TOKEN",))
    stage(file, tmp_path, A_TOKEN="placeholder")
    assert own.read_text() == "of a volume that shows the user's own folder"


def stage(file: StagedFile | None, home: Path, **variables: str) -> Path:
    """Write the file as a guest with this home does."""
    assert file is not None
    home.mkdir(exist_ok=True)
    folder = Path(variables.get(file.folder, home / file.default))
    argv = ["/bin/sh", "-c", SCRIPT, "sh", file.folder, file.default, file.name, *file.variables]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), STAGED: file.text, **variables}
    subprocess.run(argv, env=environ, check=True)
    return folder / file.name


# --- what is said of it ------------------------------------------------------------------------------


async def test_what_there_is_is_told_with_its_place_and_its_end(home: Path, clock: VirtualClock) -> None:
    def told(adapter: str, at: datetime, **environ: str) -> str:
        environ = {"HOME": str(home), **environ}
        found = look(find_adapter(adapter), AcpSettings(adapter=adapter), environ, at)
        return found.says or str(found.problem)

    now = clock.now()
    claude, codex, opencode = (home / FILES[name] for name in ("claude", "codex", "opencode"))
    assert told("claude", now, ANTHROPIC_API_KEY="x") == "ANTHROPIC_API_KEY is set"
    assert told("claude", now) == (
        f"the login in {claude}, good until 2026-01-01 08:00 UTC; symphony renews it"
    )
    assert told("claude", now + 9 * HOUR) == (
        f"the login in {claude}, over since 2026-01-01 08:00 UTC; symphony renews it"
    )
    assert told("codex", now) == f"the login in {codex}, good until 2026-01-09 00:00 UTC; symphony renews it"
    assert told("opencode", now) == (
        f"the login for openai in {opencode}, good until 2026-01-01 08:00 UTC; symphony renews it; "
        f"the login for openrouter in {opencode}; the login for unheard-of in {opencode}"
    )
    write_login(claude, claude_login(now - HOUR, refresh=""))
    assert told("claude", now) == (
        f"The login in {claude} expired at 2025-12-31 23:00 UTC and has no refresh token to renew it with."
        " Log in again: run `claude` and enter `/login`."
    )


class Said:
    """A log that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(f"info {event} {fields['adapter']}")

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(f"warning {event} {fields['adapter']}")


async def test_a_missing_credential_is_a_problem_until_it_is_there_and_is_said_once(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    said, changed = Said(), []
    hidden: set[str] = set()
    logins = Logins({"HOME": str(tmp_path)}, clock, server.ask)
    logins.hiders.append(hidden.update)
    watch = CredentialWatch(Settings, logins, said, lambda: changed.append(1))
    await watch.look()
    await watch.look()
    (problem,) = watch.problems()
    assert (problem.code, problem.where) == ("agent.credential_missing", "adapter claude")
    write_login(tmp_path / FILES["claude"], claude_login(clock.now() + HOUR))
    await watch.look()
    assert watch.problems() == ()
    assert said.lines == ["warning credential.missing claude", "info credential.found claude"]
    assert len(changed) == 2
    assert hidden == {ACCESS, REFRESH}


async def test_a_command_of_ones_own_is_not_looked_after(
    tmp_path: Path, clock: VirtualClock, server: TokenServer
) -> None:
    logins = Logins({"HOME": str(tmp_path)}, clock, server.ask)
    settings = Settings()
    own = settings.model_copy(update={"acp": settings.acp.model_copy(update={"command": "mine"})})
    watch = CredentialWatch(lambda: own, logins, Said(), lambda: None)
    await watch.look()
    assert watch.problems() == ()


def test_agents_without_an_environment_look_nowhere() -> None:
    async def ask() -> GuestNeeds:
        acp = AcpSettings(adapter="claude", command="x")
        return await AcpAgents().guest_needs(acp, SmolvmSettings())

    assert asyncio.run(ask()) == GuestNeeds(("api.anthropic.com",))
