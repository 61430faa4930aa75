"""Reports tokens, cost and context as absolute totals that grow, repeat, and fall once."""

from base import Agent

TOTALS = [(100, 10), (300, 30), (50, 5)]


class Metered(Agent):
    turn = 0

    def prompt(self, text):
        fresh, output = TOTALS[self.turn % len(TOTALS)]
        self.turn += 1
        for _ in range(2):
            cost = {"amount": 0.25 * self.turn, "currency": "USD"}
            self.update("usage_update", used=1000 * self.turn, size=200_000, cost=cost)
        usage = {"inputTokens": fresh, "outputTokens": output, "totalTokens": fresh + output}
        return {"stopReason": "end_turn", "usage": usage}


Metered().serve()
