"""The ledger of one issue's refused connections: bounded, and deaf to what was decided."""

from datetime import UTC, datetime, timedelta

import pytest

from symphony.core.access import (
    DECIDED_KEPT,
    OPEN_KEPT,
    AccessDecision,
    AccessFull,
    AccessLedger,
    AccessRequest,
    AccessTries,
    AccessTry,
    tries_of,
)
from symphony.core.access_answer import AccessAnswer, MachineAnswer
from symphony.core.machine import Refusal

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONCE, ISSUE, WORKFLOW, DENY = AccessDecision
ASKED = AccessLedger().refused(AccessTries((AccessTry("pypi.org", 443, 3),)), NOON)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def refusal(host: str, port: int | None = 443) -> Refusal:
    return Refusal(host, port, NOON)


def test_a_look_names_each_host_once_with_its_latest_port_and_the_number_of_tries():
    looked = [
        refusal("pypi.org"),
        refusal("a.example", None),
        refusal("PyPI.org.", 80),
        refusal("pypi.org", None),
    ]
    assert tries_of(looked) == AccessTries((AccessTry("a.example", None, 1), AccessTry("pypi.org", 443, 3)))


def test_what_can_never_be_opened_is_apart_and_sanitised():
    looked = [refusal("169.254.169.254", 80), refusal("\x1b]0;pwned\x07\u202e evil\nhost"), refusal("")]
    assert tries_of(looked).asked == ()
    assert [str(each) for each in tries_of(looked).never] == [
        "169.254.169.254:80",
        "]0;pwned evil host:443",
        "(no name):443",
    ]


def test_of_a_hundred_thousand_hosts_the_newest_are_named_and_the_rest_counted():
    tries = tries_of(refusal(f"h{number}.example") for number in range(100_000))
    assert [each.host for each in tries.asked] == [
        f"h{n}.example" for n in range(100_000 - OPEN_KEPT, 100_000)
    ]
    assert tries.not_kept == 100_000 - OPEN_KEPT


def test_a_guest_that_tries_new_hosts_for_ever_fills_nothing_and_pushes_no_decision_out():
    ledger = ASKED.decided("pypi.org", DENY, NOON)
    for look in range(200):
        tries = tries_of(refusal(f"h{look}-{number}.example") for number in range(500))
        ledger = ledger.refused(tries, after(look))
    assert len(ledger.requests) == OPEN_KEPT + 1
    assert ledger.find("pypi.org") is not None
    assert ledger.open[-1].host == "h199-499.example"
    assert ledger.not_kept == 100_000 - OPEN_KEPT


def test_a_repeated_try_is_counted_and_not_asked_again():
    again = ASKED.refused(AccessTries((AccessTry("pypi.org", None, 2),)), after(60))
    assert again.requests == (AccessRequest("pypi.org", 443, 5, NOON, after(60)),)


@pytest.mark.parametrize("decision", list(AccessDecision))
def test_what_was_decided_is_not_asked_again(decision):
    ledger = ASKED.decided("pypi.org", decision, after(1)).refused(
        AccessTries((AccessTry("pypi.org"),)), after(2)
    )
    assert ledger.open == ()
    assert ledger.requests[0].tries == 4


def test_only_what_holds_for_the_issue_is_given_to_further_attempts():
    ledger = AccessLedger()
    for host, decision in (
        ("a.example", ONCE),
        ("b.example", ISSUE),
        ("c.example", WORKFLOW),
        ("d.example", DENY),
    ):
        ledger = ledger.decided(host, decision, NOON)
    assert ledger.allowed_hosts == ("b.example",)
    assert [each.host for each in ledger.ended().requests] == ["b.example", "d.example"]


def test_the_same_word_twice_changes_nothing_and_a_narrower_one_does_not_narrow():
    allowed = ASKED.decided("pypi.org", ISSUE, NOON)
    assert allowed.decided("pypi.org", ISSUE, after(9)) is allowed
    assert allowed.decided("pypi.org", ONCE, after(9)) is allowed
    denied = allowed.decided("pypi.org", DENY, after(9))
    assert denied.requests[0].decision is DENY
    assert denied.allowed_hosts == ()


def test_a_name_that_cannot_be_resolved_is_asked_again_and_keeps_no_attempt_from_starting():
    ledger = ASKED.decided("pypi.org", ISSUE, NOON)
    ledger = ledger.failed("pypi.org", "sandbox.host_unresolvable", "It has no address.", opening=True)
    assert ledger.open == (AccessRequest("pypi.org", 443, 3, NOON, NOON, trouble="It has no address."),)
    assert ledger.allowed_hosts == ()


def test_a_host_that_the_guest_never_tried_is_forgotten_when_it_cannot_be_resolved():
    ledger = AccessLedger().decided("pypi.orgg", ISSUE, NOON)
    assert ledger.failed("pypi.orgg", "sandbox.host_unresolvable", "x", opening=True) == AccessLedger()


def test_a_machine_that_cannot_open_now_leaves_the_word_for_the_next_one_and_says_why():
    ledger = ASKED.decided("pypi.org", ISSUE, NOON)
    ledger = ledger.failed("pypi.org", "sandbox.egress_unavailable", "No list.", opening=True)
    assert (ledger.allowed_hosts, ledger.requests[0].trouble) == (("pypi.org",), "No list.")
    assert ledger.decided("pypi.org", ISSUE, after(9)).requests[0].trouble == ""


@pytest.mark.parametrize("decision", [ONCE, WORKFLOW])
def test_what_held_for_this_machine_alone_is_void_when_it_fails(decision):
    ledger = ASKED.decided("pypi.org", decision, NOON)
    assert ledger.failed("pypi.org", "sandbox.egress_unavailable", "x", opening=True).open


def test_a_failure_that_comes_after_another_word_is_of_no_interest():
    denied = ASKED.decided("pypi.org", DENY, NOON)
    assert denied.failed("pypi.org", "sandbox.host_unresolvable", "x", opening=True) is denied
    assert denied.failed("pypi.org", "x", "It broke.", opening=False).requests[0].trouble == "It broke."
    assert ASKED.failed("pypi.org", "x", "x", opening=True) is ASKED


def test_people_can_decide_only_so_many_hosts_of_one_issue():
    ledger = AccessLedger()
    for number in range(DECIDED_KEPT):
        ledger = ledger.decided(f"h{number}.example", ISSUE, NOON)
    with pytest.raises(AccessFull) as refused:
        ledger.decided("more.example", ISSUE, NOON)
    assert refused.value.code == "access_full"
    assert str(refused.value) == (
        "200 hosts are decided for this issue already; more.example was not added. "
        "Put what every issue may reach into smolvm.egress.allow of WORKFLOW.md."
    )
    assert ledger.decided("h0.example", DENY, NOON).requests[0].decision is DENY


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (AccessAnswer("3", "pypi.org", ONCE, MachineAnswer.DONE),
         "Issue 3 may reach pypi.org as long as its machine runs. The running machine can reach it now."),
        (AccessAnswer("3", "pypi.org", ISSUE, MachineAnswer.NONE, asked=False),
         "Issue 3 may reach pypi.org in all its attempts. It had not asked for it. "
         "No machine runs for it now; its next attempt can reach it."),
        (AccessAnswer("3", "pypi.org", ISSUE, MachineAnswer.STARTING),
         "Issue 3 may reach pypi.org in all its attempts. "
         "Its machine is starting and follows when it is up."),
        (AccessAnswer("3", "pypi.org", ISSUE, MachineAnswer.UNCLOSED, repeated=True),
         "Issue 3 may reach pypi.org in all its attempts. That was decided before. "
         "Its sandbox has no machine of its own and closes nothing."),
        (AccessAnswer("3", "pypi.org", ISSUE, MachineAnswer.FAILED, failure="No list."),
         "Issue 3 may reach pypi.org in all its attempts. The running machine could not open it: No list."),
        (AccessAnswer("3", "pypi.org", ISSUE, MachineAnswer.SILENT),
         "Issue 3 may reach pypi.org in all its attempts. "
         "The machine has not answered yet; `symphony show 3` says how it went."),
        (AccessAnswer("3", "pypi.org", WORKFLOW, MachineAnswer.DONE, written=True),
         "Every issue may reach pypi.org: WORKFLOW.md says so now. The running machine can reach it now."),
        (AccessAnswer("3", "pypi.org", WORKFLOW),
         "Every issue may reach pypi.org: WORKFLOW.md said so already. "
         "No machine runs for it now; its next attempt can reach it."),
        (AccessAnswer("3", "pypi.org", DENY),
         "Issue 3 may not reach pypi.org; you are not asked again."),
        (AccessAnswer("3", "pypi.org", DENY, MachineAnswer.DONE, opened_by_settings=True),
         "Issue 3 may not reach pypi.org; you are not asked again. The running machine is cut off from it. "
         "smolvm.egress.allow of WORKFLOW.md opens it again for the next attempt; take it out there."),
        (AccessAnswer("3", "pypi.org", DENY, MachineAnswer.FAILED, failure="It broke."),
         "Issue 3 may not reach pypi.org; you are not asked again. "
         "The running machine could not be cut off from it: It broke."),
    ],
)  # fmt: skip
def test_an_answer_says_what_was_decided_and_what_the_machine_does(answer, said):
    assert " ".join(answer.sentences()) == said
