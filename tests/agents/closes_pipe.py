"""Closes its stdout in a turn and lives on."""

import os

from base import Agent


class Closes(Agent):
    def prompt(self, text):
        os.close(1)
        while True:
            self.read()


Closes().serve()
