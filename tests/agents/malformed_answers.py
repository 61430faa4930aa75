"""Answers session/new with something that ACP does not allow."""

from base import Agent


class Broken(Agent):
    def new_session(self, params):
        return {"sessionId": 7}


Broken().serve()
