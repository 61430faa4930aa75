"""Tells its token and its user's login file to everybody; its model refuses the first token that it gets."""

import os
import sys
from pathlib import Path

from base import Agent

HOME = Path(os.environ["HOME"])


class Spills(Agent):
    def prompt(self, text):
        token = os.environ.get("CLAUDE_CODE_OAUTH_TOKEN", "no token")
        login = (HOME / ".claude" / ".credentials.json").read_text()
        for spilled in (token, login):
            self.say(f"It is {spilled}.")
            self.update("agent_thought_chunk", content={"type": "text", "text": spilled})
            print("spilled", spilled, file=sys.stderr, flush=True)
        command = {"command": login}
        self.update("tool_call", toolCallId="1", title=f"echo {token}", rawInput=command)
        with (HOME / "tokens").open("a") as tokens:
            tokens.write(token + "\n")
        if len((HOME / "tokens").read_text().splitlines()) == 1:
            self.fail(
                f"Internal error: Failed to authenticate. API Error: 401 OAuth token {token} has expired"
            )
        return "end_turn"


Spills().serve()
