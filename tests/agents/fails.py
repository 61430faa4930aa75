"""Answers the prompt with the JSON-RPC error that its first argument is, as JSON."""

import json
import sys

from base import Agent, Refused


class Fails(Agent):
    def prompt(self, text):
        raise Refused(json.loads(sys.argv[1]))


Fails().serve()
