"""What a machine is made from, and the machines of the real engine, which need no boot to be listed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.machine import Credential, GuestNeeds, MachineState, Refusal
from symphony.core.ports import SandboxSpec
from symphony.core.settings import Egress, SmolvmSettings, Volume
from symphony.sandbox.images.source import ImageSource
from symphony.sandbox.smolvm.engine import Engine, open_engine
from symphony.sandbox.smolvm.errors import EngineError
from symphony.sandbox.smolvm.machine import parse_refusal, unseen
from symphony.sandbox.smolvm.machine_spec import MachineSpec
from symphony.sandbox.smolvm.machines import (
    create_machine,
    delete_machine,
    list_machines,
    machine_name,
    parse_rows,
    start_machine,
)
from symphony.sandbox.smolvm.plan import forwarded, plan_machine, secrets_of

LABELS = {"installation": "here", "issue": "7", "attempt": "7.1"}
KEY = Credential("ANTHROPIC_API_KEY", "MY_KEY", ("api.example.com",))


def planned(settings: SmolvmSettings, image: Path, **changes: object) -> MachineSpec:
    spec = replace(SandboxSpec(Path("/work/7"), {}, LABELS, settings), **changes)
    return plan_machine("m", spec, ImageSource(("--image", str(image)), "digest", image), Path("/kit"))


def arguments(settings: SmolvmSettings, **changes: object) -> tuple[str, ...]:
    return planned(settings, Path("/image"), **changes).create_arguments()


def words_after(words: tuple[str, ...], option: str) -> list[str]:
    return [words[at + 1] for at, word in enumerate(words) if word == option]


def test_the_guest_sees_its_workspace_and_the_kit_read_only() -> None:
    volume = Volume(host=Path("/cache"), guest="/root/.cache")
    words = arguments(SmolvmSettings(volumes=(volume,), cpus=3, mem_mib=700))
    assert words_after(words, "-v") == ["/work/7:/work/7", "/kit:/run/symphony:ro", "/cache:/root/.cache:ro"]
    assert words_after(words, "--cpus") == ["3"]
    assert words_after(words, "--mem") == ["700"]


def test_only_the_variables_of_the_host_that_are_named_go_to_the_guest() -> None:
    settings = SmolvmSettings(forward_env=("LANG", "TZ"))
    assert forwarded(settings, {"LANG": "C.UTF-8", "SECRET": "x"}) == {"LANG": "C.UTF-8"}


def test_the_only_host_service_in_the_guest_is_the_socket_of_the_dispatch() -> None:
    words = arguments(SmolvmSettings(), mcp_socket=Path("/run/x/mcp.sock"))
    assert words_after(words, "--mount-socket") == ["/run/x/mcp.sock:/run/symphony-mcp/mcp.sock"]
    assert "--mount-socket" not in arguments(SmolvmSettings())
    assert not {"-p", "--port", "--net", "--expose-socket", "--ssh-agent"} & set(words)


def test_the_network_is_closed_by_default_and_what_is_tried_is_told() -> None:
    words = arguments(SmolvmSettings())
    assert "--block-private" in words
    assert words_after(words, "--allow-host-pattern") == ["closed.invalid"]


def test_hosts_of_the_adapter_the_settings_and_a_person_are_open_once_each() -> None:
    words = arguments(
        SmolvmSettings(egress=Egress(allow=("pypi.org", "api.example.com"))),
        needs=GuestNeeds(hosts=("api.example.com",)),
        allowed_hosts=("docs.example.com", "pypi.org"),
    )
    assert words_after(words, "--allow-host-pattern") == [
        "closed.invalid",
        "api.example.com",
        "pypi.org",
        "docs.example.com",
    ]
    assert "--block-private" in words


def test_an_open_network_still_keeps_private_addresses_out() -> None:
    words = arguments(SmolvmSettings(net=True))
    assert "--block-private" in words
    assert "--allow-host-pattern" not in words


def test_net_false_gives_no_network_and_no_credential() -> None:
    words = arguments(SmolvmSettings(net=False), needs=GuestNeeds(("api.example.com",), (KEY,)))
    assert not {"--block-private", "--allow-host-pattern", "--credential", "--secret-env"} & set(words)


def test_a_credential_is_named_and_its_value_is_nowhere() -> None:
    words = arguments(SmolvmSettings(), needs=GuestNeeds((), (KEY,)))
    assert words_after(words, "--allow-host-pattern") == ["closed.invalid", "api.example.com"]
    assert words_after(words, "--credential") == ["ANTHROPIC_API_KEY=ANTHROPIC_API_KEY@api.example.com"]
    assert words_after(words, "--secret-env") == ["ANTHROPIC_API_KEY=MY_KEY"]


@pytest.mark.parametrize(
    "settings",
    [
        SmolvmSettings(cpus=3),
        SmolvmSettings(mem_mib=4096),
        SmolvmSettings(net=True),
        SmolvmSettings(egress=Egress(allow=("pypi.org",))),
        SmolvmSettings(volumes=(Volume(host=Path("/a"), guest="/a"),)),
    ],
)
def test_other_settings_have_another_hash(settings: SmolvmSettings) -> None:
    image = Path("/image")
    plain = planned(SmolvmSettings(), image)
    assert planned(settings, image).settings_hash != plain.settings_hash
    assert planned(SmolvmSettings(), image).settings_hash == plain.settings_hash
    assert f"settings={plain.settings_hash}" in words_after(plain.create_arguments(), "--label")


@given(issue=st.text(max_size=60), installation=st.text(max_size=20))
def test_names_are_what_the_engine_takes_and_never_the_same(issue: str, installation: str) -> None:
    labels = {"issue": issue, "installation": installation}
    name = machine_name(labels)
    assert name.startswith("symphony-")
    assert name.replace("-", "").replace("_", "").isascii()
    assert name.replace("-", "").replace("_", "").isalnum()
    assert len(name) <= 64
    assert name != machine_name(labels)


@pytest.mark.parametrize("listed", [b"", b"{}x", b'[{"state": "running"}]', b"[3]"])
def test_a_list_in_an_unknown_form_is_named(listed: bytes) -> None:
    with pytest.raises(EngineError) as refused:
        parse_rows(listed)
    assert str(refused.value) == (
        "smolvm listed its machines in a form that symphony does not know. "
        "Use the version of smolvm that symphony brings: remove `smolvm.binary`."
    )


def test_a_state_that_is_not_known_counts_as_failed() -> None:
    (row,) = parse_rows(json.dumps([{"name": "m", "state": "melting", "pid": None}]).encode())
    assert row.state is MachineState.FAILED


@pytest.fixture
async def engine(tmp_path: Path) -> Engine:
    return await open_engine(None, {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}, state_dir=tmp_path / "s")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "image" / "bin").mkdir(parents=True)
    return tmp_path / "image"


def made(image: Path, tmp_path: Path, name: str, labels: Mapping[str, str]) -> MachineSpec:
    workspace, kit = tmp_path / "w", tmp_path / "k"
    workspace.mkdir(exist_ok=True)
    kit.mkdir(exist_ok=True)
    spec = SandboxSpec(workspace, {}, labels, SmolvmSettings(egress=Egress(allow=("nowhere.invalid",))))
    return plan_machine(name, spec, ImageSource(("--image", str(image)), "digest", image), kit)


async def test_the_real_engine_takes_our_machines_and_finds_them_by_label(
    engine: Engine, image: Path, tmp_path: Path
) -> None:
    mine = made(image, tmp_path, "mine", {"installation": "here", "issue": "ü 7", "attempt": "7.1"})
    await create_machine(engine, mine)
    await create_machine(engine, made(image, tmp_path, "other", {"installation": "elsewhere"}))

    (row,) = await list_machines(engine, {"installation": "here"})

    assert row.name == "mine"
    assert row.state is MachineState.CREATED
    assert row.labels["issue"] == "ü 7"
    assert row.labels["settings"] == mine.settings_hash
    assert "=nowhere.invalid" in row.hosts
    await delete_machine(engine, "mine")
    await delete_machine(engine, "mine")
    assert [row.name for row in await list_machines(engine)] == ["other"]


async def test_a_machine_of_a_missing_image_is_refused_in_the_engines_words(
    engine: Engine, image: Path, tmp_path: Path
) -> None:
    spec = replace(made(image, tmp_path, "m", LABELS), source=("--image", str(tmp_path / "gone.tar")))
    with pytest.raises(EngineError) as refused:
        await create_machine(engine, spec)
    assert refused.value.engine_code == "CONFIG_ERROR"
    assert refused.value.message.startswith("smolvm could not create the machine m: ")
    assert str(tmp_path / "gone.tar") in refused.value.message


def test_new_refusals_are_told_once() -> None:
    assert unseen([], [1, 2]) == [1, 2]
    assert unseen([1, 2], [1, 2]) == []
    assert unseen([1, 2], [1, 2, 2]) == [2]
    assert unseen([1, 2, 3], [3, 4, 5]) == [4, 5]
    assert unseen([1, 2], [7, 8]) == [7, 8]


@given(before=st.lists(st.integers(0, 2), max_size=8), more=st.lists(st.integers(0, 2), max_size=8))
def test_a_list_that_only_grew_gives_what_it_grew_by(before: list[int], more: list[int]) -> None:
    assert list(unseen(before, before + more)) == more


AT = datetime(2026, 11, 25, 16, 22, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operation", "dest", "refusal"),
    [
        ("resolve", "PyPI.org.", Refusal("pypi.org", None, AT)),
        ("connect", "93.184.216.34:443", Refusal("93.184.216.34", 443, AT)),
        ("connect", "[2001:db8::1]:443", Refusal("2001:db8::1", 443, AT)),
        ("sendto", "93.184.216.34:123", Refusal("93.184.216.34", 123, AT)),
        ("resolve", "a\x1b[31m\nb", Refusal("a[31m b", None, AT)),
    ],
)
def test_what_was_refused_is_read_as_host_and_port(operation: str, dest: str, refusal: Refusal) -> None:
    event = {"timestamp": "2026-11-25T16:22:37Z", "operation": operation, "dest": dest}
    assert parse_refusal(event) == refusal


@pytest.mark.parametrize("event", [None, [], {}, {"dest": 3}, {"dest": "", "operation": "resolve"}])
def test_what_cannot_be_read_is_no_refusal(event: object) -> None:
    assert parse_refusal(event) is None


async def test_a_logins_token_reaches_the_engine_by_its_environment_alone(tmp_path: Path) -> None:
    token, name = "sk-ant-oat01-the-token", "CLAUDE_CODE_OAUTH_TOKEN"
    login = Credential(name, name, ("api.anthropic.com",), token)
    spec = planned(SmolvmSettings(), Path("/image"), needs=GuestNeeds(login.hosts, (login, KEY)))
    program = tmp_path / "smolvm"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/argv\nenv >>{tmp_path}/env.$3\n')
    program.chmod(0o755)
    engine = Engine(program, "1.32.2", environment={"PATH": "/usr/bin:/bin"})
    await create_machine(engine, spec)
    await start_machine(engine, "m", secrets_of(spec.credentials, {"MY_KEY": "sk-mine", name: "of the host"}))
    argv = (tmp_path / "argv").read_text()
    assert f"{name}={name}@api.anthropic.com\n" in argv
    assert token not in argv + repr(spec)
    started = {path.name: path.read_text() for path in tmp_path.glob("env.*")}
    (with_token,) = [name for name, said in started.items() if token in said]
    assert "MY_KEY=sk-mine\n" in started[with_token]
    assert started[with_token].count(token) == 1
