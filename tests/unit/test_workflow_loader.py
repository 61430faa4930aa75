"""WORKFLOW.md is read as CONTRACT 2.1 to 2.3 say, and refused with every reason at once."""

import os
from pathlib import Path

import pytest

from symphony.core.settings import Settings
from symphony.core.workflow import Workflow
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import load_workflow, parse_workflow

FILE = Path("/repo/WORKFLOW.md")


def never(_: Path) -> bool:
    return False


def parse(text: str | bytes, **environ: str) -> Workflow:
    raw = text if isinstance(text, bytes) else text.encode()
    return parse_workflow(raw, FILE, environ, exists=never)


def front(yaml: str, **environ: str) -> Workflow:
    return parse(f"---\n{yaml}\n---\nWork.\n", **environ)


def refused(text: str | bytes, **environ: str) -> WorkflowError:
    with pytest.raises(WorkflowError) as caught:
        parse(text, **environ)
    return caught.value


def problems(yaml: str, **environ: str) -> list[str]:
    error = refused(f"---\n{yaml}\n---\nWork.\n", **environ)
    assert error.code == "workflow_invalid"
    return [str(problem) for problem in error.problems]


def test_a_file_without_a_fence_is_all_prompt_and_all_defaults() -> None:
    workflow = parse("Do it.\n---\nnot: yaml\n")
    assert workflow.prompt == "Do it.\n---\nnot: yaml"
    assert workflow.prompt_line == 1
    assert workflow.settings == parse("").settings
    assert workflow.settings.agent == Settings().agent


def test_the_prompt_starts_after_the_second_fence_and_its_line_is_known() -> None:
    workflow = parse("---\nagent: {max_turns: 3}\n---\n\n\n  Indented.\n\nLast.\n\n")
    assert workflow.settings.agent.max_turns == 3
    assert workflow.prompt == "  Indented.\n\nLast."
    assert workflow.prompt_line == 6


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf---\r\nagent:\r\n  max_turns: 3\r\n---\r\nDo\r\nit.\r\n",
        b"---  \nagent:\n  max_turns: 3\n---\t\nDo\nit.",
    ],
    ids=["byte order mark and CRLF", "spaces after the fences"],
)
def test_line_ends_marks_and_spaces_make_no_difference(text: bytes) -> None:
    workflow = parse(text)
    assert workflow.settings.agent.max_turns == 3
    assert workflow.prompt == "Do\nit."
    assert workflow.prompt_line == 5


@pytest.mark.parametrize("yaml", ["", "# nothing but a comment", "{}"])
def test_front_matter_that_says_nothing_is_all_defaults(yaml: str) -> None:
    assert front(yaml).settings == parse("").settings


@pytest.mark.parametrize("line", ["----", "--- yaml", " ---", "-- -"])
def test_a_line_that_only_looks_like_a_fence_opens_no_front_matter(line: str) -> None:
    assert parse(f"{line}\na: 1\n---\n").prompt.startswith(line.strip("\n"))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "---\nagent: {}\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:1:1: the front matter that starts here has no end. "
            "Add a line `---` between the settings and the prompt.",
        ),
        (
            b"---\na: 1\n---\nf\xc3\xbcr \xff",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:4:5: the byte 0xff is not valid UTF-8. Save the file as UTF-8.",
        ),
        (
            "---\nagent: [\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:9: the YAML cannot be read: while parsing a flow node expected the node "
            "content, but found '<stream end>'.",
        ),
        (
            "---\nagent:\n\tmax_turns: 3\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:3:1: the YAML cannot be read: while scanning for the next token found "
            "character '\\t' that cannot start any token.",
        ),
        (
            "---\nagent: {}\nname: a\x07b\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:3:8: the character U+0007 is not allowed in YAML.",
        ),
        (
            '---\nname: "\\UFFFFFFFF"\n---\n',
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:1: an escape in a quoted text names no character.",
        ),
        (
            '---\nname: "\\uD800"\n---\n',
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:7: an escape in a quoted text names no character.",
        ),
        (
            "---\nday: 2026-99-99\n---\n",
            "workflow_parse_error",
            '/repo/WORKFLOW.md:2:6: "2026-99-99" cannot be read as a date; put it in quotes.',
        ),
        (
            "---\nname: !env TOKEN\n---\n",
            "workflow_parse_error",
            '/repo/WORKFLOW.md:2:7: "TOKEN" cannot be read as `!env`; put it in quotes.',
        ),
        (
            "---\nname: !!set {a, b}\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:7: the YAML tag tag:yaml.org,2002:set is not allowed here.",
        ),
        (
            "---\nagent: &loop\n  budget: *loop\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:8: the YAML is nested too deeply.",
        ),
        (
            "---\nagent: " + "[" * 5_000 + "\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:1: the YAML is nested too deeply.",
        ),
        (
            "---\na: &a [1,1,1,1,1,1,1,1,1,1]\n"
            + "".join(
                f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n" for a, b in zip("abcde", "bcdef", strict=True)
            )
            + "---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:24: the YAML holds more than 50,000 values.",
        ),
        (
            "---\n? [a, b]\n: 1\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:3: a key must be text, not a list or a map.",
        ),
        (
            "---\n<<: 3\n---\n",
            "workflow_parse_error",
            "/repo/WORKFLOW.md:2:5: `<<` takes a map or a list of maps.",
        ),
        (
            "---\n# first\n- a\n---\n",
            "workflow_front_matter_not_a_map",
            "/repo/WORKFLOW.md:3: the front matter is a list, not a map. "
            "Write settings as `key: value` lines between the two `---` lines.",
        ),
        (
            "---\nhello\n---\n",
            "workflow_front_matter_not_a_map",
            "/repo/WORKFLOW.md:2: the front matter is text, not a map. "
            "Write settings as `key: value` lines between the two `---` lines.",
        ),
    ],
)
def test_an_unreadable_file_says_where_and_why(text: str | bytes, code: str, message: str) -> None:
    error = refused(text)
    assert error.code == code
    assert str(error) == message


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "it does not exist"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: os.mkfifo(path), "it is not a regular file"),
        (lambda path: path.symlink_to(path.name), "too many levels of symbolic links"),
    ],
    ids=["missing", "folder", "pipe", "loop"],
)
def test_a_file_that_is_not_there_is_named_with_what_to_do(
    tmp_path: Path, make: object, message: str
) -> None:
    path = tmp_path / "WORKFLOW.md"
    make(path)  # type: ignore[operator] # one of the four above
    with pytest.raises(WorkflowError) as caught:
        load_workflow(path, {})
    assert caught.value.code == "missing_workflow_file"
    assert str(caught.value) == (
        f"{path}: the workflow cannot be read: {message}. Name the file, or create one with `symphony init`."
    )


def test_a_file_over_one_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "WORKFLOW.md"
    path.write_bytes(b"x" * (1024 * 1024))
    assert len(load_workflow(path, {}).prompt) == 1024 * 1024
    path.write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(WorkflowError) as caught:
        load_workflow(path, {})
    assert str(caught.value) == f"{path}:1:1: the file is larger than 1 MiB."


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    yaml = """\
agent:
  max_turns: many
  max_turn: 3
  budget: {usd: -1}
sandbox: smolv
server:
  host: 0.0.0.0
  port: $PORT
acp:
  adapter: cluade"""
    error = refused(f"---\n{yaml}\n---\n", PORT="http")
    assert [str(problem) for problem in error.problems] == [
        '/repo/WORKFLOW.md:3: agent.max_turns: found "many" (text); allowed: a whole number of at least 1.',
        "/repo/WORKFLOW.md:4: agent.max_turn: unknown key; allowed: max_concurrent_agents, max_turns, "
        "max_retry_backoff_ms, max_concurrent_agents_by_state, max_failures, "
        "max_transitions, budget. Did you mean max_turns?",
        "/repo/WORKFLOW.md:5: agent.budget.usd: found -1 (a whole number); allowed: a number greater than 0 "
        "or null.",
        '/repo/WORKFLOW.md:6: sandbox: found "smolv" (text); allowed: smolvm or local. Did you mean smolvm?',
        '/repo/WORKFLOW.md:8: server.host: found "0.0.0.0" without server.token; allowed: a loopback address '
        "such as 127.0.0.1, or any address together with server.token.",
        "/repo/WORKFLOW.md:9: server.port: found the value of $PORT (text); allowed: a whole number from 0 "
        "to "
        "65535 or null.",
        '/repo/WORKFLOW.md:11: acp.adapter: found the unknown adapter "cluade"; allowed: claude, codex, '
        "opencode or demo, or any name when acp.command is set. Did you mean claude?",
    ]
    assert str(error) == "/repo/WORKFLOW.md has 7 problems. " + " ".join(map(str, error.problems))


@pytest.mark.parametrize(
    ("yaml", "problem"),
    [
        (
            "agent: {max_turns: 0}",
            "agent.max_turns: found 0 (a whole number); allowed: a whole number of at least 1.",
        ),
        (
            "agent: {max_turns: 1.5}",
            "agent.max_turns: found 1.5 (a number); allowed: a whole number of at least 1.",
        ),
        (
            'agent: {max_turns: "0"}',
            'agent.max_turns: found "0" (text); allowed: a whole number of at least 1.',
        ),
        ("agent: {max_turns: true}", "agent.max_turns: found true; allowed: a whole number of at least 1."),
        ("agent: {max_turns: }", "agent.max_turns: found nothing; allowed: a whole number of at least 1."),
        (
            "agent: {budget: {usd: .inf}}",
            "agent.budget.usd: found inf (a number); allowed: a number greater than 0 or null.",
        ),
        (
            "agent: {budget: {minutes: .nan}}",
            "agent.budget.minutes: found nan (a number); allowed: a number greater than 0 or null.",
        ),
        (
            "agent: {budget: {tokens: 2026-01-01}}",
            "agent.budget.tokens: found 2026-01-01 (a date); allowed: a whole number of at least 1 or null.",
        ),
        (
            "hooks:",
            "hooks: found nothing; allowed: a map with the keys after_create, before_run, after_run, "
            "before_remove, timeout_ms.",
        ),
        ("smolvm: {egress: all}", 'smolvm.egress: found "all" (text); allowed: a map with the key allow.'),
        ("smolvm: {net: on-demand}", 'smolvm.net: found "on-demand" (text); allowed: true, false or null.'),
        (
            "smolvm: {from_: x}",
            "smolvm.from_: unknown key; allowed: image, from, cpus, mem_mib, egress, net, "
            "volumes, forward_env, credentials, binary. Did you mean from?",
        ),
        (
            "smolvm: {volumes: [{host: ~, guest: /x}]}",
            "smolvm.volumes[0].host: found nothing; allowed: a folder.",
        ),
        ("smolvm: {volumes: [{host: /x}]}", "smolvm.volumes[0].guest: this key is missing; allowed: text."),
        (
            "smolvm: {volumes: [{host: /x, guest: /run/symphony}]}",
            'smolvm.volumes[0].guest: found "/run/symphony"; allowed: an absolute path of the guest, such as '
            "/root/.cache, that is not below /run, /proc, /sys or /dev.",
        ),
        (
            "smolvm: {egress: {allow: [10.0.0.1]}}",
            'smolvm.egress.allow[0]: found "10.0.0.1"; 10.0.0.1 is never opened: it is a private, local or '
            "metadata address. A guest is let out to public hosts only.",
        ),
        ("smolvm: {image: a, from: b}", "smolvm.from: found beside smolvm.image; allowed: one of the two."),
        (
            "handoff: {author: Ada}",
            'handoff.author: found "Ada"; allowed: a name and an address, such as Ada Lovelace '
            "<ada@example.org>.",
        ),
        (
            "merge_train: {branch: a..b}",
            'merge_train.branch: found "a..b"; allowed: the name of a branch, such as symphony/train, or '
            "null.",
        ),
        (
            "merge_train: {branch: agent/train}",
            'merge_train.branch: found "agent/train"; allowed: a branch outside of agent/, where those of '
            "issues are.",
        ),
        (
            "merge_train: {branch: main}\nworkspace: {base: main}",
            'merge_train.branch: found "main", which is workspace.base; allowed: a branch of its own.',
        ),
        (
            "merge_train: {branch: main/train}\nworkspace: {base: main}",
            'merge_train.branch: found "main/train" for the workspace.base "main"; git keeps no branch '
            "inside another.",
        ),
        ("tracker: {kind: jira}", 'tracker.kind: found "jira" (text); allowed: only local.'),
        ("tracker: {root: ''}", "tracker.root: found an empty path; allowed: a path."),
        (
            "tracker: {active_states: Todo}",
            'tracker.active_states: found "Todo" (text); allowed: a list of text.',
        ),
        (
            "workspace: {base: 1.0}",
            "workspace.base: found 1.0 (a number); allowed: text or null. Put it in quotes to make it text.",
        ),
        (
            "workspace: {root: issues/work}",
            'workspace.root: found "/repo/issues/work" and "/repo/issues" for tracker.root; allowed: two '
            "folders, "
            "neither inside the other.",
        ),
        (
            "workspace: {source: ~nobody-here/x}",
            'workspace.source: found "~nobody-here/x"; there is no such home folder.',
        ),
        ("checks: [{name: t}]", "checks[0].run: this key is missing; allowed: text."),
        ("checks: {name: t}", "checks: found a map; allowed: a list of maps."),
        (
            "notify: [{kind: webhok, target: x}]",
            'notify[0].kind: found "webhok" (text); allowed: command or webhook. Did you mean webhook?',
        ),
        (
            "server: {port: 70000}",
            "server.port: found 70000 (a whole number); allowed: a whole number from 0 to 65535 or null.",
        ),
        (
            "server: {token: 12345678}",
            "server.token: found a whole number; allowed: text or null. Put it in quotes to make it text.",
        ),
        ("server: {token: ' '}", "server.token: found a blank token; allowed: text or null."),
        (
            "notify: [{kind: webhook, target: 'ftp://example.org/s3cret'}]",
            "notify[0].target: found no URL; allowed: one that begins with https:// or http://.",
        ),
        (
            "notify: [{kind: webhook, target: 'http://h', secret: ' '}]",
            "notify[0].secret: found a blank secret; allowed: text or null.",
        ),
        (
            "notify: [{kind: command, target: ' '}]",
            "notify[0].target: found a blank command; allowed: a shell command.",
        ),
        (
            "notify: [{kind: command, target: 'true', secret: x}]",
            "notify[0].secret: found beside `kind: command`; allowed: with `kind: webhook`.",
        ),
        (
            "mcp: {host_url: 10.0.0.1:80/x}",
            'mcp.host_url: found "10.0.0.1:80/x"; allowed: a URL without a path, such as '
            "http://10.0.0.1:8080.",
        ),
        (
            "acp: {mcp_servers: [x]}",
            'acp.mcp_servers[0]: found "x" (text); allowed: a map with the keys name, '
            "type, command, args, env, url, headers.",
        ),
        (
            "acp: {permission: alow}",
            'acp.permission: found "alow" (text); allowed: allow, deny or ask. Did you mean allow?',
        ),
        (
            "handoff: {mode: pr}",
            'handoff.mode: found "pr" (text); allowed: auto, patch, pull_request or none.',
        ),
        ("agent: {max_turns: 1, max_turns: 2}", "agent.max_turns: found twice, on lines 2 and 2; keep one."),
        ("yes: 1", "yes: found a key that YAML reads as true or false; put it in quotes to keep it as text."),
        (
            "agent: {max_concurrent_agents_by_state: {Tod: 1}}",
            'agent.max_concurrent_agents_by_state.Tod: found the unknown state "Tod"; allowed: Todo, In '
            "Progress, "
            "Done, Closed, Cancelled, Canceled, Duplicate or Proposed. Did you mean Todo?",
        ),
    ],
)
def test_each_wrong_value_says_what_was_found_and_what_is_allowed(yaml: str, problem: str) -> None:
    assert problems(yaml) == [f"/repo/WORKFLOW.md:2: {problem}"]


@pytest.mark.parametrize(
    ("yaml", "found"),
    [
        (
            "tracker: {active_states: []}",
            ["tracker.active_states: found an empty list; allowed: at least one active state."],
        ),
        (
            "tracker: {terminal_states: []}",
            ["tracker.terminal_states: found an empty list; allowed: at least one terminal state."],
        ),
        (
            "tracker: {active_states: [Todo, ' todo ']}",
            ['tracker.active_states[1]: found " todo " beside "Todo"; names must differ in more than case.'],
        ),
        (
            "tracker: {active_states: [Done]}",
            [
                'tracker.active_states[0]: found "Done", which terminal_states has too; a state is active '
                "or terminal."
            ],
        ),
        (
            "tracker: {terminal_states: [Done, TODO]}",
            [
                'tracker.terminal_states[1]: found "TODO", which active_states has too; a state is active '
                "or terminal."
            ],
        ),
        (
            "tracker: {active_states: [a/b, .., .x, ' ', \"a\\tb\"]}",
            [
                'tracker.active_states[0]: found "a/b"; a state names a folder, so it must not contain `/`.',
                'tracker.active_states[1]: found ".."; a state names a folder, so it must not start with a '
                "dot.",
                'tracker.active_states[2]: found ".x"; a state names a folder, so it must not start with a '
                "dot.",
                'tracker.active_states[3]: found " "; a state names a folder, so it must not be blank.',
                'tracker.active_states[4]: found "a b"; a state names a folder, so it must not contain '
                "control "
                "characters.",
            ],
        ),
        (
            f"tracker: {{active_states: [{'x' * 256}]}}",
            [
                f'tracker.active_states[0]: found "{"x" * 256}"; a state names a folder, so it must have at '
                "most 255 bytes."
            ],
        ),
        (
            "states: {Todo: {role: active}}",
            ["states: found no state with `role: terminal`; allowed: at least one."],
        ),
        (
            "states: {}",
            [
                "states: found no state with `role: active`; allowed: at least one.",
            ],
        ),
        (
            "states: {Todo: {role: active}, todo: {role: terminal}}",
            ['states.todo: found "todo" beside "Todo"; names must differ in more than case.'],
        ),
        (
            "states: {Todo: {role: activ}, Done: {role: terminal}}",
            [
                'states.Todo.role: found "activ" (text); allowed: active, holding or terminal. Did you mean '
                "active?"
            ],
        ),
        (
            "states: {Todo: {}, .x: {role: terminal}}",
            ["states.Todo.role: this key is missing; allowed: active, holding or terminal."],
        ),
        (
            "states: {Todo: {role: active, allowed_transitions: [Don]}, Done: {role: terminal}}",
            [
                'states.Todo.allowed_transitions[0]: found the unknown state "Don"; allowed: Todo, Done or '
                "Proposed. "
                "Did you mean Done?"
            ],
        ),
        (
            "states: {Todo: {role: active, adapter: codx}, Done: {role: terminal}}",
            [
                'states.Todo.adapter: found the unknown adapter "codx"; allowed: claude, codex, opencode or '
                "demo, or "
                "any name when states.Todo.command is set. Did you mean codex?"
            ],
        ),
    ],
)
def test_states_must_be_usable(yaml: str, found: list[str]) -> None:
    assert problems(yaml)[: len(found)] == [f"/repo/WORKFLOW.md:2: {problem}" for problem in found]
    assert yaml == "states: {}" or len(problems(yaml)) == len(found)


def test_a_url_that_is_none_and_bytes_are_refused_as_any_wrong_value() -> None:
    assert problems("mcp: {host_url: 'http://['}\nacp: {model: !!binary aGk=}") == [
        '/repo/WORKFLOW.md:2: mcp.host_url: found "http://["; allowed: a URL without a path, such as '
        "http://10.0.0.1:8080.",
        "/repo/WORKFLOW.md:3: acp.model: found a YAML value of type bytes; allowed: text or null.",
    ]


def test_an_unknown_section_is_a_warning_with_the_nearest_name() -> None:
    yaml = """\
trackr: {root: x}
max_turns: 3
zzzzzz: $UNSET
states: {a: {role: active}, b: {role: terminal}}
tracker: {active_states: [x]}"""
    workflow = front(yaml)
    assert workflow.warnings == (
        "/repo/WORKFLOW.md:2: trackr: unknown key, ignored. Did you mean tracker?",
        "/repo/WORKFLOW.md:3: max_turns: unknown key, ignored. Did you mean agent.max_turns?",
        "/repo/WORKFLOW.md:4: zzzzzz: unknown key, ignored.",
        "/repo/WORKFLOW.md:6: tracker.active_states is ignored, because `states` replaces it.",
    )
    assert workflow.settings.tracker.root == Path("/repo/issues")


@pytest.mark.parametrize(
    ("handoff", "environ", "why"),
    [
        ("{mode: patch, repo: owner/name}", {}, "handoff.mode is patch"),
        ("{mode: none}", {}, "handoff.mode is none"),
        ("{}", {}, "handoff.mode is auto and neither handoff.repo nor SYMPHONY_REPO is set"),
        (
            "{}",
            {"SYMPHONY_REPO": ""},
            "handoff.mode is auto and neither handoff.repo nor SYMPHONY_REPO is set",
        ),
        ("{}", {"SYMPHONY_REPO": "owner/name"}, ""),
        ("{repo: owner/name}", {}, ""),
        ("{mode: pull_request}", {}, ""),
    ],
)
def test_watching_pull_requests_that_are_never_opened_is_a_warning(
    handoff: str, environ: dict[str, str], why: str
) -> None:
    yaml = f"---\nhandoff: {handoff}\npull_requests:\n  watch: true\n---\n"
    said = (
        "/repo/WORKFLOW.md:4: pull_requests.watch is true, but no handoff opens a pull request, because"
        f" {why}. Set handoff.mode to pull_request, or pull_requests.watch to false."
    )
    assert parse(yaml, **environ).warnings == ((said,) if why else ())
    assert parse(yaml.replace("true", "false"), **environ).warnings == ()


def test_any_adapter_goes_when_a_command_replaces_its_launch() -> None:
    assert front("acp: {adapter: mine, command: my-agent --acp}").settings.acp.adapter == "mine"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost", "LOCALHOST"])
def test_a_loopback_address_needs_no_token(host: str) -> None:
    assert front(f"server: {{host: '{host}'}}").settings.server.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", ""])
def test_any_other_address_needs_a_token(host: str) -> None:
    assert len(problems(f"server: {{host: '{host}'}}")) == 1
    assert front(f"server: {{host: '{host}', token: secret}}").settings.server.host == host


def test_numbers_may_be_digit_strings() -> None:
    settings = front("agent: {max_turns: '7', budget: {usd: '2.5'}}\npolling: {interval_ms: ' 50 '}").settings
    assert (settings.agent.max_turns, settings.agent.budget.usd, settings.polling.interval_ms) == (7, 2.5, 50)


def test_an_explicit_null_is_allowed_where_the_default_is_null() -> None:
    yaml = (
        "agent: {budget: {tokens: null, usd: ~, minutes: }}\nserver: {port: }\nstates:\nsmolvm: {net: null}"
    )
    assert front(yaml).settings == parse("").settings


def test_merge_keys_fill_in_what_a_map_does_not_say_itself() -> None:
    yaml = """\
states:
  Todo: &work {role: active, max_turns: 3, model: opus}
  Review:
    <<: *work
    max_turns: 5
  Done: {role: terminal}"""
    states = front(yaml).settings.states
    assert states is not None
    assert (states["Review"].max_turns, states["Review"].model) == (5, "opus")


def test_a_variable_counts_only_as_a_whole_value() -> None:
    yaml = """\
server: {token: $TOKEN, port: $PORT}
hooks: {before_run: "echo $TOKEN", after_run: "${TOKEN}", before_remove: $token}
acp: {mcp_servers: [{name: x, command: y, env: [{name: K, value: $KEY_2}]}], model: $MODEL}
tracker: {root: $ROOT}
smolvm: {credentials: {A: $SHORT}}
sandbox: local"""
    workflow = front(
        yaml,
        TOKEN="s3cret",
        PORT="8080",
        KEY_2="k-e-y",
        MODEL="opus-9",
        ROOT="~/i",
        SHORT="abc",
        HOME="/home/me",
    )
    settings = workflow.settings
    assert (settings.server.token, settings.server.port) == ("s3cret", 8080)
    assert settings.hooks.before_run == "echo $TOKEN"
    assert settings.hooks.after_run == "${TOKEN}"
    assert settings.hooks.before_remove == "$token"
    assert [(each.name, each.value) for each in settings.acp.mcp_servers[0].env] == [("K", "${env:KEY_2}")]
    assert workflow.variables == {"KEY_2": "k-e-y"}
    assert settings.acp.model == "opus-9"
    assert settings.tracker.root == Path("/home/me/i")
    assert workflow.secrets == {"s3cret", "k-e-y"}
    assert "s3cret" not in repr(workflow.warnings)


def test_an_unset_or_empty_variable_is_an_error_that_names_the_key() -> None:
    yaml = (
        "server: {token: $TOKEN}\nacp:\n  mcp_servers: [{name: n, command: c, env: {K: $KEY}}]\n  model: $BAD"
    )
    assert problems(yaml, KEY="", BAD="\udcff") == [
        "/repo/WORKFLOW.md:2: server.token: the variable $TOKEN is not set; set it, or write the value here.",
        "/repo/WORKFLOW.md:4: acp.mcp_servers[0].env.K: the variable $KEY is empty; set it, or write the "
        "value here.",
        "/repo/WORKFLOW.md:5: acp.model: the variable $BAD is not valid UTF-8; set it, or write the value "
        "here.",
    ]


def test_a_wrong_value_from_the_environment_is_never_shown() -> None:
    (problem,) = problems("agent: {max_turns: $TURNS}", TURNS="hunter2")
    assert problem == (
        "/repo/WORKFLOW.md:2: agent.max_turns: found the value of $TURNS (text); allowed: a whole number of "
        "at "
        "least 1."
    )


def test_paths_expand_and_start_at_the_workflows_folder() -> None:
    yaml = """\
tracker: {root: ../board/./issues}
workspace: {root: ~/work, source: '~'}
smolvm:
  image: ./images/dev
  binary: bin/smolvm
  volumes: [{host: cache, guest: /cache}, {host: /abs, guest: /abs}]"""
    settings = front(yaml, HOME="/home/me").settings
    assert settings.tracker.root == Path("/board/issues")
    assert settings.workspace.root == Path("/home/me/work")
    assert settings.workspace.source == "/home/me"
    assert settings.smolvm.image == "/repo/images/dev"
    assert settings.smolvm.binary == "/repo/bin/smolvm"
    assert [volume.host for volume in settings.smolvm.volumes] == [Path("/repo/cache"), Path("/abs")]


def test_defaults_start_at_the_workflows_folder_too() -> None:
    settings = parse("").settings
    assert settings.tracker.root == Path("/repo/issues")
    assert settings.workspace.root == Path("/repo/.symphony/workspaces")
    assert settings.workspace.source == "/repo"


@pytest.mark.parametrize(
    "source", ["https://example.org/a.git", "git@example.org:a/b.git", "ssh://h/a", "file:///srv/a.git"]
)
def test_a_source_that_is_a_url_stays_as_it_is(source: str) -> None:
    assert front(f"workspace: {{source: '{source}'}}").settings.workspace.source == source


def test_an_image_name_is_a_path_only_when_such_a_file_exists(tmp_path: Path) -> None:
    path = tmp_path / "WORKFLOW.md"
    path.write_text("---\nsmolvm: {image: team/dev, binary: smolvm}\n---\n")
    assert load_workflow(path, {}).settings.smolvm.image == "team/dev"
    (tmp_path / "team" / "dev").mkdir(parents=True)
    assert load_workflow(path, {}).settings.smolvm.image == str(tmp_path / "team" / "dev")
    assert load_workflow(path, {}).settings.smolvm.binary == "smolvm"
    path.write_text(f"---\nsmolvm: {{image: {'x' * 300}}}\n---\n")
    assert load_workflow(path, {}).settings.smolvm.image == "x" * 300


def test_a_relative_name_for_the_file_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "WORKFLOW.md").write_text("---\nagent: {max_turns: x}\n---\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WorkflowError, match=r"^WORKFLOW\.md:2: agent\.max_turns: "):
        load_workflow(Path("WORKFLOW.md"), {})
    Path("WORKFLOW.md").write_text("Work.")
    workflow = load_workflow(Path("WORKFLOW.md"), {})
    assert workflow.path == tmp_path / "WORKFLOW.md"
    assert workflow.settings.tracker.root == tmp_path / "issues"


def test_the_revision_changes_with_the_text_and_only_with_it() -> None:
    assert parse("a").revision == parse("a").revision
    assert parse("a").revision != parse("b").revision


@pytest.mark.parametrize(
    ("prompt", "warning"),
    [
        (
            "Hi {{ issue.title",
            "/repo/WORKFLOW.md:3: the prompt is not valid Liquid: expected '}}', found end of file. "
            "Attempts fail until it is corrected.",
        ),
        (
            "\n{% for l in issue.labels %}\nx",
            "/repo/WORKFLOW.md:4: the prompt is not valid Liquid: nothing closes this block; add {% endfor "
            "%}. "
            "Attempts fail until it is corrected.",
        ),
        (
            "x\n{{ isue.title }}",
            "/repo/WORKFLOW.md:4: the prompt uses the unknown variable `isue`. Did you mean issue? "
            "Attempts may fail until it is corrected.",
        ),
        (
            "x\n{{ issue.title | upcas }}",
            "/repo/WORKFLOW.md:4: the prompt uses the unknown filter `upcas`. Did you mean upcase? "
            "Attempts may fail until it is corrected.",
        ),
    ],
)
def test_a_prompt_that_cannot_be_rendered_is_a_warning_at_load(prompt: str, warning: str) -> None:
    assert parse(f"---\n---\n{prompt}").warnings == (warning,)
