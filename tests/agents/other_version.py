"""Speaks another version of ACP."""

from base import Agent


class Future(Agent):
    def initialize(self, params):
        return {"protocolVersion": 2}


Future().serve()
