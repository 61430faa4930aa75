"""What the engine needs of the rooms below it, as Protocols with values only.

Each port has one contract suite in `tests/contract` that every driver of it passes.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from symphony.core.agent import AgentEvent, SessionSpec, TurnEnd
from symphony.core.claim import IssueRecord
from symphony.core.effect import Audit
from symphony.core.handoff import Completion, Handoff, Imported
from symphony.core.issue import Issue, IssueDraft, IssueSet
from symphony.core.outcome import Outcome
from symphony.core.problem import Problem
from symphony.core.settings import Settings
from symphony.core.steering import SteeringRequest
from symphony.core.usage import Usage
from symphony.core.workflow import Workflow


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the time, aware UTC; within one process it never goes back."""
        ...

    async def sleep_until(self, due: datetime) -> None:
        """Return at or after `due`."""
        ...


class Tracker(Protocol):
    """Issues as files [CONTRACT 3]."""

    async def scan(self) -> IssueSet:
        """Look at every file, re-read the changed ones, and return what there is now."""
        ...

    async def refresh(self, paths: Collection[Path]) -> IssueSet:
        """Look only at these files or folders, as a watcher names them."""
        ...

    async def create(self, draft: IssueDraft, *, extra: Mapping[str, Any] | None = None) -> Issue:
        """Write a new issue file; `extra` are further keys of its front matter.

        Raises:
            TrackerError: `invalid_id`, `id_taken`, `unknown_state`, `invalid_title`, `issue_too_large`,
                `tracker_root_missing`, `tracker_busy`, `tracker_write_failed`.
        """
        ...

    async def move(self, issue_id: str, to_state: str, *, note: str | None = None) -> Issue:
        """Rename the issue's file into another state's folder, a note added first.

        Raises:
            TrackerError: `issue_not_found`, `issue_ambiguous`, `issue_unreadable`, `target_exists`,
                `unknown_state`, `tracker_busy`, `tracker_write_failed`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder in which an agent works on one issue.

    Attributes:
        key: the folder's name under `workspace.root`.
        path: the folder on the host.
        branch: the branch that is checked out in it.
        base, base_commit: what the branch started from.
        created: whether this call made it.
    """

    issue_id: str
    key: str
    path: Path
    branch: str
    base: str
    base_commit: str
    created: bool = False


@dataclass(frozen=True, slots=True)
class HookResult:
    """How a hook or a check ended.

    Attributes:
        exit_status: None when it was killed at its timeout.
        output: stdout and stderr together, at most 64 KiB, the end kept.
    """

    name: str
    exit_status: int | None
    output: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Say whether it ended with status 0."""
        return self.exit_status == 0


class Workspaces(Protocol):
    """Per-issue git workspaces and what is handed over from them [CONTRACT 8, 9].

    Everything that runs git for the host works in the repository that only the host writes.
    """

    async def prepare(self, issue: Issue, settings: Settings, environment: Mapping[str, str]) -> Workspace:
        """Return the issue's workspace, made if it is not there; runs `after_create` when made.

        Raises:
            WorkspaceError: `workspace.*`, with the remedy.
        """
        ...

    async def find(self, issue_id: str, settings: Settings) -> Workspace | None:
        """Return the issue's workspace if it exists, without making or changing anything."""
        ...

    async def run_hook(
        self, name: str, script: str, cwd: Path, environment: Mapping[str, str], timeout_ms: int
    ) -> HookResult:
        """Run one hook to its end or its timeout; never raises for what the script does."""
        ...

    async def fingerprint(self, workspace: Workspace) -> str:
        """Return a value that changes when any commit or file in the workspace does."""
        ...

    async def collect(self, workspace: Workspace, sandbox: "Sandbox | None") -> Imported:
        """Bring branch and uncommitted work into the host's repository, as from a stranger.

        Raises:
            WorkspaceError: `workspace.import_failed` and others; the workspace is untouched then.
        """
        ...

    async def hand_off(
        self, workspace: Workspace, imported: Imported, completion: Completion, settings: Settings
    ) -> Handoff:
        """Write the patch; repeating it gives the same result.

        Raises:
            WorkspaceError: `handoff.*`.
        """
        ...

    def delivered_clone(self, imported: Imported) -> AbstractAsyncContextManager[Path]:
        """Return a context that holds a checkout of the delivered branch made by the host."""
        ...

    async def remove(self, workspace: Workspace, settings: Settings, environment: Mapping[str, str]) -> None:
        """Run `before_remove` and delete the workspace; call only when its work is delivered."""
        ...


class Process(Protocol):
    """A program in a sandbox with three byte pipes."""

    async def write(self, data: bytes) -> None:
        """Write to its stdin, waiting while the pipe is full.

        Raises:
            ProcessGone: it has closed its stdin or ended.
        """
        ...

    async def close_stdin(self) -> None:
        """Close its stdin; repeating it does nothing."""
        ...

    async def read_stdout(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        ...

    async def read_stderr(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any; empty at the end."""
        ...

    async def wait(self) -> int:
        """Return the exit status; negative is the signal that ended it."""
        ...

    async def kill(self) -> None:
        """End it and all that it started; return when it is gone or after a bounded wait.

        It gives the pipes back, so it is awaited also after a program ended by itself.
        """
        ...


@dataclass(frozen=True, slots=True)
class RunResult:
    """A command that ran to its end in a sandbox.

    Attributes:
        exit_status: None when it was killed at the timeout.
        stdout, stderr: each at most the limit that was asked for, the end kept.
    """

    exit_status: int | None
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """What an attempt wants of its sandbox.

    Attributes:
        folder: the workspace; the guest sees it at the same path.
        environment: of every process in it, nothing else is inherited but what the driver
            needs to start a program (PATH, HOME and the like).
        labels: issue, attempt and installation, for finding what a dead run left behind.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


class Sandbox(Protocol):
    """An open place in which programs of one attempt run."""

    @property
    def kind(self) -> str:
        """The driver's name."""
        ...

    async def start(
        self, argv: Sequence[str], *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
    ) -> Process:
        """Start a program, by default in the spec's folder.

        Raises:
            SandboxError: `sandbox.program_not_found`, `sandbox.start_failed`.
        """
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
        timeout_s: float,
        output_limit: int = 65_536,
    ) -> RunResult:
        """Run a program to its end, killed with all that it started at the timeout."""
        ...


class SandboxDriver(Protocol):
    """A way to make sandboxes."""

    @property
    def kind(self) -> str:
        """The name in the settings."""
        ...

    @property
    def isolation(self) -> str:
        """One sentence for people: what it keeps apart; says so when it keeps nothing apart."""
        ...

    def open_sandbox(self, spec: SandboxSpec) -> AbstractAsyncContextManager[Sandbox]:
        """Open a sandbox; leaving the context ends every process in it.

        Raises:
            SandboxError: on entering, `sandbox.*` with the remedy.
        """
        ...

    async def reap(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        """End what dead runs with these labels left behind; return a word for each."""
        ...


class Session(Protocol):
    """An open ACP session."""

    @property
    def id(self) -> str:
        """The agent's name for it."""
        ...

    async def prompt(self, text: str) -> TurnEnd:
        """Run one turn to its end.

        Raises:
            AgentError: `agent.*`: exited, closed, timed out, frame too large, and the like.
        Cancellation: the agent is told to cancel and given a bounded time for it.
        """
        ...

    async def cancel(self) -> None:
        """Ask the agent to end the running turn; `prompt` then returns or raises in bounded time."""
        ...


class Agents(Protocol):
    """The registry of adapters."""

    def open_session(
        self, spec: SessionSpec, sandbox: Sandbox, on_event: Callable[[AgentEvent], None]
    ) -> AbstractAsyncContextManager[Session]:
        """Start the adapter's program in the sandbox and open a session.

        Raises:
            AgentError: on entering, `agent.*` with stderr's tail.
        """
        ...


class AgentReports(Protocol):
    """What one dispatch's agent may say to symphony; the engine implements it.

    Each answer is the text that the agent reads; a refusal raises.

    Raises:
        ReportRefused: with the sentence that the agent reads as a tool error.
    """

    async def connected(self, client: str) -> None:
        """Note that the agent's MCP client has listed the tools."""
        ...

    async def mark_done(self, title: str, summary: str) -> str:
        """Accept the agent's word once, durably; a repeat answers the same."""
        ...

    async def request_human_steering(self, question: str, context: str | None) -> str:
        """Store a question, durably."""
        ...

    async def propose_issue(
        self, title: str, description: str | None, labels: Sequence[str], priority: int | None
    ) -> str:
        """Write an issue into the first holding state."""
        ...


@dataclass(frozen=True, slots=True)
class McpAccess:
    """How one dispatch's agent reaches its tools.

    Attributes:
        url: the endpoint for this issue.
        token: the bearer token of this dispatch; a secret.
    """

    url: str
    token: str = field(repr=False)


class McpGate(Protocol):
    """Opens the MCP endpoint for one dispatch at a time [CONTRACT 6]."""

    def admit(self, issue_id: str, reports: AgentReports) -> AbstractAsyncContextManager[McpAccess]:
        """Mint a token that is good until the context is left."""
        ...


class RunLog(Protocol):
    """The per-issue log of everything that happened, one JSON object a line."""

    def append(self, kind: str, **fields: Any) -> None:
        """Add a line; never raises and never blocks on the disk."""
        ...


class RunLogs(Protocol):
    """Opens run logs."""

    def open_run_log(
        self, issue_id: str, attempt_id: str, secrets: Collection[str]
    ) -> AbstractAsyncContextManager[RunLog]:
        """Open an issue's run log for an attempt; the secrets never reach the file."""
        ...


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt, as the store keeps it."""

    id: str
    issue_id: str
    number: int
    adapter: str
    sandbox: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    message: str = ""
    turns: int = 0
    session_id: str | None = None
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Intent:
    """An effect with a consequence outside the process, begun and perhaps not ended."""

    id: int
    at: datetime
    issue_id: str
    attempt_id: str
    action: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a start finds in the store.

    Attributes:
        records: by issue id; a record that was running has no claim here, but its attempt is
            in `interrupted`.
        open_intents: effects of the dead run without a result.
        interrupted: attempts of the dead run.
        steering: for each issue the latest request that is open or whose reply no attempt has had.
        paused: whether everything is paused.
        adapter_pauses: adapter to the time until which it rests.
    """

    records: Mapping[str, IssueRecord] = field(default_factory=dict)
    open_intents: tuple[Intent, ...] = ()
    interrupted: tuple[AttemptRow, ...] = ()
    steering: Mapping[str, SteeringRequest] = field(default_factory=dict)
    paused: bool = False
    adapter_pauses: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one decision changes in the store, written in one transaction."""

    records: tuple[IssueRecord, ...] = ()
    audit: tuple[Audit, ...] = ()
    paused: bool | None = None
    adapter_pauses: Mapping[str, datetime] | None = None


class Store(Protocol):
    """Durable memory; every method returns only when its change would survive power loss."""

    async def load(self) -> Memory:
        """Return what the last run left."""
        ...

    async def apply(self, changes: Changes) -> None:
        """Write one decision; a record's completion is not part of it, `accept_completion` has it."""
        ...

    async def attempt_started(self, row: AttemptRow) -> None:
        """Insert an attempt."""
        ...

    async def attempt_ended(
        self, attempt_id: str, at: datetime, outcome: Outcome, turns: int, usage: Usage
    ) -> None:
        """Record how an attempt ended."""
        ...

    async def session_opened(self, attempt_id: str, session_id: str) -> None:
        """Record the agent's name for the session."""
        ...

    async def intend(
        self, at: datetime, issue_id: str, attempt_id: str, action: str, detail: Mapping[str, Any]
    ) -> int:
        """Record that an effect is about to happen; return the intent's id."""
        ...

    async def fulfil(self, intent_id: int, at: datetime, result: str, detail: Mapping[str, Any]) -> None:
        """Record how the effect ended: `done`, `failed` or `undone`."""
        ...

    async def accept_completion(self, completion: Completion) -> Completion:
        """Store an accepted `mark_done` once; return the one that is stored for this attempt.

        Raises:
            StoreError: `completion_open` when another attempt's is not handed over yet.
        """
        ...

    async def withdraw_completion(self, issue_id: str, attempt_id: str) -> None:
        """Forget a completion whose checks failed."""
        ...

    async def complete_handoff(self, completion: Completion, handoff: Handoff, at: datetime) -> None:
        """Record that the completion was handed over."""
        ...

    async def ask(self, steering: SteeringRequest) -> None:
        """Store a question.

        Raises:
            StoreError: `steering_open` when the issue has an open one.
        """
        ...

    async def reply(self, issue_id: str, reply: str, at: datetime) -> SteeringRequest:
        """Answer the issue's open question.

        Raises:
            StoreError: `no_open_question`; `already_answered`.
        """
        ...

    async def reply_used(self, steering_id: str, at: datetime) -> None:
        """Record that an attempt has had the reply."""
        ...

    async def steering_of(self, issue_id: str) -> tuple[SteeringRequest, ...]:
        """Return the issue's questions, oldest first."""
        ...

    async def open_steering(self) -> tuple[SteeringRequest, ...]:
        """Return all open questions, oldest first."""
        ...

    async def attempts_of(self, issue_id: str) -> tuple[AttemptRow, ...]:
        """Return the issue's attempts, oldest first."""
        ...

    async def totals(self) -> Usage:
        """Return the usage of all attempts that have ended."""
        ...

    async def installation_id(self) -> str:
        """Return the name of this installation, made once and kept."""
        ...

    async def audit_of(self, issue_id: str, limit: int = 50) -> tuple[Audit, ...]:
        """Return the latest decisions on an issue, newest first."""
        ...


class Prompts(Protocol):
    """The texts that an agent is given [CONTRACT 2.5, 5.3]."""

    def first(
        self, workflow: Workflow, issue: Issue, number: int, workspace: Workspace, earlier: "Earlier"
    ) -> str:
        """Render the workflow's prompt, with what is known of earlier attempts after it.

        Raises:
            WorkflowError: `template_parse_error`, `template_render_error`.
        """
        ...

    def continuation(self, issue: Issue, turn: int, max_turns: int, *, edited: bool) -> str:
        """Return short guidance for a later turn; the whole issue again when it was edited."""
        ...

    def reply(self, steering: SteeringRequest) -> str:
        """Return the turn that carries a person's answer, with question and context."""
        ...

    def checks_failed(self, results: Sequence[HookResult]) -> str:
        """Return the turn that tells the agent which checks failed after `mark_done`, and how."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a new attempt is told of the ones before it.

    Attributes:
        attempts: ended attempts, oldest first.
        steering: questions with their replies, oldest first.
    """

    attempts: tuple[AttemptRow, ...] = ()
    steering: tuple[SteeringRequest, ...] = ()


class WorkflowSource(Protocol):
    """WORKFLOW.md as the engine sees it [CONTRACT 2.4]."""

    async def reload(self) -> "Reloaded | None":
        """Read the file if it changed since the last call; cheap when it did not."""
        ...


@dataclass(frozen=True, slots=True)
class Reloaded:
    """A changed WORKFLOW.md.

    Attributes:
        workflow: None when the edit cannot be used.
        problems: why not.
    """

    workflow: Workflow | None
    problems: tuple[Problem, ...] = ()
