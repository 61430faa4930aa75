"""The receipt of the checks that a piece of work has passed, and the best of what has not."""

import json
from datetime import UTC, datetime
from pathlib import Path

from symphony.cli.screen import Screen
from symphony.cli.show import _best, _handoff
from symphony.core.best import BestState, Checked
from symphony.core.operations import IssueDetail
from symphony.core.receipt import CheckRun, Receipt
from symphony.web.views import detail_view
from tests.support.git_project import GitWorld, make_completion

RECEIPT = Receipt(
    "a" * 40, (CheckRun("tests", "make test", 0, 65.2), CheckRun("lint", "ruff\ncheck", 0, 0.4))
)


def test_a_check_is_said_on_one_line():
    assert [str(run) for run in RECEIPT.checks] == [
        "tests (make test): exit status 0 after 1m 5s",
        "lint (ruff check): exit status 0 after 0s",
    ]
    assert str(CheckRun("x\x1b[2J", "y", None, 600)) == "x[2J (y): killed at its timeout after 10m 0s"


def test_it_is_for_these_files_and_these_checks_alone():
    checks = [("tests", "make test"), ("lint", "ruff\ncheck")]
    assert RECEIPT.covers("a" * 40, checks)
    assert not RECEIPT.covers("b" * 40, checks)
    assert not RECEIPT.covers("a" * 40, checks[:1])
    assert not RECEIPT.covers("a" * 40, [("tests", "true"), checks[1]])


async def test_it_is_in_the_patch_and_the_patch_applies(tmp_path):
    world = GitWorld(tmp_path)
    workspace = await world.prepare()
    world.commit(workspace, {"a.txt": b"a\n"}, "Add a")
    imported = await world.collect(workspace)
    receipt = Receipt(imported.head_tree, RECEIPT.checks)
    completion = make_completion(workspace.issue_id, receipt=receipt)
    handoff = await world.workspaces.hand_off(workspace, imported, completion, world.settings)
    assert (
        f"checks: passed on tree {imported.head_tree}\n"
        "    tests (make test): exit status 0 after 1m 5s\n"
        "    lint (ruff check): exit status 0 after 0s\n"
    ) in handoff.patch.read_text()


def test_it_is_in_the_state_api_and_in_show(capsys):
    detail = IssueDetail(
        "7", None, "", (), (), (), Path("/l"), "Patch written.", 0, paused=False, receipt=RECEIPT
    )
    view = json.loads(json.dumps(detail_view(detail)))
    assert view["receipt"] == {
        "tree": "a" * 40,
        "checks": [
            {"name": "tests", "command": "make test", "exit_status": 0, "seconds": 65.2},
            {"name": "lint", "command": "ruff\ncheck", "exit_status": 0, "seconds": 0.4},
        ],
    }
    _handoff(Screen(), {**view, "patch": None})
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "  Checks that the files aaaaaaaaaaaa passed:",
        "    tests (make test): exit status 0 after 1m 5s",
        "    lint (ruff check): exit status 0 after 0s",
    ]


def test_the_best_state_is_in_the_state_api_and_in_show(capsys):
    at = datetime(2026, 1, 1, tzinfo=UTC)
    good = Checked("a" * 40, ("lint",), 2, 1, at, committed=True)
    bad = Checked("b" * 40, ("lint", "tests"), 2, 2, at, committed=True)
    best = BestState("refs/symphony/best/7", Path("/host.git"), good, bad)
    detail = IssueDetail("7", None, "", (), (), (), Path("/l"), "", 0, paused=False, best=best)
    view = detail_view(detail)
    assert view["best"] == {
        "ref": "refs/symphony/best/7",
        "commit": "a" * 40,
        "command": "git fetch /host.git refs/symphony/best/7:refs/heads/best/7",
        "lost": True,
        "text": "Commit aaaaaaaaaaaa of attempt 1, on which 1 of 2 checks fails (lint).",
    }
    _best(Screen(), view["best"])
    said = capsys.readouterr().out
    assert "The best so far, and the work has become worse since" in said
    assert "Commit aaaaaaaaaaaa of attempt 1, on which 1 of 2 checks fails (lint)." in said
    assert "git fetch /host.git refs/symphony/best/7:refs/heads/best/7" in said
