"""Asks for permission, and hands over what it was told."""

from base import Agent, commit_file

OPTIONS = [("once", "Allow", "allow_once"), ("always", "Always", "allow_always"), ("no", "No", "reject_once")]


class AsksThenWorks(Agent):
    def prompt(self, text):
        call = {
            "toolCallId": "call-1",
            "title": "Remove the build folder",
            "kind": "execute",
            "rawInput": {"command": "rm -rf build", "timeout": 5},
        }
        options = [{"optionId": name, "name": words, "kind": kind} for name, words, kind in OPTIONS]
        params = {"sessionId": self.session_id, "toolCall": call, "options": options}
        outcome = self.request("session/request_permission", params)["result"]["outcome"]
        if self.cancelled:
            return "cancelled"
        commit_file("answer.txt", f"{outcome['optionId']}\n", "Add answer.txt")
        self.mcp.call("mark_done", title="Add answer.txt", summary="Wrote down what I was told.")
        return "end_turn"


AsksThenWorks().serve()
