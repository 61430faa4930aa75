"""Any order of events keeps the scheduler's promises: a random walk over `decide`.

The walk plays the tracker, the agents and the people; the invariants are DESIGN's promises.
"""

from dataclasses import replace
from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from symphony.core.access import (
    ENDS_WITH_ATTEMPT,
    OPEN_KEPT,
    AccessDecision,
    AccessTries,
    AccessTry,
)
from symphony.core.admission import MIB, RESERVE_BYTES, HostMemory
from symphony.core.claim import Continuing, Parked, Phase, Retrying, Running, Waiting
from symphony.core.decide import CommandRefused, decide
from symphony.core.disk import HostDisk
from symphony.core.effect import (
    CloseAccess,
    OpenAccess,
    ResumeAttempt,
    StartAttempt,
    StartDelivery,
    StopAttempt,
)
from symphony.core.eligibility import why_not_running
from symphony.core.event import (
    AccessDecided,
    AccessFailed,
    AccessRefused,
    AttemptEnded,
    AttemptProgressed,
    AttemptWaits,
    CancelAsked,
    CompletionAccepted,
    DrainAsked,
    HostSeen,
    MachineSeen,
    PauseAsked,
    ReplyGiven,
    ReplyUsed,
    ResumeAsked,
    RetryAsked,
    SteeringAsked,
    Ticked,
    TrackerChanged,
    WorkflowChanged,
)
from symphony.core.handoff import Completion, Handoff
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.outcome import Delivered, Failed, RateLimited, Released, Stopped, TurnsExhausted
from symphony.core.picture import render_snapshot, standing
from symphony.core.slots import Slots
from symphony.core.timer import next_due
from symphony.core.usage import Usage
from tests.support.explained import check_explained
from tests.support.world import NOON, SPENT, make_issue, make_set, make_state, make_steering, make_workflow

IDS = ("a", "b", "c", "d")
STATES = ("Todo", "In Progress", "Proposed", "Done")
SLOTS = 2
MACHINE = 2048 * MIB
some_id = st.sampled_from(IDS)
HOSTS = ("pypi.org", "a.example", "b.example")
some_host = st.sampled_from(HOSTS)


class Scheduling(RuleBasedStateMachine):
    """The world around the scheduler."""

    @initialize()
    def begin(self):
        self.now = NOON
        self.issues = {}
        self.live = {}  # attempt id -> what the world knows of it
        self.accepted = {}  # completion by attempt id, not delivered yet
        self.delivered = []
        self.answers = {}
        self.lasting = {}  # (issue, host) -> the last lasting word of a person
        self.flooded = 0
        self.revision = 0
        self.sandbox = "local"
        self.state = make_state(agent={"max_concurrent_agents": SLOTS, "max_failures": 3})

    def send(self, event):
        asleep = self.asleep()
        decision = decide(self.state, event, self.now)
        self.state = decision.state
        self.check_memory(decision.effects, asleep)
        for effect in decision.effects:
            match effect:
                case StartAttempt(issue=issue, attempt_id=attempt_id, allowed_hosts=allowed):
                    said = {h for (i, h), word in self.lasting.items() if i == issue.id and word == "issue"}
                    assert set(allowed) == said
                    assert not any(known["issue"] == issue.id for known in self.live.values())
                    assert not self.state.draining
                    assert not self.state.disk_room.low
                    self.live[attempt_id] = {"issue": issue.id, "asked": None, "waits": False, "stop": None}
                case StartDelivery(completion=completion, attempt_id=attempt_id):
                    assert not any(known["issue"] == completion.issue_id for known in self.live.values())
                    self.live[attempt_id] = {
                        "issue": completion.issue_id,
                        "asked": None,
                        "waits": False,
                        "stop": None,
                        "delivers": completion.attempt_id,
                    }
                case StopAttempt(attempt_id=attempt_id, reason=reason):
                    assert self.live[attempt_id]["stop"] is None
                    self.live[attempt_id]["stop"] = reason
                case ResumeAttempt(attempt_id=attempt_id, steering=steering):
                    assert not steering.open
                    assert self.live[attempt_id]["waits"]
                    self.live[attempt_id]["waits"] = False
                case (
                    OpenAccess(attempt_id=attempt_id, host=host)
                    | CloseAccess(attempt_id=attempt_id, host=host)
                ):
                    assert attempt_id in self.live
                    assert host in HOSTS
                case _:
                    pass

    def asleep(self):
        """Return the attempts whose machine's memory is on disk."""
        claims = [record.claim for record in self.state.records.values()]
        waiting = [claim.attempt for claim in claims if isinstance(claim, Waiting) and claim.attempt]
        return {a.attempt_id for a in waiting if a.machine and a.machine.state is MachineState.PAUSED}

    def check_memory(self, effects, asleep):
        """What takes memory now fits beside all that was promised before, and the reserve stays."""
        started = sum(isinstance(effect, StartAttempt | StartDelivery) for effect in effects)
        woken = sum(isinstance(effect, ResumeAttempt) and effect.attempt_id in asleep for effect in effects)
        memory = self.state.host_memory
        if started + woken == 0 or self.sandbox == "local" or memory is None:
            return
        assert (started + woken) * MACHINE + RESERVE_BYTES <= memory.free_bytes
        assert self.state.room.promised + RESERVE_BYTES <= memory.free_bytes

    def publish(self):
        self.send(TrackerChanged(make_set(*self.issues.values())))

    @rule(issue_id=some_id, state=st.sampled_from(STATES), blocker=st.none() | some_id)
    def drop_or_move_or_edit(self, issue_id, state, blocker):
        self.revision += 1
        blocked_by = () if blocker is None else (blocker,)
        self.issues[issue_id] = make_issue(
            issue_id, state, blocked_by=blocked_by, revision=str(self.revision)
        )
        self.publish()

    @rule(issue_id=some_id)
    def delete(self, issue_id):
        self.issues.pop(issue_id, None)
        self.publish()

    @rule(seconds=st.sampled_from([0.5, 1, 2, 10, 60, 300, 3600]))
    def let_time_pass(self, seconds):
        self.now += timedelta(seconds=seconds)
        self.send(Ticked())

    @rule(slots=st.integers(1, 3), sandbox=st.sampled_from(["local", "smolvm"]))
    def edit_workflow(self, slots, sandbox):
        self.sandbox = sandbox
        agent = {"max_concurrent_agents": slots, "max_failures": 3}
        self.send(WorkflowChanged(make_workflow(sandbox=sandbox, agent=agent)))

    @rule(free_mib=st.sampled_from([100, 2048, 2560, 4608, 9000]), total_mib=st.sampled_from([2048, 9000]))
    def look_at_the_host(self, free_mib, total_mib):
        before = self.state
        self.send(HostSeen(HostMemory(free_mib * MIB, total_mib * MIB)))
        assert self.state.records is before.records
        self.send(Ticked())

    @rule(
        free_mib=st.sampled_from([0, 1023, 1024, 1125, 1126, 90_000]),
        total_mib=st.sampled_from([900, 90_000]),
    )
    def look_at_the_disk(self, free_mib, total_mib):
        was_low, records = self.state.was_low, self.state.records
        disk = HostDisk(min(free_mib, total_mib) * MIB, total_mib * MIB, "/d")
        self.send(HostSeen(self.state.host_memory, disk))
        assert self.state.records is records
        least = 1126 if was_low and total_mib > 1126 else 1024
        assert self.state.was_low == (disk.free_bytes < least * MIB)
        assert next_due(self.state, self.now) is not None or not self.state.was_low
        self.send(Ticked())

    @precondition(lambda self: bool(self.live))
    @rule(data=st.data(), state=st.sampled_from(list(MachineState)), used_mib=st.integers(0, 3000))
    def look_at_a_machine(self, data, state, used_mib):
        attempt_id = data.draw(st.sampled_from(sorted(self.live)))
        issue_id = self.live[attempt_id]["issue"]
        self.send(MachineSeen(issue_id, attempt_id, MachineUsage("m", state, used_mib * MIB)))

    @rule(issue_id=some_id, ask=st.sampled_from([RetryAsked, CancelAsked, PauseAsked, ResumeAsked]))
    def command(self, issue_id, ask):
        before = self.state
        try:
            self.send(ask(issue_id))
        except CommandRefused:
            assert self.state is before

    @precondition(lambda self: any(self.working()))
    @rule(data=st.data())
    def progress(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.working())))
        issue_id = self.live[attempt_id]["issue"]
        self.send(AttemptProgressed(issue_id, attempt_id, Phase.TURN, 1, "works", Usage(), self.now))

    @precondition(lambda self: any(self.working()))
    @rule(data=st.data())
    def ask_a_person(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.working())))
        known = self.live[attempt_id]
        if known["asked"] or attempt_id in self.accepted or "delivers" in known:
            return
        steering = make_steering(known["issue"], id=f"{attempt_id}.q", attempt_id=attempt_id)
        known["asked"] = steering
        self.answers[steering.id] = None
        self.send(SteeringAsked(steering))

    @precondition(lambda self: any(known["asked"] and not known["waits"] for known in self.live.values()))
    @rule()
    def end_the_asking_turn(self):
        attempt_id, known = next((i, k) for i, k in self.live.items() if k["asked"] and not k["waits"])
        known["waits"] = True
        self.send(AttemptWaits(known["issue"], attempt_id))

    @rule(issue_id=some_id)
    def answer(self, issue_id):
        for steering_id, reply in self.answers.items():
            if reply is None and steering_id.startswith(f"{issue_id}."):
                attempt_id = steering_id.removesuffix(".q")
                answered = make_steering(issue_id, reply="red", id=steering_id, attempt_id=attempt_id)
                self.answers[steering_id] = answered
                self.send(ReplyGiven(answered))
                return

    @precondition(lambda self: any(self.working()))
    @rule(data=st.data())
    def mark_done(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.working())))
        known = self.live[attempt_id]
        if known["asked"] or "delivers" in known or attempt_id in self.accepted:
            return
        completion = Completion(known["issue"], attempt_id, "t", "s", self.now)
        self.accepted[attempt_id] = completion
        self.send(CompletionAccepted(completion))

    @precondition(lambda self: bool(self.live))
    @rule(data=st.data(), host=some_host, flood=st.sampled_from([0, 0, 7, 120]))
    def refuse_a_connection(self, data, host, flood):
        attempt_id = data.draw(st.sampled_from(sorted(self.live)))
        self.flooded += flood
        more = tuple(AccessTry(f"x{self.flooded + n}.example", 443) for n in range(min(flood, OPEN_KEPT)))
        tries = AccessTries((*more, AccessTry(host, 443)), not_kept=max(0, flood - OPEN_KEPT))
        before = self.state
        self.send(AccessRefused(self.live[attempt_id]["issue"], attempt_id, tries))
        assert {i: r.claim for i, r in self.state.records.items()} == {
            i: r.claim for i, r in before.records.items()
        }, "a refused connection stops nothing and starts nothing"

    @rule(issue_id=some_id, host=some_host, decision=st.sampled_from(AccessDecision))
    def decide_about_a_host(self, issue_id, host, decision):
        before = self.state
        attempt = next((i for i, known in self.live.items() if known["issue"] == issue_id), None)
        try:
            self.send(AccessDecided(issue_id, host, decision))
        except CommandRefused:
            assert self.state is before
            return
        assert decision is not AccessDecision.ONCE or attempt is not None
        if decision in ENDS_WITH_ATTEMPT:
            widened = decision is AccessDecision.WORKFLOW or self.lasting.get((issue_id, host)) != "issue"
            if widened:
                self.lasting.pop((issue_id, host), None)
        else:
            self.lasting[issue_id, host] = decision.value

    @precondition(lambda self: bool(self.live))
    @rule(data=st.data(), host=some_host, opening=st.booleans(), known=st.booleans())
    def fail_in_the_machine(self, data, host, opening, known):
        attempt_id = data.draw(st.sampled_from(sorted(self.live)))
        issue_id = self.live[attempt_id]["issue"]
        code = "sandbox.egress_unavailable" if known else "sandbox.host_unresolvable"
        if opening and not known and self.lasting.get((issue_id, host)) == "issue":
            del self.lasting[issue_id, host]
        self.send(AccessFailed(issue_id, attempt_id, host, opening, code, "It broke."))

    @precondition(lambda self: bool(self.live))
    @rule(data=st.data())
    def end(self, data):
        attempt_id = data.draw(st.sampled_from(sorted(self.live)))
        known = self.live.pop(attempt_id)
        promised = known.get("delivers") or (attempt_id if attempt_id in self.accepted else None)
        outcomes = [Failed("x", "broke")]
        if known["stop"] is not None:
            outcomes = [Stopped(known["stop"])]
        elif promised is not None:
            outcomes.append(Delivered(Handoff("patch", "written")))
        elif known["waits"]:
            outcomes = [Released()]
        else:
            outcomes += [
                TurnsExhausted(1, progressed=False),
                TurnsExhausted(1, progressed=True),
                RateLimited("demo", self.now + timedelta(minutes=5), "429"),
            ]
            steering = self.state.record(known["issue"]).claim.steering
            if steering is not None and not steering.open:
                self.send(ReplyUsed(known["issue"], attempt_id, (steering.id,)))
        outcome = data.draw(st.sampled_from(outcomes))
        if isinstance(outcome, Delivered):
            self.delivered.append(promised)
            self.accepted.pop(promised)
            issue = self.issues.get(known["issue"])
            if issue is not None:
                self.issues[issue.id] = replace(issue, state="Done")
                self.publish()
        self.send(AttemptEnded(known["issue"], attempt_id, outcome, SPENT))

    def working(self):
        return {i: k for i, k in self.live.items() if not k["waits"] and k["stop"] is None}

    @invariant()
    def never_over_the_slots_it_had_when_starting(self):
        held = [r for r in self.state.records.values() if isinstance(r.claim, Running | Continuing)]
        assert len(held) <= 3

    @invariant()
    def the_claims_are_the_attempts_that_live(self):
        claimed = {}
        for record in self.state.records.values():
            attempt = record.claim if isinstance(record.claim, Running) else None
            if isinstance(record.claim, Waiting):
                attempt = record.claim.attempt
            if attempt is not None:
                claimed[attempt.attempt_id] = record.issue_id
        assert claimed == {attempt_id: known["issue"] for attempt_id, known in self.live.items()}

    @invariant()
    def every_accepted_mark_done_is_delivered_once_or_still_owed(self):
        assert len(set(self.delivered)) == len(self.delivered)
        owed = {r.completion.attempt_id for r in self.state.records.values() if r.completion}
        assert owed == set(self.accepted)

    @invariant()
    def every_open_question_is_still_somewhere(self):
        known = set()
        for record in self.state.records.values():
            if (
                isinstance(record.claim, Waiting | Running | Parked | Retrying)
                and record.claim.steering is not None
            ):
                known.add(record.claim.steering.id)
        assert {steering_id for steering_id, reply in self.answers.items() if reply is None} <= known

    @invariant()
    def whatever_does_not_run_says_why_or_falls_due(self):
        slots = Slots.of(self.state.workflow.settings, self.state.records.values())
        for issue in self.state.candidates:
            reason = why_not_running(self.state, issue, slots, self.now)
            assert reason is not None, f"{issue.id} could start and was not started"
            assert reason.text
            claim = self.state.record(issue.id).claim
            if isinstance(claim, Retrying | Continuing) and claim.due_at > self.now:
                assert next_due(self.state, self.now) <= claim.due_at
            if reason.code == "no_memory" and not self.state.draining:
                assert self.state.waits_for_memory

    @invariant()
    def every_surface_can_show_it(self):
        snapshot = render_snapshot(self.state, self.now, Usage())
        assert snapshot.status in {"working", "attention", "idle", "draining"}
        for issue_id in IDS:
            assert standing(self.state, issue_id, self.now).endswith(".")
            check_explained(self.state, issue_id, self.now, snapshot)

    @invariant()
    def access_is_bounded_and_ends_with_its_machine(self):
        for issue_id, record in self.state.records.items():
            ledger = record.access
            assert len(ledger.open) <= OPEN_KEPT
            hosts = [request.host for request in ledger.requests]
            assert len(hosts) == len(set(hosts))
            if not any(known["issue"] == issue_id for known in self.live.values()):
                assert all(request.decision not in ENDS_WITH_ATTEMPT for request in ledger.requests)
            for host in HOSTS:
                request = ledger.find(host)
                word = None if request is None or request.decision is None else request.decision.value
                if word not in {each.value for each in ENDS_WITH_ATTEMPT}:
                    assert word == self.lasting.get((issue_id, host))

    @rule()
    def drain_ends(self):
        drained = decide(self.state, DrainAsked(now=True), self.now)
        stopped = {effect.attempt_id for effect in drained.effects if isinstance(effect, StopAttempt)}
        already = {attempt_id for attempt_id, known in self.live.items() if known["stop"] is not None}
        assert stopped | already == set(self.live)


TestScheduling = Scheduling.TestCase
TestScheduling.settings = settings(max_examples=150, stateful_step_count=40)
