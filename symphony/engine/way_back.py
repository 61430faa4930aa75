"""The daemon's eye on open pull requests: what is said there goes back to the issue [CONTRACT 9.5].

One task beside the scheduler, off by default. It looks at one pull request after the other in a rhythm, and
acts only by what a person could ask for: work is sent back, a file is moved, a workspace is discarded. The
words that go back are in the journal before anything happens, and what they told is stored with them, so
that a kill neither loses nor repeats any.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from symphony.core.decide.ending import running_attempt
from symphony.core.effect import Audit
from symphony.core.errors import SymphonyError
from symphony.core.forge import PullRequestState
from symphony.core.issue import Issue
from symphony.core.ports import Changes
from symphony.core.problem import Problem
from symphony.core.settings import Settings
from symphony.core.states import StateRole, StateTable, state_key
from symphony.core.stored import Delivery
from symphony.core.text import one_line
from symphony.core.way_back import (
    Ended,
    Nothing,
    Page,
    SendBack,
    Spent,
    decide_way_back,
    is_of_pull_request,
    parse_page,
    tells_of_conflict,
    told_of,
)
from symphony.engine.operations import EngineOperations
from symphony.engine.orchestrator import Orchestrator

READY_LOOK: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(hours=1)  # between two looks at what does not answer
MOST_LOOKS: Final = 5  # at news that keep growing, before they go back all the same
MOST_DOUBLINGS: Final = 20  # of the wait, which has long been the longest by then
AUDIT_LOOKED_AT: Final = 50
DECISION: Final = "pull_request"
CLOSED: Final = "closed"
# what one request has met the next one meets as well, whatever it is about
OF_THE_HOST: Final = frozenset(
    {
        "forge.unreachable",
        "forge.timeout",
        "forge.rate_limited",
        "forge.not_logged_in",
        "forge.program_missing",
    }
)


class Conflicts(Protocol):
    """Finds the files of a pushed branch that do not merge."""

    async def of(self, issue_id: str, base: str, head: str, settings: Settings) -> tuple[str, ...]:
        """Return their names; nothing when they cannot be found."""
        ...


@dataclass(frozen=True, slots=True)
class Proposed:
    """An issue whose latest handoff is a pull request."""

    issue: Issue
    delivery: Delivery
    url: str
    page: Page


@dataclass(frozen=True, slots=True)
class News:
    """What is new of a pull request, and how many looks have found something new."""

    about: str
    looks: int = 1


class PullRequestWatch:
    """Looks at the pull requests of one daemon."""

    def __init__(
        self, orchestrator: Orchestrator, operations: EngineOperations, conflicts: Conflicts
    ) -> None:
        """Watch what this scheduler's issues have become."""
        self._orchestrator = orchestrator
        self._operations = operations
        self._conflicts = conflicts
        self._ports = orchestrator.ports
        self._not_proposed: dict[str, str] = {}
        self._known: set[str] = set()
        self._ended: set[str] = set()
        self._news: dict[str, News] = {}
        self._unfinished: dict[str, SendBack] = {}
        self._failures: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}
        self._problems: dict[str, Problem] = {}

    def problems(self) -> tuple[Problem, ...]:
        """Return what a person has to do about pull requests."""
        return tuple(sorted(self._problems.values(), key=str))

    async def run(self) -> None:
        """Look in the rhythm of `pull_requests.interval_ms`, until cancelled; what fails is logged."""
        while not self._orchestrator.scanned:
            await self._sleep(READY_LOOK)
        while True:
            await self.look()
            await self._sleep(self._interval)

    async def look(self) -> None:
        """Look once at each pull request that is open and due."""
        before = self.problems()
        if not self._settings.pull_requests.watch:
            self._problems.clear()
        else:
            for issue_id in sorted(self._orchestrator.state.records):
                await self._look_at(issue_id)
        if self.problems() != before:
            self._orchestrator.tell_listeners()

    async def _look_at(self, issue_id: str) -> None:
        if self._rests(issue_id):
            return
        host = where = issue_id
        try:
            proposed = await self._find(issue_id)
            if proposed is None:
                self._problems.pop(issue_id, None)
                return
            host, where = f"https://{proposed.page.repo.host}", proposed.url
            if self._rests(host):
                return
            problem = await self._follow(proposed)
        except SymphonyError as error:
            self._put_off(host if error.code in OF_THE_HOST else issue_id, where, error)
            return
        for key in (issue_id, host):
            self._failures.pop(key, None)
            self._not_before.pop(key, None)
            self._problems.pop(key, None)
        if problem is not None:
            self._problems[issue_id] = problem

    def _rests(self, key: str) -> bool:
        """Say whether an issue, or a forge, is not asked again yet."""
        not_before = self._not_before.get(key)
        return not_before is not None and self._ports.clock.now() < not_before

    def _put_off(self, key: str, where: str, error: SymphonyError) -> None:
        """Ask later, and later each time, and let a person know."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        wait = min(self._interval * 2 ** min(failures, MOST_DOUBLINGS), LONGEST_WAIT)
        self._not_before[key] = self._ports.clock.now() + wait
        self._problems[key] = Problem(error.code, where, str(error))
        self._ports.log.warning("pull_requests.look_failed", where=where, code=error.code, reason=str(error))

    async def _find(self, issue_id: str) -> Proposed | None:
        """Return the issue if it rests with an open pull request, or was sent back by it."""
        state = self._orchestrator.state
        issue, record = state.issues.get(issue_id), state.record(issue_id)
        if issue is None or record.completion is not None or not record.last_handoff:
            return None
        if self._not_proposed.get(issue_id) == record.last_handoff:
            return None
        delivery = await self._ports.store.handoff_of(issue_id)
        url = (delivery.handoff.url or "") if delivery is not None else ""
        page = parse_page(url)
        if delivery is None or page is None:
            self._not_proposed[issue_id] = record.last_handoff
            return None
        if url not in self._known:
            await self._remember(issue_id, url)
        return None if url in self._ended else Proposed(issue, delivery, url, page)

    async def _remember(self, issue_id: str, url: str) -> None:
        """Know whether an earlier run has seen the end of a pull request."""
        audit = await self._ports.store.audit_of(issue_id, AUDIT_LOOKED_AT)
        if any(entry.decision == DECISION and entry.reason.startswith(f"{url} is ") for entry in audit):
            self._ended.add(url)
        self._known.add(url)

    async def _follow(self, proposed: Proposed) -> Problem | None:
        """Look at one pull request and act on it; return what a person has to know."""
        issue_id, url = proposed.issue.id, proposed.url
        steering = await self._ports.store.steering_of(issue_id)
        of_this = [request for request in steering if request.attempt_id == proposed.delivery.attempt_id]
        rests = self._states.is_terminal(proposed.issue.state)
        if not rests and not any(map(is_of_pull_request, of_this)):
            return None  # a person has more work for it
        if rests and issue_id in self._unfinished:
            await self._send_back(issue_id, self._unfinished[issue_id])
            return None
        told, settings = told_of(steering, url), self._settings
        feedback = await self._ports.forge_of(proposed.page.kind).feedback(
            proposed.page.repo, proposed.page.number
        )
        if rests and tells_of_conflict(feedback, told, settings.pull_requests):
            head = proposed.delivery.handoff.head_commit or ""
            files = await self._conflicts.of(issue_id, feedback.base, head, settings)
            feedback = replace(feedback, conflicts=files)
        match decide_way_back(feedback, told, settings.pull_requests):
            case Ended(ending):
                await self._end(proposed, ending)
            case SendBack() as back if rests:
                if self._is_settled(issue_id, back):
                    await self._send_back(issue_id, back)
            case Spent(times) if rests:
                return _spent(issue_id, url, times)
            case Nothing() | SendBack() | Spent():
                self._news.pop(issue_id, None)
        return None

    def _is_settled(self, issue_id: str, back: SendBack) -> bool:
        """Say whether nothing was added since the last look, or too much for too long."""
        before = self._news.get(issue_id)
        if before is not None and (before.about == back.about or before.looks >= MOST_LOOKS):
            del self._news[issue_id]
            return True
        self._news[issue_id] = News(back.about, 1 if before is None else before.looks + 1)
        return False

    async def _send_back(self, issue_id: str, back: SendBack) -> None:
        if running_attempt(self._orchestrator.state.record(issue_id)) is not None:
            return
        self._unfinished[issue_id] = back  # the words may be stored, and the file not moved
        await self._operations.reject(issue_id, back.words, None, back.about)
        del self._unfinished[issue_id]
        self._ports.log.info("pull_requests.sent_back", issue=issue_id, about=one_line(back.about, 500))

    async def _end(self, proposed: Proposed, ending: PullRequestState) -> None:
        """Let the issue rest, free its workspace, and remember that; each look does one step.

        A run is cancelled before the file is moved: work that a move ends is handed over, and would be
        another pull request.
        """
        issue_id = proposed.issue.id
        if running_attempt(self._orchestrator.state.record(issue_id)) is not None:
            await self._operations.cancel(issue_id)
            return
        if not self._states.is_terminal(proposed.issue.state):
            await self._operations.move(issue_id, self._state_after(ending))
            return
        self._unfinished.pop(issue_id, None)
        if await self._ports.workspaces.find(issue_id, self._settings) is not None:
            await self._operations.discard(issue_id)
        now, said = self._ports.clock.now(), f"{proposed.url} is {ending.value}"
        await self._ports.store.apply(Changes(audit=(Audit(now, issue_id, DECISION, said),)))
        self._ended.add(proposed.url)
        self._ports.log.info("pull_requests.ended", issue=issue_id, url=proposed.url, state=ending.value)

    def _state_after(self, ending: PullRequestState) -> str:
        terminal = self._states.with_role(StateRole.TERMINAL)
        closed = next((name for name in terminal if state_key(name) == CLOSED), self._states.done())
        return self._states.done() if ending is PullRequestState.MERGED else closed

    @property
    def _settings(self) -> Settings:
        return self._orchestrator.state.workflow.settings

    @property
    def _states(self) -> StateTable:
        return self._orchestrator.state.states

    @property
    def _interval(self) -> timedelta:
        return timedelta(milliseconds=self._settings.pull_requests.interval_ms)

    async def _sleep(self, time: timedelta) -> None:
        await self._ports.clock.sleep_until(self._ports.clock.now() + time)


def _spent(issue_id: str, url: str, times: int) -> Problem:
    return Problem(
        "pull_requests.max_reopenings",
        url,
        f"Something new is said there, and it has sent its issue back {times} times already: answer it"
        f" yourself, `symphony reject {one_line(issue_id)} TEXT`, or raise pull_requests.max_reopenings.",
        issue_id,
    )
