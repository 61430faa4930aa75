"""A host is written into WORKFLOW.md and every other byte stays, or nothing is changed."""

import difflib
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symphony.workflow.egress import with_allowed_host, write_allowed_host
from symphony.workflow.errors import WorkflowError
from symphony.workflow.loader import parse_workflow

PATH = Path("/project/WORKFLOW.md")
PROMPT = "\n---\nDo {{ issue.title }}.\n"


def fenced(yaml: str) -> str:
    return f"---\n{yaml}---\nDo {{{{ issue.title }}}}.\n"


def edited(text: str, host: str = "pypi.org") -> str:
    raw = with_allowed_host(text.encode(), PATH, host, {}, lambda _: False)
    assert raw is not None
    return raw.decode()


def hosts_in(text: str) -> tuple[str, ...]:
    return parse_workflow(text.encode(), PATH, {}, exists=lambda _: False).settings.smolvm.egress.allow


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("smolvm:\n  egress:\n    allow:\n      - a.org\n      - b.org  # why\n  cpus: 4\n",
         "smolvm:\n  egress:\n    allow:\n      - a.org\n      - b.org  # why\n      - pypi.org\n"
         "  cpus: 4\n"),
        ("smolvm:\n  egress:\n    allow:\n    - a.org\n\n# the end\n",
         "smolvm:\n  egress:\n    allow:\n    - a.org\n    - pypi.org\n\n# the end\n"),
        ("smolvm:\n  egress: {allow: [a.org, 'b.org']}  # here\n",
         "smolvm:\n  egress: {allow: [a.org, 'b.org', pypi.org]}  # here\n"),
        ("smolvm:\n  egress:\n    allow: [\n      a.org,  # one\n      b.org,  # two\n    ]\n",
         "smolvm:\n  egress:\n    allow: [\n      a.org,  # one\n      b.org, pypi.org,  # two\n    ]\n"),
        ("smolvm: {egress: {allow: []}}\n", "smolvm: {egress: {allow: [pypi.org]}}\n"),
        ("smolvm:\n    egress: {}\n", "smolvm:\n    egress: {allow: [pypi.org]}\n"),
        ("smolvm:  # the machine\n    # its image\n    image: python  # slim\n    cpus: 4\n",
         "smolvm:  # the machine\n    egress:\n        allow:\n            - pypi.org\n"
         "    # its image\n    image: python  # slim\n    cpus: 4\n"),
        ("smolvm: {cpus: 4}\n", "smolvm: {cpus: 4, egress: {allow: [pypi.org]}}\n"),
        ('{"sandbox": "local", "smolvm": {"cpus": 4}}\n',
         '{"sandbox": "local", "smolvm": {"cpus": 4, egress: {allow: [pypi.org]}}}\n'),
        ("{}\n", "{smolvm: {egress: {allow: [pypi.org]}}}\n"),
        ("sandbox: local\nhooks:\n  before_run: |\n    ls\n\n",
         "sandbox: local\nhooks:\n  before_run: |\n    ls\n\n"
         "smolvm:\n  egress:\n    allow:\n      - pypi.org\n"),
        ("# nothing yet\n", "# nothing yet\nsmolvm:\n  egress:\n    allow:\n      - pypi.org\n"),
        ("", "smolvm:\n  egress:\n    allow:\n      - pypi.org\n"),
        ("  sandbox: local\n",
         "  sandbox: local\n  smolvm:\n    egress:\n      allow:\n        - pypi.org\n"),
    ],
)  # fmt: skip
def test_the_host_goes_where_the_list_is_or_belongs_and_all_else_stays(before, after):
    assert edited(fenced(before)) == fenced(after)
    assert hosts_in(fenced(after))[-1] == "pypi.org"


def test_a_file_without_settings_gets_them_above_its_prompt():
    assert edited("Do it.\n") == "---\nsmolvm:\n  egress:\n    allow:\n      - pypi.org\n---\nDo it.\n"


def test_line_ends_and_byte_order_mark_stay_as_they_are():
    before = "\ufeff---\r\nsmolvm:\r\n  cpus: 4\r\n---\r\nDo it.\r\n"
    assert edited(before) == (
        "\ufeff---\r\nsmolvm:\r\n  egress:\r\n    allow:\r\n      - pypi.org\r\n  cpus: 4\r\n"
        "---\r\nDo it.\r\n"
    )


def test_an_address_is_written_so_that_it_stays_text():
    after = edited(fenced("smolvm: {egress: {allow: [a.org]}}\n"), "2606:4700::1111")
    assert after == fenced('smolvm: {egress: {allow: [a.org, "2606:4700::1111"]}}\n')
    assert hosts_in(edited(after, "8.8.8.8")) == ("a.org", "2606:4700::1111", "8.8.8.8")


def test_a_host_that_is_there_already_changes_nothing():
    text = fenced("smolvm: {egress: {allow: [PyPI.org]}}\n")
    assert with_allowed_host(text.encode(), PATH, "pypi.org", {}, lambda _: False) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (fenced("acp: {model: &hosts [a.org]}\n"),
         "it is not valid now: /project/WORKFLOW.md:2: acp.model: found a list; allowed: text or null. "
         "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."),
        (fenced("tracker: {required_labels: &shared [a.org]}\nsmolvm:\n  egress: {allow: *shared}\n"),
         "its YAML is written in a way that is left to you. "
         "Do it yourself: write `- pypi.org` below `allow:` in line 4, or `pypi.org` between its [ ]."),
        (fenced("smolvm:\n  egress:\n    allow: &shared [a.org]\ntracker: {required_labels: *shared}\n"),
         "its YAML is written in a way that is left to you. "
         "Do it yourself: write `- pypi.org` below `allow:` in line 4, or `pypi.org` between its [ ]."),
        (fenced("base: &base {egress: {allow: [a.org]}}\nsmolvm: {<<: *base, cpus: 4}\n"),
         "its YAML is written in a way that is left to you. "
         "Do it yourself: write `- pypi.org` below `allow:` in line 2, or `pypi.org` between its [ ]."),
        ("---\nsmolvm: {\n",
         "it is not valid now: /project/WORKFLOW.md:1:1: the front matter that starts here has no end. "
         "Add a line `---` between the settings and the prompt. "
         "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."),
        (fenced("smolvm:\n  cpu: 4\n"),
         "it is not valid now: /project/WORKFLOW.md:3: smolvm.cpu: unknown key; allowed: image, from, cpus, "
         "mem_mib, egress, net, volumes, forward_env, credentials, binary. Did you mean cpus? "
         "Do it yourself: write `egress: {allow: [pypi.org]}` below `smolvm:` in line 2."),
        (" \n",
         "it is empty, as while an editor writes it. "
         "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_safely_is_left_with_the_line_to_add(text, message):
    with pytest.raises(WorkflowError) as refused:
        with_allowed_host(text.encode(), PATH, "pypi.org", {}, lambda _: False)
    assert refused.value.code == "workflow_not_editable"
    assert str(refused.value) == f"{PATH}: the file was left as it is: {message}"


KEYS = st.sampled_from(
    ["sandbox: local", "agent: {max_turns: 3}", "# a note", "", "polling:\n  interval_ms: 5"]
)
ALLOWS = st.sampled_from(
    ["", "smolvm:\n  cpus: 2", "smolvm: {cpus: 2}", "smolvm:\n  egress:\n    allow: [a.org]",
     "smolvm:\n  cpus: 2\n  egress:\n    allow:\n    - a.org # x\n\n    # y\n    - 'b.org'\n",
     "smolvm:\n  egress:\n    allow:\n      - >-\n        a.org\n", "smolvm: &vm\n  cpus: 1"]
)  # fmt: skip


@given(
    st.lists(KEYS, max_size=3, unique=True), ALLOWS, st.lists(KEYS, max_size=3, unique=True), st.booleans()
)
def test_however_the_file_is_laid_out_only_lines_are_added_or_nothing_is_changed(above, allow, below, crlf):
    keys = [*above, allow, *(each for each in below if each not in above)]
    before = fenced("".join(f"{each}\n" for each in keys))
    before = before.replace("\n", "\r\n") if crlf else before
    try:
        after = edited(before)
    except WorkflowError as refused:
        assert refused.code == "workflow_not_editable"  # noqa: PT017 - either end is right
        return
    assert hosts_in(after) == (*hosts_in(before), "pypi.org")
    changes = difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    assert all(kind in {"equal", "insert"} for kind, *_ in changes)


class TestOnDisk:
    def write(self, folder: Path, text: str = "---\nsandbox: local\n---\nDo it.\n") -> Path:
        path = folder / "WORKFLOW.md"
        path.write_text(text)
        return path

    def test_the_file_is_replaced_in_one_step_and_keeps_its_mode(self, tmp_path):
        path = self.write(tmp_path)
        path.chmod(0o640)
        before = path.stat().st_ino
        assert write_allowed_host(path, "pypi.org", {}) is True
        assert path.read_text() == (
            "---\nsandbox: local\nsmolvm:\n  egress:\n    allow:\n      - pypi.org\n---\nDo it.\n"
        )
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert path.stat().st_ino != before
        assert write_allowed_host(path, "pypi.org", {}) is False
        assert [each.name for each in tmp_path.iterdir()] == ["WORKFLOW.md"]

    def test_a_linked_file_is_edited_where_it_is(self, tmp_path):
        (tmp_path / "shared").mkdir()
        real = self.write(tmp_path / "shared")
        link = tmp_path / "WORKFLOW.md"
        link.symlink_to(real)
        assert write_allowed_host(link, "pypi.org", {}) is True
        assert link.is_symlink()
        assert "- pypi.org" in real.read_text()

    def test_a_look_whether_it_can_be_done_changes_nothing(self, tmp_path):
        path = self.write(tmp_path)
        before = path.read_bytes()
        assert write_allowed_host(path, "pypi.org", {}, write=False) is True
        assert path.read_bytes() == before

    def test_a_missing_file_is_said(self, tmp_path):
        path = tmp_path / "WORKFLOW.md"
        with pytest.raises(WorkflowError) as refused:
            write_allowed_host(path, "pypi.org", {})
        assert str(refused.value) == (
            f"{path}: the file was left as it is: it is not valid now: {path}: the workflow cannot be read: "
            "it does not exist. Name the file, or create one with `symphony init`. "
            "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."
        )

    def test_an_edit_at_the_same_moment_is_not_overwritten(self, tmp_path, monkeypatch):
        path = self.write(tmp_path)
        fsync = os.fsync

        def edit_meanwhile(descriptor: int) -> None:
            path.write_text("---\nsandbox: local\n---\nSomething else.\n")
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", edit_meanwhile)
        with pytest.raises(WorkflowError) as refused:
            write_allowed_host(path, "pypi.org", {})
        assert str(refused.value) == (
            f"{path}: the file was left as it is: it changed at the same moment. "
            "Do it yourself: write `smolvm: {egress: {allow: [pypi.org]}}` between the two `---` lines."
        )
        assert path.read_text().endswith("Something else.\n")
        assert [each.name for each in tmp_path.iterdir()] == ["WORKFLOW.md"]
