"""The smallest agent that does a whole job: connects, writes a file, commits it, says it is done."""

from base import Agent, commit_file


class Trivial(Agent):
    def prompt(self, text):
        commit_file("trivial.txt", "done\n", "Add trivial.txt")
        self.mcp.call("mark_done", title="Add trivial.txt", summary="Wrote trivial.txt and committed it.")
        return "end_turn"


Trivial().serve()
