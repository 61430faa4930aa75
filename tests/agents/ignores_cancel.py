"""Takes a prompt and never ends the turn, whatever it is told; SIGTERM does not move it either."""

import signal

from base import Agent


class Stubborn(Agent):
    def prompt(self, text):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.say("busy")
        while True:
            self.read()


Stubborn().serve()
