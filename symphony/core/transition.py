"""Where an agent may send its issue, and how often agents have passed it on [CONTRACT 2.3, 6.4]."""

from dataclasses import dataclass, replace

from symphony.core.settings import Settings
from symphony.core.states import StateRole, state_key


@dataclass(frozen=True, slots=True)
class Target:
    """A state that an agent may move its issue to.

    Attributes:
        adapter: of the agent that then works on it; empty where none does.
    """

    state: str
    role: StateRole
    adapter: str = ""

    def __str__(self) -> str:
        """Return the state with what becomes of an issue in it."""
        match self.role:
            case StateRole.ACTIVE:
                return f"{self.state} (its agent works on: {self.adapter})"
            case StateRole.HOLDING:
                return f"{self.state} (it rests until a person moves it)"
            case StateRole.TERMINAL:
                return f"{self.state} (it is finished)"


@dataclass(frozen=True, slots=True)
class Exits:
    """How an agent may leave the state that its issue is in.

    Attributes:
        targets: what `transition` takes, in workflow order; empty where it is not offered.
        finishes: whether `mark_done` is accepted.
    """

    targets: tuple[Target, ...] = ()
    finishes: bool = True

    def target(self, state: str) -> Target | None:
        """Return the target of this name, spelled as in the workflow; None when it is none."""
        wanted = state_key(state)
        return next((target for target in self.targets if state_key(target.state) == wanted), None)

    @property
    def names(self) -> str:
        """The targets' names, as a list in a sentence."""
        return ", ".join(target.state for target in self.targets)


def exits_of(settings: Settings, state: str) -> Exits:
    """Return where an agent may send an issue that is in this state.

    Without `states` there is only `mark_done`. An absent `allowed_transitions` allows every configured
    state. `mark_done` is a move to the state of finished work: a list without that state takes it away,
    but for an empty one, which would let no issue ever end.
    """
    if settings.states is None:
        return Exits()
    own = state_key(state)
    chosen = next((value for name, value in settings.states.items() if state_key(name) == own), None)
    allowed = None if chosen is None else chosen.allowed_transitions
    table = settings.state_table()
    wanted = {state_key(name) for name in (settings.states if allowed is None else allowed)}
    targets = tuple(
        _target(settings, name)
        for name in table.names
        if state_key(name) in wanted and state_key(name) != own
    )
    return Exits(targets, finishes=not allowed or state_key(table.done()) in wanted)


def _target(settings: Settings, state: str) -> Target:
    role = settings.state_table().role(state)
    adapter = settings.in_state(state).acp.adapter if role is StateRole.ACTIVE else ""
    return Target(state, role, adapter)


@dataclass(frozen=True, slots=True)
class Passage:
    """How agents have passed an issue on since a person last had a hand in it.

    Attributes:
        count: how often.
        last: the latest time, as a sentence without its full stop; it outlives a person's hand.
        revision: the issue's text after that; empty where it is not known.
    """

    count: int = 0
    last: str = ""
    revision: str = ""

    def on(self, last: str, revision: str) -> "Passage":
        """Return it with one more."""
        return Passage(self.count + 1, last, revision)

    def begun_anew(self) -> "Passage":
        """Return it as it is after a person's hand."""
        return replace(self, count=0)
