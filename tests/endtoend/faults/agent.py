"""An agent that does the same work however often it is started; started by path with its notes folder.

At each of its points it dies, or waits, if the notes folder says so; see `project.FaultProject`.
"""

import os
import signal
import sys
import time
from pathlib import Path

NOTES = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
from base import Agent, commit_file  # noqa: E402  beside the programs of tests/agents


def reach(point):
    """Pass a point: die at it once if asked to, and wait at it for as long as asked to."""
    kill, hold = NOTES / f"kill-{point}", NOTES / f"hold-{point}"
    if kill.exists():
        kill.rename(NOTES / f"killed-{point}")
        os.kill(os.getpid(), signal.SIGKILL)
    if hold.exists():
        (NOTES / f"held-{point}").touch()
        while hold.exists():
            time.sleep(0.02)


class Steady(Agent):
    def initialize(self, params):
        reach("handshake")
        return super().initialize(params)

    def new_session(self, params):
        reach("session")
        self.connect()
        return super().new_session(params)

    def prompt(self, text):
        (NOTES / f"turn-{os.getpid()}").touch()
        self.say("I begin.")
        reach("prompted")
        if not Path("one.txt").exists():
            commit_file("one.txt", "one\n", "Add one.txt")
        reach("committed")
        Path("two.txt").write_text("two\n")
        reach("uncommitted")
        if self.is_new("two.txt"):
            commit_file("two.txt", "two\n", "Add two.txt")
        reach("worked")
        self.say("Both of them are there. " * 400)  # more than fits behind what its run log has already
        if os.environ.get("SYMPHONY_ISSUE_STATE") == "Todo" and (NOTES / "passes-on").exists():
            self.mcp.call("transition", to_state="Review", notes="Both are there.")
        else:
            self.mcp.call("mark_done", title="Add two files", summary="Wrote and committed them.")
        reach("done")
        return "end_turn"

    @staticmethod
    def is_new(name):
        with os.popen(f"git ls-files -- {name}") as listed:
            return not listed.read().strip()


(NOTES / f"agent-{os.getpid()}").touch()
Steady().serve()
