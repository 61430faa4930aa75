"""What an issue may cost and how much of that is spent, over all its attempts [CONTRACT 2.3 agent.budget].

WORKFLOW.md gives the ceilings; a person may give one issue ceilings of its own, which count instead.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from symphony.core.errors import SymphonyError
from symphony.core.settings import Budget
from symphony.core.text import one_line
from symphony.core.usage import Usage

NEAR = 0.8  # from here on the agent is told, while something is left to finish with
MOST = 10**12  # of anything; more is a slip of the finger, and a ceiling that is none
SHOWN = 60  # characters of an amount that is none
DEFAULT = "default"
AMOUNT = re.compile(r"(?P<add>\+?)(?P<number>[0-9]+(?:\.[0-9]+)?)")


class BudgetKind(StrEnum):
    """What is counted."""

    TOKENS = "tokens"
    USD = "usd"
    MINUTES = "minutes"


UNITS = {BudgetKind.TOKENS: "tokens", BudgetKind.USD: "USD", BudgetKind.MINUTES: "minutes"}


class InvalidBudget(SymphonyError):
    """What was given for a ceiling is no amount."""

    code = "invalid_budget"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """So much and no more; None is no ceiling."""

    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

    @classmethod
    def of(cls, budget: Budget) -> "Ceilings":
        """Return the ceilings that WORKFLOW.md gives."""
        return cls(budget.tokens, budget.usd, budget.minutes)

    def of_kind(self, kind: BudgetKind) -> float | None:
        """Return the ceiling of one kind."""
        ceiling: float | None = getattr(self, kind.value)
        return ceiling

    def with_kind(self, kind: BudgetKind, ceiling: float | None) -> "Ceilings":
        """Return these with another ceiling of one kind."""
        match kind:
            case BudgetKind.TOKENS:
                return replace(self, tokens=None if ceiling is None else int(ceiling))
            case BudgetKind.USD:
                return replace(self, usd=ceiling)
            case BudgetKind.MINUTES:
                return replace(self, minutes=ceiling)

    def before(self, other: "Ceilings") -> "Ceilings":
        """Return these, and the other's where there is none here."""
        return Ceilings(
            other.tokens if self.tokens is None else self.tokens,
            other.usd if self.usd is None else self.usd,
            other.minutes if self.minutes is None else self.minutes,
        )


@dataclass(frozen=True, slots=True)
class Spending:
    """What is spent of one kind.

    Attributes:
        ceiling: None is none.
        own: whether the ceiling is the issue's own and not WORKFLOW.md's.
    """

    kind: BudgetKind
    spent: float
    ceiling: float | None = None
    own: bool = False

    @property
    def reached(self) -> bool:
        """Say whether nothing is left."""
        return self.ceiling is not None and self.spent >= self.ceiling

    @property
    def near(self) -> bool:
        """Say whether the agent should be told."""
        return self.ceiling is not None and self.spent >= NEAR * self.ceiling

    def __str__(self) -> str:
        """Return the numbers, as people read them."""
        spent, unit = _number(self.kind, self.spent), UNITS[self.kind]
        if self.ceiling is None:
            return f"{spent} {unit}"
        return f"{spent} of {_ceiling(self.kind, self.ceiling)} {unit}"


def account(usage: Usage, workflow: Ceilings, own: Ceilings = Ceilings()) -> tuple[Spending, ...]:
    """Return what is spent of each kind, with the ceilings that are in force."""
    spent = {
        BudgetKind.TOKENS: float(usage.tokens),
        BudgetKind.USD: usage.cost_usd,
        BudgetKind.MINUTES: usage.seconds / 60,
    }
    in_force = own.before(workflow)
    return tuple(
        Spending(kind, spent[kind], in_force.of_kind(kind), own.of_kind(kind) is not None)
        for kind in BudgetKind
    )


def over_budget(spending: Iterable[Spending]) -> str | None:
    """Return which ceilings are reached, with the numbers, or None."""
    return ", ".join(str(each) for each in spending if each.reached) or None


def raising(issue_id: str, spending: Iterable[Spending]) -> str:
    """Return the command that raises the ceilings that are reached."""
    options = " ".join(f"--{each.kind} +N" for each in spending if each.reached)
    return f"symphony budget {issue_id} {options}"


@dataclass(frozen=True, slots=True)
class CeilingChange:
    """What a person wants one of an issue's ceilings to be.

    Attributes:
        amount: None takes WORKFLOW.md's again.
        add: the amount comes on top of the ceiling, or of what is spent if that is more.
    """

    kind: BudgetKind
    amount: float | None
    add: bool = False


def parse_changes(given: Mapping[str, str | float | None]) -> tuple[CeilingChange, ...]:
    """Return what is to change, from an amount per kind; None stands for nothing.

    Raises:
        InvalidBudget: an amount is none, or there is not one.
    """
    changes = tuple(
        parse_change(BudgetKind(name), amount) for name, amount in given.items() if amount is not None
    )
    if not changes:
        raise InvalidBudget("No ceiling was given.", remedy="Give one of tokens, usd and minutes.")
    return changes


def parse_change(kind: BudgetKind, given: str | float) -> CeilingChange:
    """Return what is to change of one kind: `N`, `+N` or `default`.

    Raises:
        InvalidBudget: it is none of these.
    """
    text = str(given).strip()
    if text == DEFAULT:
        return CeilingChange(kind, None)
    found = None if isinstance(given, bool) else AMOUNT.fullmatch(text.replace("_", ""))
    amount = float(found["number"]) if found else 0.0
    whole = kind is not BudgetKind.TOKENS or (found is not None and "." not in found["number"])
    if found is None or not whole or not 0 < amount <= MOST:
        what = "a whole number of at least 1" if kind is BudgetKind.TOKENS else "a number greater than 0"
        raise InvalidBudget(
            f"{kind}: found {repr(one_line(text, SHOWN)) if text else 'nothing'}; allowed: {what} and at "
            f"most {MOST:,}, +N to add N, or {DEFAULT}."
        )
    return CeilingChange(kind, amount, add=bool(found["add"]))


def changed(
    own: Ceilings, spending: Iterable[Spending], changes: Iterable[CeilingChange]
) -> Ceilings | CeilingChange:
    """Return the issue's own ceilings after the changes, or the change that has no ceiling to add to."""
    known = {each.kind: each for each in spending}
    for change in changes:
        amount = change.amount
        if change.add and amount is not None:
            before = known[change.kind]
            if before.ceiling is None:
                return change
            amount += max(before.ceiling, before.spent)
        own = own.with_kind(change.kind, amount)
    return own


def _number(kind: BudgetKind, amount: float) -> str:
    match kind:
        case BudgetKind.TOKENS:
            return f"{amount:,.0f}"
        case BudgetKind.USD:
            return f"{amount:,.2f}"
        case BudgetKind.MINUTES:
            return f"{amount:,.1f}"


def _ceiling(kind: BudgetKind, amount: float) -> str:
    return f"{amount:,.12g}" if kind is BudgetKind.MINUTES else _number(kind, amount)
