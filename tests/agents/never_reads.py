"""Opens a session, then reads nothing any more."""

import signal

from base import Agent


class Deaf(Agent):
    def prompt(self, text):
        signal.pause()


Deaf().serve()
