"""Sends frames of 5 MB, which are large but right."""

from base import Agent


class Large(Agent):
    def prompt(self, text):
        for letter in "abc":
            self.update("agent_message_chunk", content={"type": "text", "text": letter * 5_000_000})
        return "end_turn"


Large().serve()
