"""Offers models, efforts and modes, and says which were set."""

import json

from base import Agent


class Choosy(Agent):
    model, effort, mode = "opus", "high", "default"

    def options(self):
        return [
            {
                "type": "select",
                "id": "model",
                "name": "Model",
                "category": "model",
                "currentValue": self.model,
                "options": [
                    {
                        "group": "big",
                        "name": "Big",
                        "options": [
                            {"value": "opus", "name": "Opus"},
                            {"value": "sonnet", "name": "Sonnet 5"},
                        ],
                    },
                ],
            },
            {
                "type": "select",
                "id": "reasoning_effort",
                "name": "Effort",
                "currentValue": self.effort,
                "options": [{"value": value, "name": value.title()} for value in ("low", "high")],
            },
        ]

    def new_session(self, params):
        modes = [{"id": name, "name": name} for name in ("default", "bypassPermissions")]
        return {
            "sessionId": self.session_id,
            "configOptions": self.options(),
            "modes": {"currentModeId": self.mode, "availableModes": modes},
        }

    def other(self, method, params):
        if method == "session/set_mode":
            self.mode = params["modeId"]
            return {}
        if method != "session/set_config_option":
            return super().other(method, params)
        if params["configId"] == "model":
            self.model = params["value"]
        else:
            self.effort = params["value"]
        return {"configOptions": self.options()}

    def prompt(self, text):
        self.say(json.dumps([self.model, self.effort, self.mode]))
        return "end_turn"


Choosy().serve()
