"""`symphony access`: real processes on real folders, with a daemon and without one."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from symphony.core.access import AccessLedger, AccessTries, AccessTry
from symphony.core.claim import IssueRecord
from symphony.core.ports import Changes
from symphony.store.sqlite import open_store
from tests.support.command_line import symphony
from tests.support.project import Project

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
WORKFLOW = "---\nsandbox: local\nacp: {adapter: demo}\n---\nDo it.\n"
ASKED = AccessLedger(never=2).refused(
    AccessTries((AccessTry("pypi.org", 443, 12), AccessTry("a.example", None, 1)), not_kept=950), NOON
)


async def remember(folder: Path, ledger: AccessLedger = ASKED, issue_id: str = "3") -> None:
    async with open_store(folder / ".symphony" / "symphony.db") as store:
        await store.apply(Changes((IssueRecord(issue_id, access=ledger),)))


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A project with an issue whose agent was refused two hosts, and no daemon."""
    (tmp_path / "WORKFLOW.md").write_text(WORKFLOW)
    (tmp_path / "issues" / "Proposed").mkdir(parents=True)
    (tmp_path / "issues" / "Proposed" / "3.md").write_text('---\ntitle: "Third \\e[31m"\n---\n')
    await remember(tmp_path)
    return tmp_path


def requests_in(folder: Path) -> dict[str, str | None]:
    shown = json.loads(symphony(folder, "access", "list", "3", "--json").out)
    return {request["host"]: request["decision"] for request in shown["requests"]}


def test_what_was_refused_is_on_every_surface_with_the_command_that_answers_it(folder):
    listed = symphony(folder, "access", "list")
    assert (listed.status, listed.err) == (0, "")
    head, *lines = listed.out.splitlines()
    assert head == "Refused connections (2)"
    assert lines[0] == "  3  Third [31m"
    assert lines[1] == "    and 950 more that are not kept"
    assert lines[2].startswith("    pypi.org:443  12 tries  last ")
    assert lines[3] == "    symphony access approve 3 pypi.org"
    assert lines[4].startswith("    a.example  1 try  last ")
    for command in ("status", "inbox"):
        assert f"\n{head}\n" in f"\n{symphony(folder, command).out}"
        assert "    symphony access approve 3 a.example\n" in symphony(folder, command).out
    assert symphony(folder, "status").out.startswith("attention: 2 hosts to allow or deny\n")
    assert (
        "\nRefused connections (2)\n"
        "  pypi.org:443  12 tries  open\n    symphony access approve 3 pypi.org\n"
        "  a.example  1 try  open\n    symphony access approve 3 a.example\n"
        "  and 950 more that are not kept\n"
        "  2 tries of what is never opened; the run log names it\n"
    ) in symphony(folder, "show", "3").out


def test_the_lists_are_json_for_scripts(folder):
    shown = json.loads(symphony(folder, "access", "list", "--json").out)
    assert [(view["issue_id"], view["host"], view["open"]) for view in shown["access"]] == [
        ("3", "pypi.org", True),
        ("3", "a.example", True),
    ]
    detail = json.loads(symphony(folder, "access", "list", "3", "--json").out)
    assert (detail["issue_id"], detail["not_kept"], detail["never_opened"]) == ("3", 950, 2)
    inbox = json.loads(symphony(folder, "inbox", "--json").out)
    assert (len(inbox["access"]), inbox["access_count"]) == (2, 2)


async def test_nothing_refused_is_said(folder):
    await remember(folder, AccessLedger())
    assert symphony(folder, "access", "list").out == "No agent waits for access to a host.\n"
    assert symphony(folder, "access", "list", "3").out == "Issue 3 was refused nothing.\n"
    assert symphony(folder, "inbox").out == "Nothing needs you.\n"


def test_an_approval_is_kept_for_the_next_attempt(folder):
    ran = symphony(folder, "access", "approve", "3", "PyPI.org")
    assert (ran.status, ran.err, ran.out) == (
        0,
        "",
        "Issue 3 may reach pypi.org in all its attempts.\n"
        "No machine runs for it now; its next attempt can reach it.\n",
    )
    assert requests_in(folder) == {"pypi.org": "issue", "a.example": None}
    again = symphony(folder, "access", "approve", "3", "pypi.org")
    assert again.out == (
        "Issue 3 may reach pypi.org in all its attempts.\n"
        "That was decided before.\n"
        "No machine runs for it now; its next attempt can reach it.\n"
    )
    other = symphony(folder, "access", "approve", "3", "b.example")
    assert "It had not asked for it.\n" in other.out
    assert "  b.example  never tried  allowed 20" in symphony(folder, "access", "list", "3").out


def test_a_denial_is_remembered_and_needs_nobody(folder):
    for host in ("pypi.org", "a.example"):
        ran = symphony(folder, "access", "deny", "3", host)
        assert (ran.status, ran.out) == (0, f"Issue 3 may not reach {host}; you are not asked again.\n")
    assert symphony(folder, "inbox").out == "Nothing needs you.\n"
    assert requests_in(folder) == {"pypi.org": "deny", "a.example": "deny"}


def test_a_host_for_every_issue_is_written_into_the_workflow(folder):
    ran = symphony(folder, "access", "approve", "3", "pypi.org", "--workflow")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out == (
        "Every issue may reach pypi.org: WORKFLOW.md says so now.\n"
        "No machine runs for it now; its next attempt can reach it.\n"
    )
    assert (folder / "WORKFLOW.md").read_text() == (
        "---\nsandbox: local\nacp: {adapter: demo}\n"
        "smolvm:\n  egress:\n    allow:\n      - pypi.org\n---\nDo it.\n"
    )
    assert requests_in(folder) == {"a.example": None}
    denied = symphony(folder, "access", "deny", "3", "pypi.org")
    assert denied.out == (
        "Issue 3 may not reach pypi.org; you are not asked again.\n"
        "It had not asked for it.\n"
        "smolvm.egress.allow of WORKFLOW.md opens it again for the next attempt; take it out there.\n"
    )


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["approve", "3", "pypi.org", "--once", "--workflow"], 2,
         "--once and --workflow exclude each other. Give one of them, or none."),
        (["approve", "9", "pypi.org"], 1,
         "There is no issue 9. `symphony status` lists the issues."),
        (["deny", "9", "pypi.org"], 1,
         "There is no issue 9. `symphony status` lists the issues."),
        (["list", "9"], 1,
         "There is no issue 9. `symphony status` lists the issues."),
        (["approve", "3", "pypi.org", "--once"], 1,
         "No machine runs for issue 3, and --once is for one that does. "
         "Leave --once out to open the host to its next attempts."),
        (["approve", "3", "https://pypi.org/simple"], 1,
         '"https://pypi.org/simple" is no host name. '
         "Give the name alone, without scheme, port and path: pypi.org."),
        (["deny", "3", "*.example"], 1,
         '"*.example" is no host name. Give each name in full; there are no patterns.'),
        (["approve", "3", ""], 1,
         "The host is empty. Give a name such as pypi.org."),
        (["approve", "3", "169.254.169.254"], 1,
         "169.254.169.254 is never opened: it is a private, local or metadata address. "
         "A guest is let out to public hosts only."),
        (["approve", "3", "localhost"], 1,
         "localhost is never opened: it is a name of a local network. "
         "A guest is let out to public hosts only."),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_says_why_and_changes_nothing(folder, words, status, message):
    before = requests_in(folder)
    ran = symphony(folder, "access", *words)
    assert (ran.status, ran.out, ran.err) == (status, "", f"symphony: {message}\n")
    assert requests_in(folder) == before
    assert (folder / "WORKFLOW.md").read_text() == WORKFLOW


def test_a_workflow_that_cannot_be_edited_is_left_with_the_line_to_add(folder):
    text = "---\nsandbox: local\nshared: &all {egress: {allow: [b.example]}}\nsmolvm: *all\n---\n"
    (folder / "WORKFLOW.md").write_text(text)
    ran = symphony(folder, "access", "approve", "3", "pypi.org", "--workflow")
    assert (ran.status, ran.out, ran.err) == (
        1,
        "",
        "symphony: WORKFLOW.md: the file was left as it is: "
        "its YAML is written in a way that is left to you. "
        "Do it yourself: write `- pypi.org` below `allow:` in line 3, or `pypi.org` between its [ ].\n",
    )
    assert (folder / "WORKFLOW.md").read_text() == text
    assert requests_in(folder) == {"pypi.org": None, "a.example": None}


def test_the_sub_commands_say_what_they_take(folder):
    assert "approve  Let an issue's agent reach a host" in symphony(folder, "access", "--help").out
    ran = symphony(folder, "access", "aprove", "3", "pypi.org")
    assert (ran.status, ran.err) == (
        2,
        "symphony access: no such command 'aprove'. Did you mean 'approve'? "
        "`symphony access --help` says more.\n",
    )
    ran = symphony(folder, "access", "approve", "3")
    assert ran.status == 2
    assert ran.err == (
        "symphony access approve: missing argument 'HOST'. `symphony access approve --help` says more.\n"
    )


async def test_a_running_daemon_decides_and_says_the_same(project: Project):
    project.drop("3", state="Held")
    await remember(project.root)

    async def cli(*words: str):
        return await asyncio.to_thread(symphony, project.root, "access", *words)

    refused = (
        ["approve", "9", "pypi.org"],
        ["approve", "3", "pypi.org", "--once"],
        ["approve", "3", "https://pypi.org"],
        ["approve", "3", "10.0.0.1"],
    )
    async with project.daemon() as daemon:
        online = [await cli(*words) for words in refused]
        assert len((await daemon.state())["access"]) == 2
        kept = await cli("approve", "3", "pypi.org")
        denied = await cli("deny", "3", "a.example")
        written = await cli("approve", "3", "b.example", "--workflow")
        state = await daemon.state()
        shown = await daemon.call("GET", "/api/v1/issues/3")
    assert (state["access"], state["counts"]["access"]) == ([], 0)
    assert [(each["host"], each["decision"]) for each in shown["access"]["requests"]] == [
        ("pypi.org", "issue"),
        ("a.example", "deny"),
    ]
    assert kept.out == (
        "Issue 3 may reach pypi.org in all its attempts.\n"
        "No machine runs for it now; its next attempt can reach it.\n"
    )
    assert denied.out == "Issue 3 may not reach a.example; you are not asked again.\n"
    assert written.out == (
        "Every issue may reach b.example: WORKFLOW.md says so now.\n"
        "It had not asked for it.\n"
        "No machine runs for it now; its next attempt can reach it.\n"
    )
    assert '"smolvm": {"egress"' not in (project.root / "WORKFLOW.md").read_text()
    assert "smolvm: {egress: {allow: [b.example]}}" in (project.root / "WORKFLOW.md").read_text()
    offline = [await cli(*words) for words in refused]
    assert [ran.err for ran in online] == [ran.err for ran in offline]
    assert {ran.status for ran in (*online, *offline)} == {1}
    assert (await cli("list", "3")).out.count("allowed") == 1
