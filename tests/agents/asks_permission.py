"""Asks for permission with the options that its first argument is, as JSON; says the answer."""

import json
import sys

from base import Agent

OPTIONS = '[["allow","allow_once"],["allow_always","allow_always"],["reject","reject_once"]]'


class Asks(Agent):
    def prompt(self, text):
        kinds = json.loads(sys.argv[1] if len(sys.argv) > 1 else OPTIONS)
        options = [{"optionId": name, "name": name.title(), "kind": kind} for name, kind in kinds]
        call = {"toolCallId": "call-1", "title": "rm -rf build", "kind": "execute"}
        answer = self.request(
            "session/request_permission", {"sessionId": self.session_id, "toolCall": call, "options": options}
        )
        self.say(json.dumps(answer.get("result", answer.get("error"))))
        return "cancelled" if self.cancelled else "end_turn"


Asks().serve()
