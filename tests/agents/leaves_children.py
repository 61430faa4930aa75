"""Leaves a process behind in a session of its own, and writes its id to child.pid."""

import os
from pathlib import Path

from base import Agent


class Parent(Agent):
    def prompt(self, text):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.execvp("sleep", ["sleep", "600"])
        Path("child.pid").write_text(str(pid))
        return "end_turn"


Parent().serve()
