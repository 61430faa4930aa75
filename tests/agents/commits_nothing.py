"""Says that it is done without having changed anything."""

from base import Agent


class Idle(Agent):
    def prompt(self, text):
        self.mcp.call("mark_done", title="Nothing to do", summary="It was right already.")
        return "end_turn"


Idle().serve()
