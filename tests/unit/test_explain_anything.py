"""Whatever the scheduler knows, every issue is explained, by the code that the snapshot has for it."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from symphony.core.admission import MIB, HostMemory
from symphony.core.claim import Continuing, Parked, Phase, Retrying, Waiting
from symphony.core.disk import HostDisk
from symphony.core.handoff import Completion
from symphony.core.outcome import StopReason
from symphony.core.permission import PermissionAnswer, PermissionRequest, Proposal
from symphony.core.picture import render_snapshot
from symphony.core.problem import Problem
from symphony.core.usage import Usage
from tests.support.explained import check_explained
from tests.support.world import (
    NOON,
    after,
    make_issue,
    make_record,
    make_running,
    make_set,
    make_state,
    make_steering,
)

IDS = ("a", "b", "c")
STATES = ("Todo", "In Progress", "Someday", "Done")
SETTINGS = (
    {},
    {"tracker": {"required_labels": ["go"]}},
    {"agent": {"max_concurrent_agents": 1, "budget": {"tokens": 1000}}},
    {"agent": {"max_concurrent_agents_by_state": {"Todo": 1}}},
    {"sandbox": "smolvm", "agent": {"max_concurrent_agents": 2}},
)
moments = st.sampled_from([-60, 0, 30, 100_000]).map(after)


@st.composite
def attempts(draw, issue_id, *, waits=False):
    """Return an attempt that lives."""
    permission = PermissionRequest(
        f"{issue_id}.p",
        issue_id,
        f"{issue_id}.1",
        Proposal("rm"),
        NOON,
        draw(st.sampled_from([None, PermissionAnswer.DENY])),
    )
    return make_running(
        issue_id,
        phase=draw(st.sampled_from(Phase)),
        stopping=None if waits else draw(st.none() | st.sampled_from(StopReason)),
        missing_since=draw(st.none() | moments),
        stall_timeout_ms=draw(st.sampled_from([0, 300_000])),
        delivering=draw(st.booleans()),
        permissions=() if waits else draw(st.sampled_from([(), (permission,)])),
        steering=None if waits else draw(st.none() | questions(issue_id)),
    )


def questions(issue_id):
    """Return a question, answered or not."""
    return st.sampled_from([make_steering(issue_id), make_steering(issue_id, "red")])


@st.composite
def records(draw, issue_id):
    """Return what is remembered of an issue."""
    claim = draw(
        st.one_of(
            st.none(),
            attempts(issue_id),
            st.builds(Waiting, questions(issue_id), st.none() | attempts(issue_id, waits=True)),
            st.builds(Retrying, moments, st.just("git failed.")),
            st.builds(Continuing, moments, st.sampled_from(STATES)),
            st.builds(Parked, st.just(NOON), st.sampled_from([(), ("boom",)]), st.just(""), st.booleans()),
        )
    )
    held = isinstance(claim, Continuing | Parked) or (isinstance(claim, Waiting) and claim.attempt)
    done = None if held else draw(st.none() | st.just(Completion(issue_id, f"{issue_id}.1", "t", "s", NOON)))
    return make_record(
        issue_id,
        claim,
        paused=draw(st.booleans()),
        failures=draw(st.integers(0, 5)),
        completion=done,
        usage=draw(st.sampled_from([Usage(), Usage(input_tokens=5000)])),
        last_handoff=draw(st.sampled_from(["", "Patch with 1 commit: `git am p`."])),
    )


@st.composite
def worlds(draw):
    """Return anything that the scheduler may know."""
    issues, conflicts, unreadable = [], {}, set()
    for issue_id in IDS:
        match draw(st.sampled_from(["there", "there", "there", "gone", "conflict", "unreadable"])):
            case "there":
                extra = draw(st.sampled_from([{}, {"proposed_by": "7"}]))
                blocked_by = tuple(draw(st.lists(st.sampled_from((*IDS, "nobody")), max_size=2)))
                state = draw(st.sampled_from(STATES))
                issues.append(make_issue(issue_id, state, blocked_by=blocked_by, extra=extra))
            case "conflict":
                conflicts[issue_id] = (make_issue(issue_id).path, make_issue(issue_id, "Done").path)
            case "unreadable":
                unreadable.add(issue_id)
            case _:
                pass
    known = [draw(records(issue_id)) for issue_id in IDS if draw(st.booleans())]
    state = make_state(records=tuple(known), **draw(st.sampled_from(SETTINGS)))
    state = state.with_issues(make_set(*issues, conflicts=conflicts, unreadable=frozenset(unreadable)))
    low = draw(st.booleans())
    return replace(
        state,
        paused=draw(st.booleans()),
        drain_deadline=draw(st.none() | moments),
        workflow_problems=draw(st.sampled_from([(), (Problem("x", "WORKFLOW.md:3", "It is broken."),)])),
        adapter_pauses=draw(st.sampled_from([{}, {"demo": after(60)}])),
        host_memory=HostMemory(100 * MIB, draw(st.sampled_from([500, 90_000])) * MIB) if low else None,
        host_disk=HostDisk(100 * MIB, draw(st.sampled_from([500, 90_000])) * MIB, "/p") if low else None,
        host_seen_at=draw(st.none() | st.just(NOON)),
    )


@settings(max_examples=100)
@given(worlds())
def test_every_issue_is_explained_whatever_is_known_of_it(state):
    snapshot = render_snapshot(state, NOON, Usage())
    for issue_id in (*IDS, "nobody"):
        check_explained(state, issue_id, NOON, snapshot)
