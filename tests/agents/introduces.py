"""Calls itself by the name and the version that its arguments give; with none it says nothing of itself."""

import sys

from base import Agent


class Introduces(Agent):
    def initialize(self, params):
        if len(sys.argv) < 3:
            return super().initialize(params)
        info = {"name": sys.argv[1], "title": "An Agent", "version": sys.argv[2]}
        return {**super().initialize(params), "agentInfo": info}


Introduces().serve()
