"""The last thing that an agent said in a turn, put together from its chunks in bounded memory."""

from symphony.agent.updates import Update
from symphony.core.text import plain

LAST_CHARACTERS = 8_192  # enough for a closing report; the run log has all of it
INTERRUPTING = frozenset({"tool_call", "plan"})


class Speech:
    """Collects message chunks; a new message, or work in between, starts afresh."""

    def __init__(self) -> None:
        self._text = ""
        self._message_id: str | None = None
        self._ended = True

    def begin_turn(self) -> None:
        """Forget what was said before."""
        self._text = ""
        self._ended = True

    def hear(self, update: Update) -> None:
        """Take one update."""
        if update.kind == "message":
            if self._ended or update.message_id != self._message_id:
                self._text = ""
            self._ended = False
            self._message_id = update.message_id
            self._text = (self._text + update.said)[-LAST_CHARACTERS:]
        elif update.kind in INTERRUPTING:
            self._ended = True

    @property
    def last(self) -> str:
        """The last message, its end kept."""
        return plain(self._text, LAST_CHARACTERS)
