"""Opens a session only for a client that has said which key to use; says which keys it was given."""

import json
import os

from base import Agent

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "SOME_API_KEY")


class WantsKey(Agent):
    authenticated = None

    def initialize(self, params):
        methods = [
            {"id": "browser", "name": "Log in"},
            {"id": "other", "name": "Key", "type": "env_var", "vars": [{"name": "SOME_API_KEY"}]},
            {"id": "openai", "name": "Key", "type": "env_var", "vars": [{"name": "OPENAI_API_KEY"}]},
        ]
        return {**super().initialize(params), "authMethods": methods}

    def new_session(self, params):
        if self.authenticated is None:
            self.fail("Authentication required", -32000)
        return super().new_session(params)

    def other(self, method, params):
        if method == "authenticate":
            self.authenticated = params["methodId"]
            return {}
        return super().other(method, params)

    def prompt(self, text):
        self.say(json.dumps([self.authenticated, {name: os.environ.get(name) for name in KEYS}]))
        return "end_turn"


WantsKey().serve()
