"""What the listener needs of the daemon, in one value."""

from dataclasses import dataclass, field

from symphony.core.branch import Branches
from symphony.core.editing import Editing
from symphony.core.operations import AgentDoor, Operations
from symphony.core.retention import Sweeper
from symphony.core.train import TrainDesk
from symphony.core.workflow_report import WorkflowDesk
from symphony.web.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Surface:
    """The daemon as people and agents reach it over HTTP.

    Attributes:
        operations: commands of people and questions about what is.
        door: what agents call.
        editing: the issues' texts.
        workflow: what is in force, and why.
        branches: what agents have changed.
        disk: what lies on it, and what may go.
        train: how the merge train stands.
        metrics: the numbers of what was done, which the engine counts.
    """

    operations: Operations
    door: AgentDoor
    editing: Editing
    workflow: WorkflowDesk
    branches: Branches
    disk: Sweeper
    train: TrainDesk
    metrics: Metrics = field(default_factory=Metrics)
