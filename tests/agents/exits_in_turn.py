"""Dies in the middle of a turn."""

import sys

from base import Agent


class Dies(Agent):
    def prompt(self, text):
        self.say("working")
        print("out of memory", file=sys.stderr)
        sys.exit(9)


Dies().serve()
