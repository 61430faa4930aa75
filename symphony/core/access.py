"""What an issue's guest was refused on the network, and what a person decided about it.

The scheduler owns one ledger for each issue; it is bounded, whatever a guest tries.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from symphony.core.errors import SymphonyError
from symphony.core.hosts import HostRefused, parse_host
from symphony.core.machine import Refusal
from symphony.core.text import one_line

OPEN_KEPT: Final = 50  # requests that nobody has decided; more than a person reads
DECIDED_KEPT: Final = 200  # decisions on one issue; a guest cannot push them out, only people add to them
READ_AT_ONCE: Final = 4 * OPEN_KEPT  # distinct texts of one look that are checked; the rest are counted
TROUBLE: Final = 300  # characters of what went wrong in the machine
UNRESOLVABLE: Final = "sandbox.host_unresolvable"


class AccessDecision(StrEnum):
    """What a person said."""

    ONCE = "once"
    """Open it to the machine that runs now; it is forgotten with the attempt."""
    ISSUE = "issue"
    """Open it to the machine that runs now and to all further attempts on the issue."""
    WORKFLOW = "workflow"
    """As ONCE, and WORKFLOW.md opens it to every attempt that begins from now on."""
    DENY = "deny"
    """Keep it closed, and do not ask again for this issue."""


ENDS_WITH_ATTEMPT: Final = frozenset({AccessDecision.ONCE, AccessDecision.WORKFLOW})


class AccessFull(SymphonyError):
    """An issue has more decided hosts than are kept."""

    code = "access_full"


@dataclass(frozen=True, slots=True)
class AccessTry:
    """Connections to one host that a guest tried and did not get, since the last look.

    Attributes:
        host: as `parse_host` returns it, or sanitised text for what can never be opened.
        port: of the latest; None for a name that was only looked up.
    """

    host: str
    port: int | None = None
    count: int = 1

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class AccessTries:
    """One look at what a guest was refused.

    Attributes:
        asked: hosts that a person may open, oldest first, at most `OPEN_KEPT`.
        never: hosts that nobody can open.
        not_kept: how many hosts more there were.
    """

    asked: tuple[AccessTry, ...] = ()
    never: tuple[AccessTry, ...] = ()
    not_kept: int = 0


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """One host with what a person decided, if they did.

    Attributes:
        port: of the latest try.
        tries: how often the guest was refused it.
        asked_at, last_at: first and latest try; None for a host that the guest never tried.
        decision: None while the request is open.
        trouble: why the machine could not carry out the latest decision; empty when it did.
    """

    host: str
    port: int | None = None
    tries: int = 0
    asked_at: datetime | None = None
    last_at: datetime | None = None
    decision: AccessDecision | None = None
    decided_at: datetime | None = None
    trouble: str = ""

    @property
    def open(self) -> bool:
        """Say whether a person has still to decide."""
        return self.decision is None


@dataclass(frozen=True, slots=True)
class AccessLedger:
    """All that is remembered of one issue.

    Attributes:
        requests: open and decided ones, by the time at which they came.
        not_kept: hosts beyond `OPEN_KEPT`, of which the newest are kept.
        never: tries of what nobody can open.
    """

    requests: tuple[AccessRequest, ...] = ()
    not_kept: int = 0
    never: int = 0

    @property
    def open(self) -> tuple[AccessRequest, ...]:
        """The requests that nobody has decided."""
        return tuple(request for request in self.requests if request.open)

    @property
    def allowed_hosts(self) -> tuple[str, ...]:
        """The hosts that a further attempt may reach beside those of its settings."""
        return tuple(each.host for each in self.requests if each.decision is AccessDecision.ISSUE)

    def find(self, host: str) -> AccessRequest | None:
        """Return what is known of a host."""
        return next((request for request in self.requests if request.host == host), None)

    def refused(self, tries: AccessTries, now: datetime) -> "AccessLedger":
        """Return the ledger after a look; what a person has decided is not asked again."""
        known = {request.host: request for request in self.requests}
        for each in tries.asked:
            request = known.get(each.host) or AccessRequest(each.host, asked_at=now)
            known[each.host] = replace(
                request,
                port=request.port if each.port is None else each.port,
                tries=request.tries + each.count,
                asked_at=request.asked_at or now,
                last_at=now,
            )
        surplus = sum(1 for request in known.values() if request.open) - OPEN_KEPT
        for request in [request for request in known.values() if request.open][: max(0, surplus)]:
            del known[request.host]
        return AccessLedger(
            tuple(known.values()),
            self.not_kept + tries.not_kept + max(0, surplus),
            self.never + sum(each.count for each in tries.never),
        )

    def decided(self, host: str, decision: AccessDecision, now: datetime) -> "AccessLedger":
        """Return the ledger with a person's word; itself when that says nothing new.

        Raises:
            AccessFull: too many hosts are decided already.
        """
        known = self.find(host)
        if known is not None and known.decision is not None:
            lasts = known.decision in {AccessDecision.ISSUE, AccessDecision.WORKFLOW}
            if known.decision is decision or (decision is AccessDecision.ONCE and lasts):
                return self._with(replace(known, trouble="")) if known.trouble else self
        elif len(self.requests) - len(self.open) >= DECIDED_KEPT:
            raise AccessFull(
                f"{DECIDED_KEPT} hosts are decided for this issue already; {host} was not added.",
                remedy="Put what every issue may reach into smolvm.egress.allow of WORKFLOW.md.",
            )
        decided = replace(known or AccessRequest(host), decision=decision, decided_at=now, trouble="")
        if known is None:
            return replace(self, requests=(*self.requests, decided))
        return self._with(decided)

    def failed(self, host: str, code: str, reason: str, *, opening: bool) -> "AccessLedger":
        """Return the ledger after the machine could not carry out a decision.

        A name that cannot be resolved would keep every further attempt from starting, and what
        held for this machine alone is void: both are open requests again.
        """
        known = self.find(host)
        if known is None or known.open or opening is (known.decision is AccessDecision.DENY):
            return self  # it was decided otherwise since
        trouble = one_line(reason, TROUBLE)
        lasts = known.decision is AccessDecision.DENY or (
            known.decision is AccessDecision.ISSUE and code != UNRESOLVABLE
        )
        if lasts:
            return self._with(replace(known, trouble=trouble))
        if known.asked_at is None:
            return replace(self, requests=tuple(each for each in self.requests if each is not known))
        return self._with(replace(known, decision=None, decided_at=None, trouble=trouble))

    def ended(self) -> "AccessLedger":
        """Return what is left once the attempt and its machine are gone."""
        kept = tuple(each for each in self.requests if each.decision not in ENDS_WITH_ATTEMPT)
        return self if len(kept) == len(self.requests) else replace(self, requests=kept)

    def _with(self, changed: AccessRequest) -> "AccessLedger":
        requests = tuple(changed if each.host == changed.host else each for each in self.requests)
        return replace(self, requests=requests)


def tries_of(refusals: Iterable[Refusal]) -> AccessTries:
    """Return what a look brought, each host once; of very many the newest are kept."""
    folded: dict[str, AccessTry] = {}
    for refusal in refusals:  # oldest first; a host that is tried again moves to the end
        before = folded.pop(refusal.host, None)
        port = refusal.port if refusal.port is not None or before is None else before.port
        folded[refusal.host] = AccessTry(refusal.host, port, before.count + 1 if before else 1)
    newest = list(folded.values())[-READ_AT_ONCE:]
    asked: dict[str, AccessTry] = {}
    never: dict[str, AccessTry] = {}
    for each in newest:
        try:
            kind, host = asked, parse_host(each.host)
        except HostRefused:
            kind, host = never, one_line(each.host) or "(no name)"
        same = kind.pop(host, None)
        kind[host] = AccessTry(host, each.port, each.count + (same.count if same else 0))
    kept = tuple(asked.values())[-OPEN_KEPT:]
    beyond = len(folded) - len(newest) + len(asked) - len(kept)
    return AccessTries(kept, tuple(never.values()), beyond)
