"""Sends a frame of 20 MB, valid in itself."""

from base import Agent


class Huge(Agent):
    def prompt(self, text):
        self.say("x" * 20_000_000)
        return "end_turn"


Huge().serve()
