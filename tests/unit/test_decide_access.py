"""What the scheduler does with refused connections and with a person's word about them."""

import pytest

from symphony.core.access import AccessDecision, AccessLedger, AccessRequest, AccessTries, AccessTry
from symphony.core.claim import Waiting
from symphony.core.decide import CommandRefused, decide
from symphony.core.effect import CloseAccess, OpenAccess, StartAttempt
from symphony.core.event import AccessDecided, AccessFailed, AccessRefused, AttemptEnded, Ticked
from symphony.core.outcome import Failed
from tests.support.world import (
    NOON,
    SPENT,
    after,
    after_events,
    make_issue,
    make_record,
    make_running,
    make_state,
    make_steering,
)

ONCE, ISSUE, WORKFLOW, DENY = AccessDecision


def running(**fields):
    return make_state(make_issue("3"), records=(make_record("3", make_running("3"), **fields),))


def refused(*hosts, attempt="3.1", not_kept=0):
    return AccessRefused(
        "3", attempt, AccessTries(tuple(AccessTry(host, 443) for host in hosts), (), not_kept)
    )


def said(decision):
    return [(entry.decision, entry.reason) for entry in decision.changes.audit]


def test_a_new_host_is_durable_and_said_once_and_the_attempt_goes_on():
    first = after_events(running(), refused("pypi.org", "a.example"))
    assert said(first) == [("access", "pypi.org:443, a.example:443")]
    assert first.changes.records[0].access.open[0] == AccessRequest("pypi.org", 443, 1, NOON, NOON)
    assert first.effects == ()
    second = decide(first.state, refused("pypi.org"), after(5))
    assert (second.changes.records, said(second), second.effects) == ((), [], ())
    assert second.state.record("3").access.open[0].tries == 2


def test_many_hosts_at_once_are_named_briefly_and_a_flood_is_said_once():
    many = after_events(running(), refused(*(f"h{n}.example" for n in range(9))))
    assert said(many) == [("access", "h0.example:443, h1.example:443, h2.example:443 and 6 more hosts")]
    flood = decide(many.state, refused(*(f"x{n}.example" for n in range(50)), not_kept=7), after(5))
    assert said(flood) == [("access", "more than 50 hosts; the newest are kept")]
    more = decide(flood.state, refused(*(f"y{n}.example" for n in range(50))), after(10))
    assert said(more) == []
    assert len(more.changes.records[0].access.requests) == 50


def test_what_comes_from_an_attempt_that_is_over_is_ignored():
    decision = after_events(running(), refused("pypi.org", attempt="3.0"))
    assert decision.state.record("3").access == AccessLedger()


@pytest.mark.parametrize("decision", [ONCE, ISSUE, WORKFLOW])
def test_an_approval_opens_the_running_machine(decision):
    decided = after_events(running(), refused("pypi.org"), AccessDecided("3", "pypi.org", decision))
    assert decided.effects == (OpenAccess("3", "3.1", "pypi.org"),)
    assert decided.state.record("3").access.open == ()
    assert decided.changes.records[0].access.requests[0].decision is decision
    assert said(decided)[0][0] == "allow"


def test_a_machine_that_waits_for_a_person_is_opened_too():
    waiting = Waiting(make_steering("3"), make_running("3"))
    state = make_state(make_issue("3"), records=(make_record("3", waiting),))
    decided = after_events(state, AccessDecided("3", "pypi.org", ONCE))
    assert decided.effects == (OpenAccess("3", "3.1", "pypi.org"),)


def test_a_denial_closes_the_running_machine_and_is_remembered():
    decided = after_events(running(), refused("pypi.org"), AccessDecided("3", "pypi.org", DENY))
    assert decided.effects == (CloseAccess("3", "3.1", "pypi.org"),)
    assert said(decided) == [("deny", "pypi.org stays closed to this issue: a person said so")]
    again = decide(decided.state, refused("pypi.org"), after(5))
    assert again.state.record("3").access.open == ()


def test_the_same_word_twice_is_carried_out_again_and_written_once():
    decision = AccessDecided("3", "pypi.org", ISSUE)
    decided = after_events(running(), decision, decision)
    assert decided.effects == (OpenAccess("3", "3.1", "pypi.org"),)
    assert (decided.changes.records, decided.changes.audit) == ((), ())


def test_what_was_opened_for_the_issue_is_given_to_its_next_attempt_and_once_is_forgotten():
    ended = after_events(
        running(),
        AccessDecided("3", "pypi.org", ISSUE),
        AccessDecided("3", "once.example", ONCE),
        AttemptEnded("3", "3.1", Failed("x", "It broke."), SPENT),
    )
    assert [each.host for each in ended.state.record("3").access.requests] == ["pypi.org"]
    again = decide(ended.state, Ticked(), after(60))
    [start] = again.effects
    assert isinstance(start, StartAttempt)
    assert start.allowed_hosts == ("pypi.org",)


def test_without_an_attempt_a_word_for_the_issue_is_kept_and_one_for_the_workflow_ends_the_request():
    asked = AccessLedger((AccessRequest("pypi.org", 443, 1, NOON, NOON),))
    state = make_state(make_issue("3", "Proposed"), records=(make_record("3", access=asked),))
    kept = after_events(state, AccessDecided("3", "pypi.org", ISSUE))
    assert (kept.effects, kept.state.record("3").access.allowed_hosts) == ((), ("pypi.org",))
    written = after_events(state, AccessDecided("3", "pypi.org", WORKFLOW))
    assert (written.effects, written.state.record("3").access) == ((), AccessLedger())


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        (AccessDecided("9", "pypi.org", ISSUE), "issue_not_found",
         "There is no issue 9. `symphony status` lists the issues."),
        (AccessDecided("3", "pypi.org", ONCE), "access_no_machine",
         "No machine runs for issue 3, and --once is for one that does. "
         "Leave --once out to open the host to its next attempts."),
    ],
)  # fmt: skip
def test_a_word_that_does_not_fit_is_refused_and_changes_nothing(event, code, message):
    state = make_state(make_issue("3", "Proposed"))
    with pytest.raises(CommandRefused) as refusal:
        decide(state, event, NOON)
    assert (refusal.value.code, str(refusal.value)) == (code, message)


def test_a_machine_that_fails_is_said_and_durable():
    failed = after_events(
        running(),
        refused("pypi.org"),
        AccessDecided("3", "pypi.org", ISSUE),
        AccessFailed("3", "3.1", "pypi.org", True, "sandbox.host_unresolvable", "It has no address."),
    )
    assert said(failed) == [("access_failed", "pypi.org: It has no address.")]
    assert failed.changes.records[0].access.open[0].trouble == "It has no address."
    late = decide(
        failed.state, AccessFailed("3", "3.0", "pypi.org", True, "x", "Another machine's."), after(9)
    )
    assert late.changes.records == ()
