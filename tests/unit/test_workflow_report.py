"""The report on WORKFLOW.md: each setting's source, problems by line, and no credential anywhere."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.core.hidden import hidden_values, secrets_of
from symphony.core.workflow_report import FileLine, SettingRow, SettingSource, WorkflowReport
from symphony.workflow.file import WorkflowFile
from symphony.workflow.prompt import DEFAULT_PROMPT
from symphony.workflow.report import shown_line
from symphony.workflow_source import WorkflowSource

SECRET = "hunter2hunter2"


class Project:
    """A WORKFLOW.md and who reads it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "WORKFLOW.md"
        self.environ = {"TOKEN": SECRET, "PORT": "8080", "BASE": "trunk"}
        self.source = WorkflowSource(WorkflowFile(self.path, self.environ), None, self.environ)

    async def start(self, text: str, **options: object) -> WorkflowReport:
        self.path.write_text(text)
        sandbox, port = options.get("sandbox"), options.get("port")
        assert sandbox is None or isinstance(sandbox, str)
        assert port is None or isinstance(port, int)
        file = WorkflowFile(self.path, self.environ)
        self.source = WorkflowSource(file, sandbox, self.environ, port=port)
        await self.source.start()
        return await self.source.report()

    async def edit(self, text: str | None) -> WorkflowReport:
        if text is None:
            self.path.unlink()
        else:
            self.path.write_text(text)
        await self.source.reload()
        return await self.source.report()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def front(yaml: str, prompt: str = "Work.") -> str:
    return f"---\n{yaml}\n---\n{prompt}\n"


def by_key(report: WorkflowReport) -> Mapping[str, SettingRow]:
    return {row.key: row for row in report.settings}


def everything(report: WorkflowReport) -> str:
    return repr(report)


async def test_each_setting_has_its_value_and_source(project: Project) -> None:
    rows = by_key(
        await project.start(
            front("sandbox: local\nserver:\n  port: $PORT\nagent: {max_turns: 3}\nworkspace:\n  base: main")
        )
    )
    assert rows["agent.max_turns"] == SettingRow("agent.max_turns", "3", SettingSource.FILE, 5)
    assert rows["workspace.base"] == SettingRow("workspace.base", "main", SettingSource.FILE, 7)
    assert rows["server.port"] == SettingRow("server.port", "8080", SettingSource.ENVIRONMENT, 4, "PORT")
    assert rows["agent.max_failures"] == SettingRow("agent.max_failures", "5", SettingSource.DEFAULT)
    root = f"{project.path.parent}/issues"
    assert rows["tracker.root"] == SettingRow("tracker.root", root, SettingSource.DEFAULT)
    assert rows["tracker.active_states"].value == "[Todo, In Progress]"
    assert rows["acp.model"].value == "null"


async def test_the_command_line_beats_the_file(project: Project) -> None:
    text = front("sandbox: local\nserver: {port: 8080}")
    rows = by_key(await project.start(text, sandbox="local", port=0))
    assert rows["sandbox"] == SettingRow("sandbox", "local", SettingSource.COMMAND_LINE, 2)
    assert rows["server.port"] == SettingRow("server.port", "0", SettingSource.COMMAND_LINE, 3)


async def test_lists_and_maps_of_settings_are_shown_entry_by_entry(
    project: Project,
) -> None:
    rows = by_key(
        await project.start(
            front(
                "sandbox: local\nstates:\n  Todo: {role: active, model: null}\n"
                "  Odd.One:\n    role: terminal\n"
                "smolvm:\n  volumes:\n  - host: /cache\n    guest: /cache\n"
                "hooks:\n  before_run: |\n    one\n    two\n"
            )
        )
    )
    assert rows["states.Todo.role"] == SettingRow("states.Todo.role", "active", SettingSource.FILE, 4)
    assert rows["states.Todo.model"].value == "null"
    assert rows['states["Odd.One"].role'].line == 6
    assert "states.Todo.max_turns" not in rows
    assert rows["smolvm.volumes[0].guest"].value == "/cache"
    assert rows["hooks.before_run"].value == "one\ntwo"


async def test_the_prompt_is_shown_with_its_line_or_as_the_default_one(project: Project) -> None:
    report = await project.start(front("sandbox: local", "\nDo {{ issue.title }}."))
    assert (report.prompt, report.prompt_line) == ("Do {{ issue.title }}.", 5)
    report = await project.edit("---\nsandbox: local\n---\n")
    assert (report.prompt, report.prompt_line) == (DEFAULT_PROMPT, None)


async def test_an_invalid_edit_shows_what_is_in_force_and_the_file_s_problems(
    project: Project,
) -> None:
    before = await project.start(front("sandbox: local\nagent: {max_turns: 3}"))
    report = await project.edit(front("sandbox: local\n\nagent:\n  max_turns: 0\n  max_failures: x"))
    assert by_key(report)["agent.max_turns"] == by_key(before)["agent.max_turns"]
    first, second = report.problems
    assert (first.line, first.message) == (
        5,
        "agent.max_turns: found 0 (a whole number); allowed: a whole number of at least 1.",
    )
    assert first.lines == (
        FileLine(4, "agent:"),
        FileLine(5, "  max_turns: 0", meant=True),
        FileLine(6, "  max_failures: x"),
    )
    assert (second.line, second.message) == (
        6,
        'agent.max_failures: found "x" (text); allowed: a whole number of at least 1.',
    )
    assert report.read_at > before.read_at
    assert (await project.edit(front("sandbox: local"))).problems == ()


async def test_broken_yaml_a_missing_fence_and_a_missing_file_are_told(project: Project) -> None:
    await project.start(front("sandbox: local"))
    (broken,) = (await project.edit(front("sandbox: [local"))).problems
    assert (broken.line, broken.lines[-1].number) == (2, 3)
    assert broken.message.startswith("the YAML cannot be read: while parsing a flow sequence")
    report = await project.edit("---\nsandbox: local\n")
    assert [(each.line, each.message) for each in report.problems] == [
        (1, "the front matter that starts here has no end.")
    ]
    assert report.remedy == "Add a line `---` between the settings and the prompt."
    report = await project.edit(None)
    assert [(each.line, each.message, each.lines) for each in report.problems] == [
        (None, "the workflow cannot be read: it does not exist.", ())
    ]
    assert report.remedy == "Name the file, or create one with `symphony init`."
    assert by_key(report)["sandbox"].value == "local"


async def test_what_this_version_cannot_do_is_a_problem_and_not_in_force(project: Project) -> None:
    await project.start(front("sandbox: local"))
    report = await project.edit(front("sandbox: local\nhandoff: {repo: name}"))
    assert [(each.line, each.message) for each in report.problems] == [
        (
            None,
            "handoff.repo (or SYMPHONY_REPO) is 'name', which names no repository."
            " Write `owner/name`, or `host/owner/name` for a forge of your own.",
        )
    ]
    assert by_key(report)["handoff.repo"].value == "null"
    assert (await project.edit(front("sandbox: local"))).problems == ()


async def test_warnings_have_their_line_too(project: Project) -> None:
    await project.start(front("sandbox: local"))
    report = await project.edit(front("sandbox: local\nagnet: {}", "{{ isue.title }}"))
    unknown, variable = report.warnings
    assert (unknown.line, unknown.message) == (3, "agnet: unknown key, ignored. Did you mean agent?")
    assert unknown.lines[1] == FileLine(3, "agnet: {}", meant=True)
    assert (variable.line, variable.message) == (
        5,
        "the prompt uses the unknown variable `isue`. Did you mean issue? "
        "Attempts may fail until it is corrected.",
    )
    report = await project.edit(front("sandbox: local\nserver: {port: 99}"))
    assert [(each.line, each.message) for each in report.warnings] == [
        (None, "server.port has changed; restart symphony to use the new value.")
    ]


async def test_credentials_are_shown_nowhere(project: Project) -> None:
    text = front(
        "sandbox: local\n"
        "server: {token: $TOKEN}\n"
        "acp:\n"
        "  mcp_servers:\n"
        "  - name: docs\n"
        "    command: docs-server\n"
        "    env:\n"
        "    - name: DOCS\n"
        "      value: written-out-1\n"
        "  - name: web\n"
        "    url: https://web.example.com/\n"
        "    headers: {Authorization: Bearer written-out-2}\n"
        f"hooks: {{before_run: 'curl -u me:{SECRET} -H written-out-1'}}",
        f"Say {SECRET} and written-out-1.",
    )
    report = await project.start(text)
    rows = by_key(report)
    assert rows["server.token"] == SettingRow(
        "server.token", "[redacted]", SettingSource.ENVIRONMENT, 3, "TOKEN"
    )
    shown = [row.value for key, row in rows.items() if key.startswith("acp.mcp_servers")]
    hidden = ["[redacted]", "[redacted]"]
    assert shown == ["docs", "docs-server", *hidden, "web", "https://web.example.com/", *hidden]
    assert rows["hooks.before_run"].value == "curl -u me:[redacted] -H [redacted]"
    assert report.prompt == "Say [redacted] and [redacted]."
    report = await project.edit(text.replace("sandbox: local", "sandbox: none"))
    assert report.problems[0].lines[1].text == "sandbox: none"
    report = await project.edit(text.replace("{token: $TOKEN}", "{token: [brand-new-secret]}"))
    assert report.problems[0].lines[1].text == "server: {token: [redacted]"
    report = await project.edit(text.replace("value: written-out-1", "value: *brand-new-secret"))
    assert report.problems[0].lines == (
        FileLine(9, "    [redacted]"),
        FileLine(10, "      [redacted]", meant=True),
        FileLine(11, "  - name: web"),
    )
    for said in (SECRET, "written-out", "brand-new"):
        assert said not in everything(report)


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["token: abc"], "token: [redacted]"),
        (["  'token' : abc # why"], "  'token' : [redacted]"),
        (["headers: {A: b}"], "headers: [redacted]"),
        (["env:"], "env:"),
        (["env:", "- name: A"], "[redacted]"),
        (["env:", "- name: A", "  value: b"], "  [redacted]"),
        (["  env: {", "    A: b,"], "    [redacted]"),
        (["- {name: docs, env: [", "    {name: A, value: b}"], "    [redacted]"),
        (["env:", "  A: |", "", "    # not a comment", "    b"], "    [redacted]"),
        (["env:", "  A: b", "after: c"], "after: c"),
        (["forward_env: [LANG]"], "forward_env: [LANG]"),
        (["agent:", "  max_tokens: 3"], "  max_tokens: 3"),
        (["env:", ""], ""),
    ],
)
def test_a_line_of_the_file_is_shown_without_what_may_be_a_credential(lines: list[str], shown: str) -> None:
    assert shown_line(lines, len(lines) - 1) == shown


@given(st.lists(st.text(st.sampled_from("env: -{[#a\t'\""), max_size=12), min_size=1, max_size=6))
def test_any_line_can_be_shown(lines: list[str]) -> None:
    for index in range(len(lines)):
        assert "\n" not in shown_line(lines, index)


def test_names_in_an_environment_are_no_credentials() -> None:
    value = {"env": [{"name": "DOCS", "value": "secret-1"}], "headers": {"A": "secret-2"}, "args": ["open"]}
    assert set(hidden_values(value)) == {"secret-1", "secret-2"}


async def test_the_secrets_of_a_workflow_are_those_of_environment_and_file(
    project: Project,
) -> None:
    await project.start(front("sandbox: local\nserver: {token: written-out}\nworkspace: {base: $BASE}"))
    workflow = project.source._in_force
    assert workflow is not None
    assert secrets_of(workflow[0]) == {"written-out", "trunk"}
    assert secrets_of(replace(workflow[0], secrets=frozenset())) == {"written-out"}
    assert os.environ.get("BASE") is None
