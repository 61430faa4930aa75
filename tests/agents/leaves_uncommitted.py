"""Says that it is done with work that it has not committed: one new file, one changed."""

from pathlib import Path

from base import Agent


class Untidy(Agent):
    def prompt(self, text):
        tracked = next(path for path in sorted(Path().iterdir()) if path.is_file())
        tracked.write_text(tracked.read_text() + "changed\n")
        Path("uncommitted.txt").write_text("new\n")
        self.mcp.call("mark_done", title="Add uncommitted.txt", summary="Left for you to commit.")
        return "end_turn"


Untidy().serve()
