"""What the console says of a decision: only what a person should act on or collect [CONTRACT 1.4]."""

from collections.abc import Iterator

from symphony.core.effect import Audit
from symphony.core.problem import Problem
from symphony.core.text import one_line


def lines_for_people(audit: tuple[Audit, ...], problems: tuple[Problem, ...]) -> Iterator[str]:
    """Yield a line for each question, parked issue, handoff and new problem."""
    for entry in audit:
        match entry.decision:
            case "ask":
                yield (
                    f"{entry.issue_id} asks: {one_line(entry.reason)}  "
                    f"(answer with: symphony reply {entry.issue_id} TEXT)"
                )
            case "permission":
                yield (
                    f"{entry.issue_id} {one_line(entry.reason)}  "
                    f"(answer with: symphony permission allow {entry.issue_id}, or deny)"
                )
            case "park":
                yield (
                    f"{entry.issue_id} is parked: {one_line(entry.reason)}  "
                    f"(try again with: symphony retry {entry.issue_id})"
                )
            case "out_of_budget":
                yield (
                    f"{entry.issue_id} is out of budget: {one_line(entry.reason)}  "
                    f"(raise it with: symphony budget {entry.issue_id}, and --tokens, --usd or --minutes +N)"
                )
            case "access":
                yield (
                    f"{entry.issue_id} was refused {one_line(entry.reason)}  "
                    f"(let it with: symphony access approve {entry.issue_id} HOST)"
                )
            case "delivered":
                yield f"{entry.issue_id} is done: {one_line(entry.reason)}"
            case _:
                pass
    for problem in problems:
        yield f"problem: {one_line(str(problem), 500)}"
