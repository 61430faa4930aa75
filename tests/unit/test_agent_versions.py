"""Which versions of an agent's program are used, doubted and refused."""

import json
import os
from pathlib import Path

import pytest

from symphony.agent import AcpAgents, AgentError
from symphony.agent.adapters import ADAPTERS
from symphony.core.ports import SandboxSpec
from symphony.doctor.check import Status
from symphony.doctor.versions import judge_version, version_at
from symphony.sandbox.images.definition import FOLDER, plan_image, read_definition
from symphony.sandbox.local import LocalDriver
from tests.agents.harness import PATIENT, Heard, agent_command, make_spec, open_program

NEWER = "; codex-acp 0.17.0 is newer than 0.16.0, the newest that symphony was tested with."
REMEDY = "The tested one comes with `npm install -g @zed-industries/codex-acp@0.16.0`."


async def introduced(tmp_path: Path, adapter: str, *words: str) -> Heard:
    """Return what is heard of an agent that calls itself so."""
    heard = Heard()
    async with open_program(tmp_path, "introduces", *words, heard=heard, adapter=adapter):
        pass
    return heard


async def test_a_session_says_which_program_of_which_version_it_is(tmp_path: Path) -> None:
    heard = await introduced(tmp_path, "codex", "codex-acp", "0.16.0")
    assert heard.of("program", "warning") == ["An Agent 0.16.0"]


@pytest.mark.parametrize(
    ("version", "doubt"),
    [
        ("0.17.0", "codex-acp 0.17.0 is newer than 0.16.0, the newest that symphony was tested with."),
        (
            "0.16.1-beta",
            "codex-acp 0.16.1-beta is newer than 0.16.0, the newest that symphony was tested with.",
        ),
        ("v0.15.9", "codex-acp v0.15.9 is older than 0.16.0, the oldest that symphony was tested with."),
        ("0.10", "codex-acp 0.10 is older than 0.16.0, the oldest that symphony was tested with."),
        ("edge\x1b[2J", "codex-acp tells version edge[2J; symphony was tested with 0.16.0."),
        ("", "codex-acp tells no version of itself; symphony was tested with 0.16.0."),
    ],
)
async def test_a_version_that_was_not_tested_is_doubted(tmp_path: Path, version: str, doubt: str) -> None:
    heard = await introduced(tmp_path, "codex", "Codex-ACP", version)
    assert heard.of("warning") == [f'The agent "codex": {doubt} {REMEDY}']


async def test_another_program_of_an_adapters_name_is_doubted(tmp_path: Path) -> None:
    heard = Heard()
    program = tmp_path / "codex-acp"
    program.write_text(
        f"#!/bin/sh\nexec {agent_command('introduces')} @agentclientprotocol/codex-acp 2.6.0\n"
    )
    program.chmod(0o755)
    spec = make_spec(tmp_path, None, adapter="codex")
    path = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    async with (
        LocalDriver(path).open_sandbox(SandboxSpec(tmp_path)) as sandbox,
        AcpAgents(bounds=PATIENT).open_session(spec, sandbox, heard),
    ):
        pass
    assert heard.of("warning") == [
        'The agent "codex": it calls itself @agentclientprotocol/codex-acp;'
        f" symphony was tested with codex-acp. {REMEDY}"
    ]


async def test_a_command_of_ones_own_is_held_to_no_version_but_its_own(tmp_path: Path) -> None:
    for words in ((), ("my-agent", "0.0.1")):
        assert (await introduced(tmp_path, "codex", *words)).of("warning") == []


async def test_a_version_that_is_too_old_to_work_opens_no_session_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AgentError) as caught:
        await introduced(tmp_path, "codex", "codex-acp", "0.9.5")
    assert caught.value.code == "agent.too_old"
    assert str(caught.value) == (
        'The agent "codex" cannot be used: codex-acp 0.9.5 is too old: symphony needs 0.10.0 or later.'
        f" {REMEDY}"
    )


def test_every_version_in_the_guest_image_is_one_that_was_tested() -> None:
    for agent in plan_image(read_definition(FOLDER / "symphony.toml")).agents:
        versions = ADAPTERS[agent.name].versions
        assert versions is not None
        assert agent.version in versions.tested


def package(folder: Path, manifest: str) -> str:
    program = folder / "node_modules" / "codex-acp" / "bin" / "codex-acp"
    program.parent.mkdir(parents=True)
    program.write_text("")
    (program.parent.parent / "package.json").write_text(manifest)
    link = folder / "codex-acp"
    link.symlink_to(program)
    return str(link)


@pytest.mark.parametrize(
    ("version", "status", "said"),
    [
        ("0.16.0", Status.OK, ", 0.16.0"),
        ("0.17.0", Status.WARNING, NEWER),
        ("0.9.5", Status.FAILED, "; codex-acp 0.9.5 is too old: symphony needs 0.10.0 or later."),
    ],
)
def test_doctor_reads_the_version_from_the_programs_package(
    tmp_path: Path, version: str, status: Status, said: str
) -> None:
    place = package(tmp_path, json.dumps({"version": version}))
    finding = judge_version(ADAPTERS["codex"], place)
    assert (finding.status, finding.found) == (status, f"codex is {place}{said}")
    assert finding.remedy == ("" if status is Status.OK else REMEDY)


@pytest.mark.parametrize("manifest", ["{", "[1]", '{"version": 7}', " " * 300_000 + "{}", "[" * 100_000])
def test_doctor_takes_no_version_from_a_package_that_has_none(tmp_path: Path, manifest: str) -> None:
    place = package(tmp_path, manifest)
    assert version_at(Path(place)) is None
    assert judge_version(ADAPTERS["codex"], place).found == f"codex is {place}"


def test_a_program_of_no_package_has_no_version(tmp_path: Path) -> None:
    assert version_at(tmp_path / "missing") is None
