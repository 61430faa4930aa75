"""Sends updates that no schema knows, and some that are broken."""

from base import Agent


class Odd(Agent):
    def prompt(self, text):
        self.update("brain_wave", hertz=12)
        self.update("agent_message_chunk")
        self.update("tool_call")
        self.update("usage_update", used="many", size=-1, cost={"amount": "free"})
        self.update("plan", entries=[None, 7, {"content": 8}])
        self.send({"method": "session/update", "params": ["not", "an", "object"]})
        self.send({"method": "session/update"})
        self.send({"method": "vendor/hello", "params": {}})
        self.say("fine")
        return "end_turn"


Odd().serve()
