"""Works without its tools: it never connects to an MCP server, and says why on stderr."""

import sys

from base import Agent


class Loner(Agent):
    connects = False

    def new_session(self, params):
        print("mcp: connection refused", file=sys.stderr, flush=True)
        return super().new_session(params)


Loner().serve()
