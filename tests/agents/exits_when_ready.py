"""Opens its session, and exits before it has connected to its tools."""

import os

from base import Agent


class Quitter(Agent):
    connects = False

    def serve(self):
        while True:
            message = self.read()
            self.dispatch(message)
            if message.get("method") == "session/new":
                os._exit(5)


Quitter().serve()
