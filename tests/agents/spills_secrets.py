"""Writes what it was given in confidence to stderr and exits."""

import json
import sys

from base import Agent


class Leaky(Agent):
    def new_session(self, params):
        print(json.dumps(params), "\x1b[31mred\x1b[0m", file=sys.stderr)
        sys.exit(1)


Leaky().serve()
