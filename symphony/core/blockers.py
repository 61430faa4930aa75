"""What an issue waits for when others block it: the chain down to its cause, or the cycle in it."""

from collections.abc import Iterator

from symphony.core.issue import Issue
from symphony.core.scheduler import SchedulerState


def unfinished(state: SchedulerState, issue: Issue) -> tuple[str, ...]:
    """Return the ids that still block the issue, an unknown one included, in the file's order."""
    return tuple(blocker for blocker in dict.fromkeys(issue.blocked_by) if _blocks(state, blocker))


def chain_of(state: SchedulerState, issue: Issue) -> tuple[str, ...]:
    """Return the first blocker, its own first blocker and so on; the last is blocked by nothing more.

    In a cycle it ends before an id comes again.
    """
    chain: dict[str, None] = {issue.id: None}
    link = _next(state, issue)
    while link is not None and link not in chain:
        chain[link] = None
        known = state.issues.get(link)
        link = None if known is None else _next(state, known)
    return tuple(chain)[1:]


def cycle_of(state: SchedulerState, issue: Issue) -> tuple[str, ...]:
    """Return ids that block one another, the first again as the last, if the issue waits for such; or ()."""
    path: list[str] = [issue.id]
    ahead: list[Iterator[str]] = [iter(unfinished(state, issue))]
    seen: set[str] = {issue.id}
    while ahead:
        link = next(ahead[-1], None)
        if link is None:
            ahead.pop()
            path.pop()
        elif link in path:
            return (*path[path.index(link) :], link)
        elif link not in seen:
            seen.add(link)
            known = state.issues.get(link)
            path.append(link)
            ahead.append(iter(() if known is None else unfinished(state, known)))
    return ()


def _next(state: SchedulerState, issue: Issue) -> str | None:
    return next(iter(unfinished(state, issue)), None)


def _blocks(state: SchedulerState, issue_id: str) -> bool:
    blocker = state.issues.get(issue_id)
    return blocker is None or not state.states.is_terminal(blocker.state)
