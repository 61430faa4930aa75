"""Says something so many times a second, for as long as it lives.

Arguments: the folder of the agent that it extends, and how often a second.
"""

import sys
import time

sys.path.insert(0, sys.argv[1])

from base import Agent


class Talking(Agent):
    def prompt(self, text):  # noqa: ARG002  it says the same to all
        number = 0
        while True:
            number += 1
            self.update("tool_call", toolCallId=f"call-{number}", title=f"Look at file number {number}")
            time.sleep(1 / float(sys.argv[2]))


Talking().serve()
