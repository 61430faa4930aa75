"""Sends 10,000 updates in one turn."""

from base import Agent


class Flood(Agent):
    def prompt(self, text):
        for number in range(10_000):
            self.say(f"{number} ")
        return "end_turn"


Flood().serve()
