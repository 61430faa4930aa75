"""Prints things that are no messages between those that are, in every awkward form."""

from base import Agent, write


class Chatty(Agent):
    def initialize(self, params):
        write(b"Welcome to chatty agent!\n\n\xff\xfe not utf-8\n[1,2]\n42\nnull\n")
        write(b"[" * 100_000 + b"\n")
        write(b'{"jsonrpc":"2.0","id":[1],"result":{}}\n{"jsonrpc":"2.0"}\n{"method":7}\n')
        return super().initialize(params)

    def prompt(self, text):
        write(b'{"jsonrpc":"2.0","id":99,"result":{}}\n')
        write(b'{"jsonrpc":"2.0","id":99,"error":"boom"}\n')
        self.say("still here")
        return "end_turn"


Chatty().serve()
