"""What became of a person's word about a host, in sentences; the same with and without a daemon."""

from dataclasses import dataclass
from enum import StrEnum

from symphony.core.access import AccessDecision


class MachineAnswer(StrEnum):
    """What the issue's machine did about it."""

    DONE = "done"
    """It follows the decision now."""
    STARTING = "starting"
    """It is being made, and follows when it is up."""
    NONE = "none"
    """None runs."""
    UNCLOSED = "unclosed"
    """The attempt's sandbox has no machine and closes nothing."""
    FAILED = "failed"
    """It could not."""
    SILENT = "silent"
    """It has not answered yet."""


@dataclass(frozen=True, slots=True)
class AccessAnswer:
    """A decision that was taken.

    Attributes:
        asked: whether the guest had ever tried the host.
        repeated: whether the same had been decided before.
        failure: why the machine could not, with FAILED.
        workflow: the name of the workflow file, to which `written` says whether the host was added.
        opened_by_settings: whether the workflow's own list has the host.
    """

    issue_id: str
    host: str
    decision: AccessDecision
    machine: MachineAnswer = MachineAnswer.NONE
    asked: bool = True
    repeated: bool = False
    failure: str = ""
    workflow: str = "WORKFLOW.md"
    written: bool = False
    opened_by_settings: bool = False

    def sentences(self) -> tuple[str, ...]:
        """Return what a person is told, the outcome first."""
        said = (self._outcome(), self._before(), self._machine(), self._settings())
        return tuple(sentence for sentence in said if sentence)

    def _outcome(self) -> str:
        match self.decision:
            case AccessDecision.ONCE:
                return f"Issue {self.issue_id} may reach {self.host} as long as its machine runs."
            case AccessDecision.ISSUE:
                return f"Issue {self.issue_id} may reach {self.host} in all its attempts."
            case AccessDecision.WORKFLOW if self.written:
                return f"Every issue may reach {self.host}: {self.workflow} says so now."
            case AccessDecision.WORKFLOW:
                return f"Every issue may reach {self.host}: {self.workflow} said so already."
            case AccessDecision.DENY:
                return f"Issue {self.issue_id} may not reach {self.host}; you are not asked again."

    def _before(self) -> str:
        if self.repeated:
            return "That was decided before."
        return "" if self.asked else "It had not asked for it."

    def _machine(self) -> str:
        denied = self.decision is AccessDecision.DENY
        match self.machine:
            case MachineAnswer.DONE:
                return (
                    "The running machine is cut off from it."
                    if denied
                    else "The running machine can reach it now."
                )
            case MachineAnswer.STARTING:
                return "Its machine is starting and follows when it is up."
            case MachineAnswer.NONE:
                return "" if denied else "No machine runs for it now; its next attempt can reach it."
            case MachineAnswer.UNCLOSED:
                return "Its sandbox has no machine of its own and closes nothing."
            case MachineAnswer.FAILED:
                what = "be cut off from it" if denied else "open it"
                return f"The running machine could not {what}: {self.failure}"
            case MachineAnswer.SILENT:
                return f"The machine has not answered yet; `symphony show {self.issue_id}` says how it went."

    def _settings(self) -> str:
        if self.decision is not AccessDecision.DENY or not self.opened_by_settings:
            return ""
        return (
            f"smolvm.egress.allow of {self.workflow} opens it again for the next attempt; take it out there."
        )
