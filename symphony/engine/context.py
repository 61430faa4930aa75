"""What all parts of one attempt share: its values, its surroundings, and how it opens a sandbox."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from symphony.core.effect import StartAttempt, StartDelivery
from symphony.core.guard.finding import Finding
from symphony.core.issue import Issue
from symphony.core.journal import Action
from symphony.core.machine import GuestNeeds
from symphony.core.ports import Checkouts, HookResult, RunLog, Sandbox, SandboxSpec, Workspace
from symphony.core.session_servers import with_servers
from symphony.core.settings import Settings
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow
from symphony.engine.access import watch_access
from symphony.engine.control import Control
from symphony.engine.environment import Ending, attempt_environment
from symphony.engine.journal import Journal
from symphony.engine.mailbox import Mailbox
from symphony.engine.ports import Ports
from symphony.engine.progress import Progress
from symphony.engine.tracking import Tracking


@dataclass(frozen=True)
class AttemptContext:
    """One attempt's context; it keeps the settings that it started with.

    Attributes:
        workflow: with the settings as they hold for the issue's state.
        spent_before: by earlier attempts on the issue.
    """

    start: StartAttempt | StartDelivery
    control: Control
    spent_before: Usage
    ports: Ports
    mailbox: Mailbox
    tracking: Tracking
    workflow: Workflow
    progress: Progress
    journal: Journal

    @property
    def released(self) -> str:
        """Name the held work that a person lets out; empty for none."""
        return self.start.released if isinstance(self.start, StartDelivery) else ""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Return what the guard rails found on the issue, in this attempt and in earlier ones."""
        return tuple(dict.fromkeys((*self.start.findings, *self.progress.findings)))

    @classmethod
    def of(
        cls,
        start: StartAttempt | StartDelivery,
        control: Control,
        spent_before: Usage,
        *,
        ports: Ports,
        mailbox: Mailbox,
        tracking: Tracking,
        run_log: RunLog,
    ) -> "AttemptContext":
        """Return the context of an attempt that begins now."""
        settings, issue = start.workflow.settings, control.issue
        return cls(
            start,
            control,
            spent_before,
            ports,
            mailbox,
            tracking,
            replace(start.workflow, settings=settings.in_state(issue.state) if issue else settings),
            Progress(
                issue_id_of(start),
                start.attempt_id,
                ports.clock,
                mailbox,
                run_log,
                ports.meter,
                spending=control.spending,
            ),
            Journal(ports.store, ports.clock, issue_id_of(start), start.attempt_id),
        )

    @property
    def issue_id(self) -> str:
        """The issue that the attempt is for."""
        return issue_id_of(self.start)

    @property
    def settings(self) -> Settings:
        """The settings that the attempt started with."""
        return self.workflow.settings

    @property
    def rides(self) -> bool:
        """Say whether finished work boards the merge train."""
        return self.settings.merge_train.branch is not None

    @property
    def tracked_issue(self) -> Issue | None:
        """The issue as the tracker has it now; None when it is gone or cannot be read."""
        return self.tracking.latest.get(self.issue_id)

    def environment(
        self, issue: Issue, workspace: Workspace | None = None, ending: Ending | None = None
    ) -> Mapping[str, str]:
        """Return the variables that hooks and agents see."""
        return attempt_environment(issue, self.start.number, self.workflow, workspace, ending)

    @asynccontextmanager
    async def open_checkouts(self, workspace: Workspace) -> AsyncIterator[Checkouts | None]:
        """Hold a place for the checkouts that checks run in; None where nothing is ever checked out.

        Raises:
            WorkspaceError: on entering, `workspace.*`.
        """
        if not self.settings.checks and not self.rides:
            yield None
            return
        async with self.ports.workspaces.open_checkouts(workspace) as checkouts:
            yield checkouts

    @asynccontextmanager
    async def open_sandbox(
        self, workspace: Workspace, mcp_socket: Path | None = None, checkouts: Checkouts | None = None
    ) -> AsyncIterator[Sandbox]:
        """Open a sandbox on the workspace, with the attempt's tools and checkouts shown in its guest.

        Raises:
            SymphonyError: on entering: what the agent needs of a machine cannot be given to it, or
                there is no machine.
        """
        settings = self.settings
        driver = self.ports.driver_of(settings.sandbox)
        labels = {**self.ports.labels, "issue": self.issue_id, "attempt": self.start.attempt_id}
        # an agent that lost its .git must not find the user's repository around the workspace
        environment = {"GIT_CEILING_DIRECTORIES": str(workspace.path.parent)}
        if (issue := self.control.issue) is not None:
            environment |= self.environment(issue, workspace)
        needs = GuestNeeds()
        if driver.has_machines:
            needs = await self.ports.agents.guest_needs(settings.acp, settings.smolvm)
            needs = with_servers(needs, settings)
        spec = SandboxSpec(
            workspace.path,
            {**needs.environment, **environment},
            labels,
            smolvm=settings.smolvm,
            needs=needs,
            allowed_hosts=tuple(self.control.access.allowed),
            mcp_socket=mcp_socket,
            checkouts=None if checkouts is None else checkouts.folder,
        )
        began = self.ports.clock.now()
        async with AsyncExitStack() as stack:
            async with self.journal.step(Action.START_SANDBOX, sandbox=settings.sandbox) as result:
                sandbox = await stack.enter_async_context(driver.open_sandbox(spec))
                result["place"] = sandbox.place
            if sandbox.machine is not None:
                self.ports.meter.machine_booted(self.start.attempt_id, self.ports.clock.now() - began)
            yield sandbox

    def watch_access(self, sandbox: Sandbox) -> AbstractAsyncContextManager[None]:
        """Watch what the sandbox's machine refuses while the block runs."""
        return watch_access(
            self.issue_id,
            self.start.attempt_id,
            sandbox,
            self.control.access,
            clock=self.ports.clock,
            mailbox=self.mailbox,
            run_log=self.progress.run_log,
            log=self.ports.log,
        )

    def log_hook(self, result: HookResult) -> None:
        """Write how a hook or a check ended into the run log."""
        self.progress.run_log.append(
            "hook", name=result.name, status=result.exit_status, seconds=result.seconds, output=result.output
        )


def issue_id_of(start: StartAttempt | StartDelivery) -> str:
    """Return the issue that an attempt is for."""
    return start.issue.id if isinstance(start, StartAttempt) else start.completion.issue_id
