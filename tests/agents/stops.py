"""Ends its turn with the stop reason that its first argument names."""

import sys

from base import Agent


class Stops(Agent):
    def prompt(self, text):
        self.say(f"stopping: {sys.argv[1]}")
        return sys.argv[1]


Stops().serve()
