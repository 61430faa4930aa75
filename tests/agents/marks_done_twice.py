"""Calls mark_done twice at once, with different words, after real work."""

from base import Agent, commit_file


class Twice(Agent):
    def prompt(self, text):
        commit_file("twice.txt", "done\n", "Add twice.txt")
        answers = [
            self.mcp.start_call("mark_done", title=f"Add twice.txt ({n})", summary="Done.") for n in (1, 2)
        ]
        self.say(repr([answer() for answer in answers]))
        return "end_turn"


Twice().serve()
