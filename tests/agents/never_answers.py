"""Takes a prompt and never ends the turn, unless it is told to cancel."""

from base import Agent


class Silent(Agent):
    def prompt(self, text):
        self.say("thinking")
        self.wait_for_cancel()
        return "cancelled"


Silent().serve()
