"""All that the scheduler knows at one moment, immutable."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from symphony.core.admission import HostMemory, Room
from symphony.core.budget import Ceilings, Spending, account
from symphony.core.claim import IssueRecord
from symphony.core.disk import DiskRoom, HostDisk
from symphony.core.issue import Issue, IssueSet
from symphony.core.order import in_dispatch_order
from symphony.core.problem import Problem
from symphony.core.states import StateTable
from symphony.core.workflow import Workflow


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The argument and the result of `decide`.

    Attributes:
        workflow: the last known good one.
        states: the workflow's state table.
        in_state: how many issues are in each state folder.
        candidates: active issues in the order in which they would be dispatched.
        records: what is remembered of issues, by id; an issue without a record is untouched.
        workflow_problems: why the workflow's latest edit cannot be used; they block dispatch.
        paused: a person paused everything.
        adapter_pauses: adapter to the time until which it rests.
        drain_deadline: set once the daemon is stopping: when attempts are ended.
        host_memory: what was last seen of it; None while nothing is known or needed.
        host_disk: the same of the disk that has the least room.
        host_seen_at: when that was.
        waits_for_memory: the last decision kept something waiting for it.
        was_low: the disk had too little room when it was last looked at.
    """

    workflow: Workflow
    states: StateTable
    issues: IssueSet = field(default_factory=IssueSet)
    in_state: Mapping[str, int] = field(default_factory=dict)
    candidates: tuple[Issue, ...] = ()
    records: Mapping[str, IssueRecord] = field(default_factory=dict)
    workflow_problems: tuple[Problem, ...] = ()
    paused: bool = False
    adapter_pauses: Mapping[str, datetime] = field(default_factory=dict)
    drain_deadline: datetime | None = None
    host_memory: HostMemory | None = None
    host_disk: HostDisk | None = None
    host_seen_at: datetime | None = None
    waits_for_memory: bool = False
    was_low: bool = False

    @classmethod
    def of(cls, workflow: Workflow) -> "SchedulerState":
        """Return the state before anything was read but the workflow."""
        return cls(workflow, workflow.settings.state_table())

    @property
    def draining(self) -> bool:
        """Say whether no new attempt may begin because the daemon is stopping."""
        return self.drain_deadline is not None

    @property
    def room(self) -> Room:
        """What the host's memory has left, counted anew at each call."""
        return Room.of(self.workflow.settings, self.host_memory, self.records.values())

    @property
    def disk_room(self) -> DiskRoom:
        """How the fullest disk stands against what must stay free."""
        return DiskRoom.of(self.workflow.settings.retention, self.host_disk, was_low=self.was_low)

    def record(self, issue_id: str) -> IssueRecord:
        """Return what is remembered of an issue, or a blank record."""
        return self.records.get(issue_id) or IssueRecord(issue_id)

    def account(self, issue_id: str) -> tuple[Spending, ...]:
        """Return what the issue's attempts have spent, the living one included, and its ceilings."""
        record = self.record(issue_id)
        return account(record.spent, Ceilings.of(self.workflow.settings.agent.budget), record.budget)

    def with_issues(self, issues: IssueSet) -> "SchedulerState":
        """Return the state after the tracker was read."""
        if issues is self.issues:
            return self
        found = issues.issues.values()
        counts = Counter(issue.state for issue in found)
        return replace(self, issues=issues, in_state=counts, candidates=in_dispatch_order(found, self.states))

    def with_workflow(self, workflow: Workflow) -> "SchedulerState":
        """Return the state after a valid edit of the workflow."""
        states = workflow.settings.state_table()
        candidates = in_dispatch_order(self.issues.issues.values(), states)
        return replace(self, workflow=workflow, states=states, candidates=candidates, workflow_problems=())
