"""A person's word about a host, from the text they typed to what the running machine did about it.

Called by `EngineOperations` alone; it changes nothing itself but WORKFLOW.md, through its source.
"""

from dataclasses import dataclass

from symphony.core.access import AccessDecision
from symphony.core.access_answer import AccessAnswer, MachineAnswer
from symphony.core.decide.access import no_machine
from symphony.core.decide.commands import known_issue
from symphony.core.decide.ending import running_attempt
from symphony.core.errors import SymphonyError
from symphony.core.event import AccessDecided, AccessFailed, Ticked
from symphony.core.hosts import parse_host
from symphony.engine.access import MachineWord
from symphony.engine.mailbox import MailboxClosed
from symphony.engine.orchestrator import Orchestrator


class MachineRefused(SymphonyError):
    """The running machine could not open a host, and nothing is left of the decision."""


@dataclass(frozen=True)
class AccessDesk:
    """Takes decisions about hosts."""

    orchestrator: Orchestrator

    async def decide(self, issue_id: str, text: str, decision: AccessDecision) -> AccessAnswer:
        """Carry a decision out, durably before this returns.

        Raises:
            SymphonyError: as of `core.operations.Operations`; nothing is left of the decision.
        """
        host = parse_host(text)
        state, mailbox = self.orchestrator.state, self.orchestrator.mailbox
        known_issue(state, issue_id)
        if mailbox.closed:
            raise MailboxClosed
        before = state.record(issue_id).access.find(host)
        missing = decision is AccessDecision.WORKFLOW and (
            await self.orchestrator.workflow_source.allow_host(host, write=False)
        )
        await mailbox.ask(AccessDecided(issue_id, host, decision))
        word = await self._machine(issue_id, host)
        if decision is not AccessDecision.DENY:
            self._raise_if_void(issue_id, host, decision, word)
        if missing:
            await self._write(issue_id, host)
        return AccessAnswer(
            issue_id,
            host,
            decision,
            word.answer,
            asked=before is not None and before.asked_at is not None,
            repeated=before is not None and before.decision is decision,
            failure=word.failure,
            workflow=state.workflow.path.name,
            written=missing,
            opened_by_settings=host in state.workflow.settings.smolvm.egress.allow,
        )

    async def _machine(self, issue_id: str, host: str) -> MachineWord:
        attempt = running_attempt(self.orchestrator.state.record(issue_id))
        control = self.orchestrator.supervisor.controls.get(attempt.attempt_id) if attempt else None
        if control is None:
            return MachineWord(MachineAnswer.NONE)
        return await control.access.answer(host, self.orchestrator.ports.clock)

    def _raise_if_void(self, issue_id: str, host: str, decision: AccessDecision, word: MachineWord) -> None:
        """Say so when the decision ended with the machine, or when the machine's failure undid it."""
        if word.answer is MachineAnswer.NONE and decision is AccessDecision.ONCE:
            raise no_machine(issue_id)
        request = self.orchestrator.state.record(issue_id).access.find(host)
        if word.answer is MachineAnswer.FAILED and (request is None or request.open):
            raise MachineRefused(
                f"Issue {issue_id} cannot reach {host}: {word.failure}",
                code=word.code,
                remedy="The decision is taken back.",
            )

    async def _write(self, issue_id: str, host: str) -> None:
        """Write the host down last: by now the machine has shown that its name can be resolved."""
        try:
            await self.orchestrator.workflow_source.allow_host(host)
        except SymphonyError as error:
            attempt = running_attempt(self.orchestrator.state.record(issue_id))
            if attempt is not None:
                failed = AccessFailed(issue_id, attempt.attempt_id, host, True, error.code, str(error))
                await self.orchestrator.mailbox.settle(failed)
            raise
        self.orchestrator.mailbox.offer(Ticked())  # the orchestrator reads the file before it decides
