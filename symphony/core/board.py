"""The board: one column for each state, one card for each issue shown, made from a picture.

The issues of a tracker may be many and change seldom, what is known of running ones changes often:
`shelve` looks at all of them once for each change of the tracker, and sorts the states that changed;
`board_of` looks at what is shown.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from symphony.core.issue import Issue, IssueSet
from symphony.core.order import dispatch_rank
from symphony.core.snapshot import BlockedView, Picture, RetryingView, RunningView, Snapshot, WaitingView
from symphony.core.states import StateRole, StateTable, state_key

SHOWN: Final = 40  # cards in a column; the rest is a page of its own
PAGE: Final = 100  # cards on such a page
QUICK: Final = 1_000  # first issues are found without sorting all, which would hold up other threads
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)

Standing: TypeAlias = RunningView | WaitingView | RetryingView | BlockedView


@dataclass(frozen=True, slots=True)
class Card:
    """One issue on the board.

    Attributes:
        standing: what the scheduler does with it, or why it does nothing; None for an issue that
            starts next or rests in a state that is not active.
    """

    issue: Issue
    standing: Standing | None = None


@dataclass(frozen=True, slots=True)
class Shelf:
    """The issues of one state, the first of them in the order of its column.

    Attributes:
        state: as configured, or as the folder is called.
        issues: all that are in the state, in no order.
    """

    state: str
    role: StateRole
    issues: list[Issue]
    first: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One state on the board.

    Attributes:
        total: of all issues in the state, shown or not.
    """

    state: str
    role: StateRole
    total: int
    cards: tuple[Card, ...]


def shelve(issues: IssueSet, states: StateTable, before: Iterable[Shelf] = ()) -> tuple[Shelf, ...]:
    """Return a shelf for each configured state in workflow order, then one for each other folder in use.

    A shelf of `before` that holds the same issues is taken over.
    """
    known = {(shelf.state, shelf.role): shelf for shelf in before}
    shelves = []
    for name, found in issues_by_state(issues.issues.values(), states).items():
        role = states.role(name)
        same = known.get((name, role))
        if same is None or same.issues != found:
            same = Shelf(name, role, found, first_of(found, role))
        shelves.append(same)
    return tuple(shelves)


def issues_by_state(issues: Iterable[Issue], states: StateTable) -> Mapping[str, list[Issue]]:
    """Return the issues by state, every configured state in it."""
    found: dict[str, list[Issue]] = {state_key(name): [] for name in states.names}
    names = {state_key(name): name for name in states.names}
    for issue in issues:
        key = state_key(issue.state)
        names.setdefault(key, issue.state)
        found.setdefault(key, []).append(issue)
    return {names[key]: each for key, each in found.items()}


def first_of(issues: Sequence[Issue], role: StateRole, number: int = SHOWN) -> tuple[Issue, ...]:
    """Return the first issues of a column: what is next on top, or what was finished last."""
    if role is StateRole.TERMINAL:
        return tuple(heapq.nlargest(number, issues, key=finished_rank))
    return tuple(heapq.nsmallest(number, issues, key=dispatch_rank))


def finished_rank(issue: Issue) -> tuple[datetime, str]:
    """Return the sort key of finished issues; the largest was touched last."""
    return (issue.updated_at or issue.created_at or EARLIEST, issue.identifier)


def page_of(shelf: Shelf, page: int) -> tuple[Issue, ...]:
    """Return a page of a state's issues, counted from 1, in the order of its column."""
    end = page * PAGE
    if end <= QUICK:
        return first_of(shelf.issues, shelf.role, end)[end - PAGE :]
    terminal = shelf.role is StateRole.TERMINAL
    ordered = sorted(shelf.issues, key=finished_rank if terminal else dispatch_rank, reverse=terminal)
    return tuple(ordered[end - PAGE : end])


def standings(snapshot: Snapshot) -> Mapping[str, Standing]:
    """Return what is known of each active issue, by its id."""
    known: dict[str, Standing] = {view.issue_id: view for view in snapshot.blocked}
    for views in (snapshot.retrying, snapshot.waiting, snapshot.running):
        known.update({view.issue_id: view for view in views})
    return known


def board_of(picture: Picture, shelves: Iterable[Shelf]) -> tuple[Column, ...]:
    """Return the columns: in each what moves first, then what waits for a person, then the rest.

    Of the terminal states those without an issue are left out, but for the one of finished work.
    """
    known = standings(picture.snapshot)
    moving: dict[str, list[Card]] = {}
    for card in _moving_cards(picture):
        moving.setdefault(state_key(card.issue.state), []).append(card)
    columns = []
    done = picture.states.done()
    for shelf in shelves:
        if not shelf.issues and shelf.role is StateRole.TERMINAL and shelf.state != done:
            continue
        cards = moving.get(state_key(shelf.state), [])
        above = {card.issue.id for card in cards}
        rest = [Card(issue, known.get(issue.id)) for issue in shelf.first if issue.id not in above]
        shown = tuple([*cards, *rest][: max(SHOWN, len(cards))])
        columns.append(Column(shelf.state, shelf.role, len(shelf.issues), shown))
    return tuple(columns)


def _moving_cards(picture: Picture) -> Iterator[Card]:
    snapshot = picture.snapshot
    for views in (snapshot.running, snapshot.waiting, snapshot.retrying):
        for view in views:
            issue = picture.issues.get(view.issue_id)
            if issue is not None:
                yield Card(issue, view)
