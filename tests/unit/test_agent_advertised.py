"""What is known of models, efforts and modes before a session opens, and what a workflow is told by it."""

from pathlib import Path

import pytest

from symphony.agent.adapters import ADAPTERS
from symphony.agent.advertised import NAMES, SHOWN, Advertised
from symphony.agent.registry import AcpAgents
from symphony.core.adapters import ADAPTERS as NAMED
from symphony.core.adapters import EFFORTS
from symphony.core.ports import SandboxSpec
from symphony.core.settings import Settings
from symphony.sandbox.local import LocalDriver
from symphony.workflow.errors import WorkflowError
from symphony.workflow.file import WorkflowFile
from symphony.workflow.loader import parse_workflow
from symphony.workflow_source import WorkflowSource
from tests.agents.harness import PATIENT, Heard, agent_command, make_spec

FILE = Path("/project/WORKFLOW.md")
OFFERED = {"model": ("opus", "Opus", "haiku"), "effort": ("low", "high"), "mode": ("plan",)}
STATES = "states: {Todo: {role: active, %s}, Done: {role: terminal}}"


def settings(yaml: str) -> Settings:
    return parse_workflow(f"---\n{yaml}\n---\n".encode(), FILE, {}, exists=lambda _: False).settings


def test_every_adapter_that_a_workflow_may_name_is_one_that_there_is() -> None:
    assert tuple(sorted(NAMED)) == tuple(sorted(ADAPTERS))


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (
            "acp: {effort: hihg}",
            'acp.effort: found the effort "hihg" for claude;'
            " allowed: default, low, medium, high, xhigh or max, or null. Did you mean high?",
        ),
        (
            "acp: {adapter: codex, effort: max}",
            'acp.effort: found the effort "max" for codex;'
            " allowed: none, minimal, low, medium, high or xhigh, or null.",
        ),
        (
            STATES % "adapter: codex, effort: maximal",
            'states.Todo.effort: found the effort "maximal" for codex;'
            " allowed: none, minimal, low, medium, high or xhigh, or null. Did you mean minimal?",
        ),
        (
            "acp: {effort: max}\n" + STATES % "adapter: codex",
            'states.Todo.adapter: found the effort "max" for codex;'
            " allowed: none, minimal, low, medium, high or xhigh, or null.",
        ),
    ],
)
def test_a_wrong_effort_fails_at_validation_with_the_right_ones(yaml: str, problem: str) -> None:
    with pytest.raises(WorkflowError) as caught:
        settings(yaml)
    (found,) = caught.value.problems
    assert problem in str(found)


@pytest.mark.parametrize("adapter", [name for name, efforts in EFFORTS.items() if efforts])
def test_every_effort_of_an_adapter_is_valid_in_any_case(adapter: str) -> None:
    for effort in EFFORTS[adapter]:
        assert settings(f"acp: {{adapter: {adapter}, effort: '{effort.title()}'}}").acp.effort


@pytest.mark.parametrize("yaml", ["acp: {adapter: opencode, effort: x}", "acp: {command: y, effort: x}"])
def test_an_effort_that_is_not_known_in_advance_is_left_to_the_session(yaml: str) -> None:
    assert settings(yaml).acp.effort == "x"


def test_what_was_offered_is_a_warning_for_what_was_not(tmp_path: Path) -> None:
    known = Advertised(tmp_path / "adapters.json")
    known.note("claude", "0.49.0", OFFERED)
    known.note("codex", "0.16.0", {"model": ("gpt-5.4",)})
    yaml = "acp: {model: opsu, mode: Plan}\n" + STATES % "adapter: codex, model: gpt-9"
    assert list(known.warnings(settings(yaml))) == [
        'acp.model: found "opsu"; claude 0.49.0 last offered opus, Opus, haiku.',
        'states.Todo.model: found "gpt-9"; codex 0.16.0 last offered gpt-5.4.',
    ]
    assert list(known.warnings(settings("acp: {model: OPUS}"))) == []
    assert list(known.warnings(settings("acp: {model: opsu, command: my-agent}"))) == []
    assert list(known.warnings(settings("acp: {model: x, adapter: opencode}"))) == []


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"claude": 7}', '{"claude": {"model": "opus"}}', "[" * 99_999]
)
def test_a_broken_file_knows_nothing_and_is_written_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "adapters.json"
    path.write_text(text)
    known = Advertised(path)
    assert known.known("claude")[1] == {}
    known.note("claude", "1", OFFERED)
    assert known.known("claude") == ("1", OFFERED)
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_program_offers_is_bounded_and_one_line_each(tmp_path: Path) -> None:
    known = Advertised(tmp_path / "adapters.json")
    known.note(
        "claude", "1\n2", {"model": tuple(f"{number}\x1b[31m\n{'x' * 500}" for number in range(9_999))}
    )
    version, offers = known.known("claude")
    assert version == "1 2"
    assert len(offers["model"]) == NAMES
    assert all(len(name) <= 120 and name.isprintable() for name in offers["model"])
    (warned,) = known.warnings(settings("acp: {model: opus}"))
    assert warned.endswith(f" and {NAMES - SHOWN} more.")


async def test_a_session_leaves_behind_what_may_be_chosen_also_when_a_choice_fails(tmp_path: Path) -> None:
    program = tmp_path / "codex-acp"
    program.write_text(f"#!/bin/sh\nexec {agent_command('offers_choices')}\n")
    program.chmod(0o755)
    known = Advertised(tmp_path / "adapters.json")
    spec = make_spec(tmp_path, None, adapter="codex", model="gpt-9")
    with pytest.raises(Exception, match="it offers: opus, sonnet"):
        async with (
            LocalDriver({"PATH": f"{tmp_path}:/usr/bin:/bin"}).open_sandbox(SandboxSpec(tmp_path)) as sandbox,
            AcpAgents(bounds=PATIENT, advertised=known).open_session(spec, sandbox, Heard()),
        ):
            pytest.fail("it must not open")
    assert known.known("codex")[1] == {
        "model": ("opus", "Opus", "sonnet", "Sonnet 5"),
        "effort": ("low", "Low", "high", "High"),
    }


async def test_the_daemon_and_doctor_warn_by_what_was_offered(tmp_path: Path) -> None:
    (tmp_path / ".symphony").mkdir()
    Advertised(tmp_path / ".symphony" / "adapters.json").note("claude", "0.49.0", OFFERED)
    path = tmp_path / "WORKFLOW.md"
    path.write_text("---\nsandbox: local\nacp: {model: opsu}\n---\nDo it.\n")
    workflow = await WorkflowSource(WorkflowFile(path, {}), None, {}).start()
    assert workflow.warnings == (
        f'{path}: acp.model: found "opsu"; claude 0.49.0 last offered opus, Opus, haiku.',
    )
