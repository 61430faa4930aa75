"""Writes a file that it does not commit, reports that its turn costs more and more, and never ends it."""

from pathlib import Path

from base import Agent


class Spender(Agent):
    def prompt(self, text):
        Path("uncommitted.txt").write_text("half done\n")
        self.say("I think aloud")
        for spent in (0.25, 1.5, -3.0, float("nan")):
            cost = {"amount": spent, "currency": "USD"}
            self.update("usage_update", used=1000, size=200_000, cost=cost)
        self.wait_for_cancel()
        return "cancelled"


Spender().serve()
