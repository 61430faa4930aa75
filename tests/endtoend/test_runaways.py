"""Budgets over real agents, real git and real commands: what is spent, kept and raised."""

import json

import pytest

from tests.support.command_line import symphony
from tests.support.project import git

OUT = "Not running: out of budget: 1.50 of 1.00 USD; `symphony budget 1 --usd +N` raises it."


async def test_a_turn_that_costs_too_much_is_ended_its_work_kept_and_one_command_goes_on(project_with):
    project = project_with("spends")
    project.configure(agent={"budget": {"usd": 1}})
    project.drop("1")
    async with project.daemon() as daemon:
        ended = await daemon.until_outcome("1")
        assert (ended["outcome"], ended["message"]) == (
            "out_of_budget",
            "The budget was spent: 1.50 of 1.00 USD. Its work is kept on the branch agent/1: 1 commit, with "
            "what was not committed.",
        )
        host = project.root / ".symphony" / "host.git"
        assert git(host, "show", "agent/1:uncommitted.txt") == "half done"
        await daemon.until(lambda: any("1 is out of budget" in line for line in daemon.said.lines))
        assert await daemon.reason("1") == OUT
        answer = await daemon.call("POST", "/api/v1/issues/1/budget", {"usd": 1.25})
        assert answer["said"] == [
            "Issue 1 has spent 1.50 of 1.25 USD.",
            "Nothing is left: it does not run; `symphony budget 1 --usd +N` raises it.",
        ]
    assert symphony(project.root, "budget", "1", "--usd", "default").status == 0
    shown = symphony(project.root, "budget", "1").out.splitlines()
    assert shown[0] == OUT
    assert [line.split("  ")[1:] for line in shown[2:3]] == [["1.50 of 1.00 USD", "as WORKFLOW.md says"]]
    project.agent = "trivial"
    project.configure(agent={"budget": {"usd": 1}})
    raised = symphony(project.root, "budget", "1", "--usd", "+2")
    assert (raised.status, raised.out) == (
        0,
        "Issue 1 has spent 1.50 of 3.50 USD.\nEligible: it starts with the next decision.\n",
    )
    async with project.daemon(until_idle=True) as daemon:
        await daemon.until(lambda: project.state_of("1") == "Done")


ANY = "allowed: a number greater than 0 and at most 1,000,000,000,000, +N to add N, or default."


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("1", "--usd", "0"), 2, f"--usd: found '0'; {ANY}"),
        (("1", "--usd", "-5"), 2, f"--usd: found '-5'; {ANY}"),
        (("1", "--usd", "nan"), 2, f"--usd: found 'nan'; {ANY}"),
        (("1", "--minutes", "+5"), 1, "Issue 1 has no ceiling of minutes to add to. Give the ceiling itself: "
         "`symphony budget 1 --minutes 90`."),
        (("9", "--usd", "5"), 1, "There is no issue 9. `symphony status` lists the issues."),
        (("9",), 1, "There is no issue 9. `symphony status` lists the issues."),
        (("2", "--usd", "5"), 1, "Issue 2 is finished, in Done: nothing is spent on it any more. "
         "`symphony move 2 STATE` opens it again."),
    ],
)  # fmt: skip
def test_a_budget_that_cannot_be_is_refused_in_words(project_with, words, status, said):
    project = project_with("trivial")
    project.drop("1")
    project.drop("2", state="Done")
    ran = symphony(project.root, "budget", *words)
    assert (ran.status, ran.err) == (status, f"symphony: {said}\n")


def test_a_budget_is_shown_to_scripts_and_a_low_one_says_what_follows(project_with):
    project = project_with("trivial")
    project.drop("1")
    given = json.loads(symphony(project.root, "budget", "1", "--tokens", "5_000", "--json").out)
    assert given["said"] == [
        "Issue 1 has spent 0 of 5,000 tokens.",
        "Eligible: it starts with the next decision.",
    ]
    shown = json.loads(symphony(project.root, "budget", "1", "--json").out)
    assert shown == {"issue_id": "1", "budget": given["budget"]}
    assert [(each["kind"], each["ceiling"], each["own"]) for each in shown["budget"]] == [
        ("tokens", 5000, True),
        ("usd", None, False),
        ("minutes", None, False),
    ]
