"""Can go on with a session called `old`: by the method that its first argument names."""

import sys

from base import Agent

METHOD = sys.argv[1] if len(sys.argv) > 1 else "session/load"


class Remembers(Agent):
    old = False

    def initialize(self, params):
        if METHOD == "session/load":
            capabilities = {"loadSession": True}
        else:
            capabilities = {"sessionCapabilities": {"resume": {}}}
        return {"protocolVersion": 1, "agentCapabilities": capabilities}

    def other(self, method, params):
        if method != METHOD:
            return super().other(method, params)
        if params["sessionId"] != "old":
            self.fail("Resource not found", -32002)
        self.old, self.session_id = True, "old"
        self.say("what I said yesterday")
        return {}

    def prompt(self, text):
        self.say("I remember" if self.old else "I am new")
        return "end_turn"


Remembers().serve()
