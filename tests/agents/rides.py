"""Writes the file that its issue names; what does not fit onto the merge train it mends there."""

import os
import re
import time
from pathlib import Path

from base import Agent, commit_file, git

WANTED = re.compile(r"Write (\S+) as (\S+)")
SHOWN = "refs/remotes/symphony/train"


class Rides(Agent):
    wanted = ("", "")

    def prompt(self, text):
        if found := WANTED.search(text):
            self.wanted = found.groups()
        self.note(text)
        if "merge train" in text and git("rev-parse", "--verify", "-q", SHOWN) == 0:
            self.mend()
        else:
            name, content = self.wanted
            if not Path(name).exists() or Path(name).read_text() != f"{content}\n":
                commit_file(name, f"{content}\n", f"Write {name}")
        while Path("../../hold").exists():
            time.sleep(0.02)
        refused, answer = self.mcp.call("mark_done", title=f"Write {self.wanted[0]}", summary="Wrote it.")
        if refused:
            self.note(answer)
            if "merge train" in answer:
                self.mend()
                self.mcp.call("mark_done", title=f"Write {self.wanted[0]}", summary="Wrote and joined it.")
        return "end_turn"

    def mend(self):
        name, content = self.wanted
        theirs = os.popen(f"git show {SHOWN}:{name} 2>/dev/null").read()
        if git("merge", "--quiet", "--no-edit", SHOWN) == 0:
            commit_file("joined.txt", "joined\n", "Join the parts")
        else:
            commit_file(name, f"{theirs}{content}\n", "Merge what others wrote")

    def note(self, text):
        with Path("../../said").open("a") as said:
            said.write(f"{text}\n")


Rides().serve()
