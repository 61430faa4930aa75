"""Calls what the client did not advertise, and says how it was answered."""

import json

from base import Agent

CALLS = {
    "fs/read_text_file": {"path": "/etc/passwd"},
    "fs/write_text_file": {"path": "/tmp/x", "content": "x"},
    "terminal/create": {"command": "id"},
    "terminal/output": {"terminalId": "t"},
    "terminal/release": {"terminalId": "t"},
    "terminal/wait_for_exit": {"terminalId": "t"},
    "terminal/kill": {"terminalId": "t"},
    "elicitation/create": {"message": "?", "mode": "form"},
    "_vendor/thing": {},
    "nonsense": {},
}


class Curious(Agent):
    def prompt(self, text):
        codes = {
            method: self.request(method, {"sessionId": self.session_id, **params})["error"]["code"]
            for method, params in CALLS.items()
        }
        self.say(json.dumps(codes))
        return "end_turn"


Curious().serve()
