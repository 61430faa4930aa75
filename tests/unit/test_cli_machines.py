"""Where the command line shows machines, and that it shows nothing where there are none."""

import io
from dataclasses import replace
from pathlib import Path

import pytest

from symphony.cli import show
from symphony.cli.place import Place
from symphony.cli.screen import Screen
from symphony.cli.status import print_status
from symphony.core.admission import MIB, HostMemory
from symphony.core.claim import Waiting
from symphony.core.machine import MachineState, MachineUsage
from symphony.core.operations import IssueDetail
from symphony.core.picture import render_snapshot, standing
from symphony.core.usage import Usage
from symphony.web.views import detail_view, state_view
from tests.support.world import NOON, make_issue, make_record, make_running, make_state, make_steering

AWAKE = MachineUsage("symphony-1", MachineState.RUNNING, 412 * MIB, 12.3)
ASLEEP = MachineUsage("symphony-2", MachineState.PAUSED)


def printed(state):
    """Return what `symphony status` prints below its head."""
    picture = state_view(render_snapshot(state, NOON, Usage()))
    stream = io.StringIO()
    print_status(
        Screen(stream),
        {**picture, "daemon": None, "workflow": "WORKFLOW.md", "sandbox": {"kind": "x", "isolation": "x"}},
    )
    return stream.getvalue().partition("Running")[2]


def state_with(first, second):
    records = (
        make_record("1", make_running("1", machine=first)),
        make_record("2", Waiting(make_steering("2"), make_running("2", machine=second))),
    )
    return make_state(make_issue("1"), make_issue("2"), make_issue("3"), records=records, sandbox="smolvm")


def test_status_shows_what_each_machine_does_and_costs():
    assert printed(state_with(AWAKE, ASLEEP)) == (
        """ (1)
  1  in a turn  turn 1/20  0s  0 tokens  412 MiB, 12 % CPU  Issue 1

Waiting for you (1)
  2  0s ago  Issue 2
    Which colour?
    symphony reply 2 TEXT
    machine: paused
"""
    )


def test_status_has_no_word_and_no_column_for_machines_where_there_are_none():
    assert printed(state_with(None, None)) == (
        """ (1)
  1  in a turn  turn 1/20  0s  0 tokens  Issue 1

Waiting for you (1)
  2  0s ago  Issue 2
    Which colour?
    symphony reply 2 TEXT
"""
    )


def test_status_says_that_an_issue_waits_for_memory():
    state = replace(state_with(AWAKE, ASLEEP), host_memory=HostMemory(1103 * MIB, 8000 * MIB))
    assert printed(state).endswith(
        """
Not running (1)
  3  Todo  Issue 3  waits for memory: a machine needs 2,048 MiB and the host has 1,103 MiB free
"""
    )


@pytest.mark.parametrize(
    ("machine", "line"),
    [(AWAKE, "  machine  symphony-1: 412 MiB, 12 % CPU\n"), (ASLEEP, "  machine  symphony-2: paused\n")],
)
def test_show_names_the_machine(monkeypatch, capsys, tmp_path, machine, line):
    assert line in shown(monkeypatch, capsys, tmp_path, machine)


def test_show_has_no_line_for_a_machine_where_there_is_none(monkeypatch, capsys, tmp_path):
    assert "  machine" not in shown(monkeypatch, capsys, tmp_path, None)


def shown(monkeypatch, capsys, tmp_path: Path, machine):
    """Return what `symphony show 1` prints."""
    state = state_with(machine, None)
    detail = IssueDetail(
        "1", state.issues.get("1"), standing(state, "1", NOON), (), (), (), tmp_path / "1.jsonl", "", 0, False
    )
    monkeypatch.setattr(show, "read", lambda _, __: detail_view(replace(detail, machine=machine)))
    show.show_issue(Place(tmp_path / "WORKFLOW.md"), "1", as_json=False)
    return capsys.readouterr().out
