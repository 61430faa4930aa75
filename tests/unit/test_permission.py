"""What an agent proposes, read from its words, and which setting answers it [CONTRACT 5.1, 2.3]."""

import pytest

from symphony.agent.permission import PermissionChoice, allow, allow_once, deny, is_own_tool, read_proposal
from symphony.core.permission import Proposal, policy_of
from symphony.core.settings import AcpSettings

ONCE = PermissionChoice("1", "Once", "allow_once")
ALWAYS = PermissionChoice("2", "Always", "allow_always")
NO = PermissionChoice("3", "No", "reject_once")


def acp(permission="allow", *rules):
    return AcpSettings.model_validate({"permission": permission, "permission_rules": list(rules)})


@pytest.mark.parametrize(
    ("call", "kind", "subject"),
    [
        ({"title": "Run it", "kind": "execute", "rawInput": {"command": "git push"}}, "execute", "git push"),
        ({"title": "Run it", "rawInput": {"command": ["git", "push"]}}, "other", "git push"),
        ({"title": "Edit", "kind": "edit", "rawInput": {"file_path": "/w/a.py"}}, "edit", "/w/a.py"),
        ({"title": "Fetch", "kind": "fetch", "rawInput": {"url": "https://x.org"}}, "fetch", "https://x.org"),
        ({"title": "Edit", "kind": "edit", "locations": [{"path": "/w/b.py"}]}, "edit", "/w/b.py"),
        ({"title": "Look", "kind": "read", "rawInput": {"depth": 3}}, "read", "Look"),
        ({"toolCallId": "call-7"}, "other", "call-7"),
        ({"title": 7, "kind": ["x"], "rawInput": 5, "locations": "no"}, "other", "a tool call"),
    ],
)
def test_a_proposal_names_what_it_is_about(call, kind, subject):
    proposal = read_proposal(call, (ONCE, NO))
    assert (proposal.kind, proposal.subject) == (kind, subject)


def test_a_proposal_is_safe_to_show():
    proposal = read_proposal(
        {"title": "a\x1b[2Jb\nc", "rawInput": {"command": "\x1b]0;x\x07ls\u202e", "n": "y" * 20_000}},
        (ALWAYS,),
    )
    assert proposal.title == "a[2Jb c"
    assert proposal.subject == "]0;xls"
    assert len(proposal.arguments) == 8_000
    assert proposal.lasting


@pytest.mark.parametrize(
    ("choices", "once", "always", "refused"),
    [
        ((NO, ONCE, ALWAYS), ONCE, ALWAYS, NO),
        ((ALWAYS, NO), ALWAYS, ALWAYS, NO),
        ((ONCE,), ONCE, ONCE, None),
        ((NO,), None, None, NO),
    ],
)
def test_an_answer_is_the_nearest_option_that_the_agent_offers(choices, once, always, refused):
    assert (allow_once(choices), allow(choices), deny(choices)) == (once, always, refused)


@pytest.mark.parametrize(
    ("proposal", "answer", "why"),
    [
        (Proposal("x", "execute", "git push origin"), "deny", "rule 1 of acp.permission_rules is deny"),
        (Proposal("x", "execute", "git status"), "allow", "rule 2 of acp.permission_rules is allow"),
        (Proposal("x", "execute", "cd /\ngit push"), "ask", "acp.permission is ask"),
        (Proposal("x", "fetch", "https://x.org"), "deny", "rule 3 of acp.permission_rules is deny"),
        (Proposal("x", "edit", "/w/a.py"), "ask", "acp.permission is ask"),
    ],
)
def test_the_first_rule_that_fits_answers_else_the_setting(proposal, answer, why):
    settings = acp(
        "ask",
        {"kind": "execute", "pattern": "git push*", "answer": "deny"},
        {"pattern": "git *", "answer": "allow"},
        {"kind": "fetch", "answer": "deny"},
    )
    assert policy_of(settings, proposal) == (answer, why)


def test_a_pattern_spans_lines():
    settings = acp("allow", {"pattern": "*rm -rf*", "answer": "ask"})
    assert policy_of(settings, Proposal("x", "execute", "cd /tmp\nrm -rf x"))[0] == "ask"


def test_what_a_call_is_called_counts_more_than_what_its_request_is_called():
    known = {"title": "Tool: symphony/mark_done", "rawInput": {"tool": "mark_done"}, "kind": "other"}
    request = {"title": "Approve MCP tool call", "rawInput": {"turn_id": "7"}, "kind": None}
    proposal = read_proposal(request, (ONCE,), known)
    assert (proposal.title, proposal.arguments) == (known["title"], '{\n "tool": "mark_done"\n}')


@pytest.mark.parametrize(
    ("title", "own"),
    [
        ("mcp__symphony__mark_done", True),
        ("Tool: symphony/request_human_steering", True),
        ("symphony_propose_issue", True),
        ("mcp__other__mark_done", False),
        ("rm -rf / # symphony_mark_done", False),
        ("symphony_mark_done; rm -rf /", False),
    ],
)
def test_symphonys_own_tools_are_known_by_the_names_that_agents_give_them(title, own):
    assert is_own_tool(Proposal(title)) is own
