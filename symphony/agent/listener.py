"""What is heard from an agent beside its answers: events for people, totals, its last words."""

from collections.abc import Mapping
from typing import Any

from symphony.agent.speech import Speech
from symphony.agent.transport import OnEvent
from symphony.agent.updates import read_update
from symphony.agent.usage import Meter
from symphony.agent.watch import Watch
from symphony.core.agent import AgentEvent
from symphony.core.text import one_line

UPDATE = "session/update"
CALLS = 100  # agents ask about a call right after they have said it


class Listener:
    """Hears what the agent says of itself and makes events and totals of it.

    Attributes:
        replaying: an earlier session is being repeated by the agent; nobody is told again.
        calls: the newest tool calls by their ids, with the last that was said of each.
    """

    def __init__(self, meter: Meter, on_event: OnEvent, watch: Watch) -> None:
        self.replaying = False
        self.speech = Speech()
        self.calls: dict[str, Mapping[str, Any]] = {}
        self.meter = meter
        self._watch = watch
        self._on_event = on_event

    def notified(self, method: str, params: Any) -> None:
        """Take one notification."""
        if method != UPDATE:
            self._on_event(AgentEvent("other", one_line(f"notification: {method}")))
            return
        update = read_update(params)
        if update.usage is not None:
            self.meter.update(update.usage)
        if self.replaying:
            return
        self.speech.hear(update)
        if update.kind == "tool_call":
            self._remember(params["update"])
        totals = self.meter.totals if update.usage is not None else None
        begins = update.kind == "tool_call" and params["update"].get("sessionUpdate") == "tool_call"
        self._on_event(AgentEvent(update.kind, update.summary, usage=totals, begins_call=begins))
        if update.kind == "tool_call" and isinstance(identity := params["update"].get("toolCallId"), str):
            self._watch.heard(identity, self.calls[identity])

    def _remember(self, update: Mapping[str, Any]) -> None:
        identity = update.get("toolCallId")
        if isinstance(identity, str):
            said = {name: value for name, value in update.items() if value}
            self.calls[identity] = {**self.calls.get(identity, {}), **said}
            if len(self.calls) > CALLS:
                del self.calls[next(iter(self.calls))]

    def answered(self, usage: Mapping[str, Any] | None) -> None:
        """Take what a prompt's answer says of tokens."""
        if usage is None:
            return
        self.meter.answer(usage)
        totals = self.meter.totals
        said = f"{totals.tokens} tokens in this session"
        self._on_event(AgentEvent("usage", said, usage=totals))
