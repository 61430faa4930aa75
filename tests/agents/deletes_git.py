"""Commits its work, then deletes the workspace's .git and says that it is done."""

from shutil import rmtree

from base import Agent, commit_file


class Vandal(Agent):
    def prompt(self, text):
        commit_file("work.txt", "work\n", "Add work.txt")
        rmtree(".git")
        self.mcp.call("mark_done", title="Add work.txt", summary="And no .git any more.")
        return "end_turn"


Vandal().serve()
